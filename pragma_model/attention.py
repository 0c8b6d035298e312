"""Attention over packed rows: the one step of the model that needs a rectangle.

Letters: T packed tokens, R rows, L longest row, H heads, K head width.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

EMPTY_CELL = -1e30
"""The score of an empty cell: finite, so that no softmax gives NaN, and below any real score."""


class Rows(NamedTuple):
    """Where packed tokens lie in the rectangle; see `pragma_sql.packing.Layout`."""

    pad: Tensor  # [R, L] int64, packed index of each cell
    mask: Tensor  # [R, L] bool, true where the cell is filled
    unpad: Tensor  # [T] int64, cell of each packed token


def attention(q: Tensor, k: Tensor, v: Tensor, rows: Rows) -> Tensor:
    """Every token attends to all tokens of its row: [T, H, K] three times -> [T, H, K].

    Plain matmul and softmax: on rows this short they train no slower than the fused kernel on a
    CPU, and they export to ONNX.
    """
    count, longest = rows.pad.shape
    heads, width = q.shape[1:]

    def spread(packed: Tensor) -> Tensor:
        cells = packed.index_select(0, rows.pad.flatten())
        return cells.view(count, longest, heads, width).transpose(1, 2)  # [R, H, L, K]

    scores = spread(q) @ spread(k).transpose(2, 3) * width**-0.5  # [R, H, L, L]
    scores = scores.masked_fill(~rows.mask[:, None, None, :], EMPTY_CELL)
    mixed = torch.softmax(scores, dim=-1) @ spread(v)
    return mixed.transpose(1, 2).flatten(0, 1).index_select(0, rows.unpad)
