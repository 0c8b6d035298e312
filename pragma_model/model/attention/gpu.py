"""Attention for a GPU: variable-length flash attention and FlexAttention. Nothing is padded.

Letters: T packed tokens, R rows, H heads, K head width.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from importlib import import_module
from importlib.util import find_spec

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.nn.attention.flex_attention import BlockMask, create_block_mask, flex_attention
from torch.nn.attention.varlen import varlen_attn

from pragma_model.model.attention.base import Attention, Rows

HALF_PRECISION = (torch.bfloat16, torch.float16)


class VarlenAttention(Attention):
    """Flash attention over rows given by offsets; it rounds single precision to bfloat16."""

    def __init__(self, rows: Rows, *, package: bool = False) -> None:
        """`package` selects the kernel of flash-attn instead of torch's own."""
        super().__init__(rows)
        lengths = rows.lengths
        self._package = package
        self._longest = rows.pad.shape[1]
        self._offsets = F.pad(lengths.cumsum(0), (1, 0)).to(torch.int32)
        self._counted = torch.arange(len(lengths) + 1, dtype=torch.int32, device=lengths.device)

    def attend(self, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        """See `Attention.attend`."""
        return self._run(q, k, v, self._offsets, self._longest)

    def attend_queries(self, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        """See `Attention.attend_queries`."""
        few = q.shape[1]
        return self._run(q.flatten(0, 1), k, v, few * self._counted, few).view(q.shape)

    def _run(self, q: Tensor, k: Tensor, v: Tensor, offsets: Tensor, longest: int) -> Tensor:
        if not len(q):
            return q  # a flash kernel may crash on empty input
        kind = q.dtype
        if kind not in HALF_PRECISION:
            q, k, v = (tensor.to(torch.bfloat16) for tensor in (q, k, v))
        attend = _package_kernel() if self._package else varlen_attn
        mixed = attend(q, k, v, offsets, self._offsets, longest, self._longest)
        assert isinstance(mixed, Tensor)
        return mixed.to(kind)


class FlexRows(Attention):
    """FlexAttention over one long sequence, in which a token sees only its own row."""

    def __init__(self, rows: Rows) -> None:
        super().__init__(rows)
        longest = rows.pad.shape[1]
        self._row = rows.unpad // longest
        self._each = torch.arange(len(rows.first), device=rows.first.device)
        self._within = self._mask(self._row)

    def attend(self, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        """See `Attention.attend`."""
        return self._run(q, k, v, self._within)

    def attend_queries(self, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        """See `Attention.attend_queries`."""
        rows = self._each.repeat_interleave(q.shape[1])
        return self._run(q.flatten(0, 1), k, v, self._mask(rows)).view(q.shape)

    def _run(self, q: Tensor, k: Tensor, v: Tensor, mask: BlockMask | None) -> Tensor:
        if mask is None:
            return q
        heads_first = (tensor.transpose(0, 1)[None] for tensor in (q, k, v))
        mixed = _flex(q.is_cuda)(*heads_first, block_mask=mask)
        assert isinstance(mixed, Tensor)
        return mixed[0].transpose(0, 1)

    def _mask(self, row_of_query: Tensor) -> BlockMask | None:
        if not len(row_of_query):
            return None

        def same_row(_batch: Tensor, _head: Tensor, query: Tensor, key: Tensor) -> Tensor:
            return row_of_query[query] == self._row[key]

        sizes = (len(row_of_query), len(self._row))
        return create_block_mask(same_row, None, None, *sizes, device=row_of_query.device)


@cache
def _flex(compiled: bool) -> Callable[..., object]:
    # Uncompiled it computes all T x T scores, which is fine for a test but not for a batch.
    plain: Callable[..., object] = flex_attention
    return torch.compile(plain, dynamic=True) if compiled else plain


@cache
def _package_kernel() -> Callable[..., object]:
    kernel: Callable[..., object] = import_module("flash_attn").flash_attn_varlen_func
    return kernel


def has_flash_package() -> bool:
    """Whether the package flash-attn is installed."""
    return find_spec("flash_attn") is not None
