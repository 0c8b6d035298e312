"""Attention within packed rows: one function with several kernels that give equal numbers.

Letters: T packed tokens, R rows, L longest row, n queries of a row, H heads, K head width.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from enum import StrEnum
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

EMPTY_CELL = -1e30
"""The score of an empty cell: finite, so that no softmax gives NaN, and below any real score."""


class Rows(NamedTuple):
    """The places of packed tokens in the rectangle; see `pragma_sql.formats.packing.Layout`."""

    pad: Tensor  # [R, L] int64, packed index of each cell
    mask: Tensor  # [R, L] bool, true where the cell is filled
    unpad: Tensor  # [T] int64, cell of each packed token
    first: Tensor  # [R] int64, packed index of each row's first token

    @property
    def lengths(self) -> Tensor:
        """Tokens of each row, [R]."""
        return self.mask.sum(1)


class Kernel(StrEnum):
    """The kernels of attention, which all give the same numbers."""

    AUTO = "auto"
    PADDED = "padded"
    """Plain products on rows padded to the longest, which can be exported to ONNX."""
    GROUPED = "grouped"
    """Rows grouped by equal length, so that no cell is padded. For a CPU."""
    VARLEN = "varlen"
    """torch's variable-length flash attention. For a GPU, in half precision."""
    FLASH = "flash"
    """Variable-length flash attention from the package flash-attn. For a GPU."""
    FLEX = "flex"
    """FlexAttention with a block mask of rows. For a GPU, in any precision."""


class Attention(ABC):
    """The layout of one encoder's tokens while its layers run, and attention within it."""

    order: Tensor | None = None
    """[T] the packed token at each place; None if places are those of the packing."""
    first: Tensor
    """[R] the place of the first token of each packed row."""

    def __init__(self, rows: Rows) -> None:
        self.rows = rows
        self.first = rows.first

    @property
    def ends(self) -> Tensor:
        """[R, 2] the places of each row's first and last token, equal in a row of one token."""
        return torch.stack([self.first, self.first + self.rows.lengths - 1], dim=1)

    def arranged(self, packed: Tensor) -> Tensor:
        """Packed tokens or times in the order of places."""
        return packed if self.order is None else packed.index_select(0, self.order)

    def places(self, packed: Tensor) -> Tensor:
        """The places of these packed tokens."""
        return packed

    @abstractmethod
    def attend(self, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        """Every token attends to all tokens of its row: [T, H, K] three times -> [T, H, K]."""

    @abstractmethod
    def attend_queries(self, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        """Only n tokens per row attend: q [R, n, H, K], k and v [T, H, K] -> [R, n, H, K]."""


class PaddedAttention(Attention):
    """Attention by plain products on padded rectangles."""

    def __init__(self, rows: Rows, parts: int = 1) -> None:
        """`parts` splits the queries, as scores need memory by the square of a row's length."""
        super().__init__(rows)
        self._parts = parts

    def attend(self, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        """See `Attention.attend`."""
        queries = self._spread(q)
        longest = queries.shape[2]
        step = (longest + self._parts - 1) // self._parts
        filled = F.pad(queries, (0, 0, 0, self._parts * step - longest))
        taken = (filled.narrow(2, part * step, step) for part in range(self._parts))
        mixed = torch.cat([self._mixed(part, k, v) for part in taken], dim=2)
        mixed = mixed.narrow(2, 0, longest)
        return mixed.transpose(1, 2).flatten(0, 1).index_select(0, self.rows.unpad)

    def attend_queries(self, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        """See `Attention.attend_queries`."""
        return self._mixed(q.transpose(1, 2), k, v).transpose(1, 2)

    def _mixed(self, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        scores = q @ self._spread(k).transpose(2, 3) * q.shape[-1] ** -0.5
        scores = scores.float().masked_fill(~self.rows.mask[:, None, None, :], EMPTY_CELL)
        return torch.softmax(scores, dim=-1).to(v.dtype) @ self._spread(v)

    def _spread(self, packed: Tensor) -> Tensor:
        """Packed [T, H, K] -> padded rectangles [R, H, L, K]."""
        cells = packed.index_select(0, self.rows.pad.flatten())
        # By shape, not by len(), which an export would freeze.
        shape = (self.rows.pad.shape[0], self.rows.pad.shape[1], *packed.shape[1:])
        return cells.view(shape).transpose(1, 2)
