"""Attention for a CPU: rows of equal length form a group, so that nothing is padded.

Letters: T packed tokens, R rows, H heads, K head width, n rows of one length.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
import torch.nn.functional as F
from torch import Tensor

from pragma_model.model.attention.base import Attention, Rows

SHORT_ROW = 64
"""Up to this length plain products are faster than the fused kernel in half precision, whose
backward pass is slow; for longer rows their scores would fill the memory."""


class GroupedAttention(Attention):
    """Rows of equal length are adjacent, so that each group is a rectangle without a mask."""

    def __init__(self, rows: Rows) -> None:
        super().__init__(rows)
        lengths = rows.lengths
        by_length = torch.argsort(lengths, stable=True)
        ordered = lengths.index_select(0, by_length)
        ends = ordered.cumsum(0)
        starts = ends - ordered
        shift = rows.first.index_select(0, by_length) - starts
        self.order = torch.arange(len(rows.unpad), device=starts.device) + torch.repeat_interleave(
            shift, ordered, output_size=len(rows.unpad)
        )
        self._by_length = by_length
        self._back = torch.argsort(by_length)
        self.first = starts.index_select(0, self._back)
        found, counts = torch.unique_consecutive(ordered, return_counts=True)
        self._groups = list(zip(counts.tolist(), found.tolist(), strict=True))
        self._sizes = [count * length for count, length in self._groups]

    def places(self, packed: Tensor) -> Tensor:
        """See `Attention.places`."""
        assert self.order is not None
        place = torch.empty_like(self.order)
        place[self.order] = torch.arange(len(place), device=place.device)
        return place.index_select(0, packed)

    def attend(self, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        """See `Attention.attend`."""
        mixed = [_mix(*group).flatten(0, 1) for group in self._groups_of(q, k, v)]
        return torch.cat(mixed) if mixed else torch.zeros_like(q)

    def attend_queries(self, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        """See `Attention.attend_queries`."""
        counts = [count for count, _ in self._groups]
        queries = torch.split(q.index_select(0, self._by_length), counts)
        groups = zip(queries, self._groups_of(k, v), strict=True)
        mixed = [_mix(query, *group) for query, group in groups]
        return torch.cat(mixed).index_select(0, self._back) if mixed else torch.zeros_like(q)

    def _groups_of(self, *packed: Tensor) -> Iterator[tuple[Tensor, ...]]:
        """The rectangles [n, length, H, K] of each group, for each tensor [T, H, K]."""
        # split, because the gradient of a slice is a tensor as large as the original.
        parts = zip(*(torch.split(tensor, self._sizes) for tensor in packed), strict=True)
        for (count, length), group in zip(self._groups, parts, strict=True):
            yield tuple(part.view(count, length, *part.shape[1:]) for part in group)


def _mix(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """Attention of full rectangles, [n, Lq, H, K] and twice [n, L, H, K] -> [n, Lq, H, K]."""
    if q.dtype is torch.float32 or k.shape[1] > SHORT_ROW:
        q, k, v = (tensor.transpose(1, 2) for tensor in (q, k, v))
        return F.scaled_dot_product_attention(q, k, v).transpose(1, 2)
    heads = (tensor.unbind(2) for tensor in (q * q.shape[-1] ** -0.5, k, v))
    return torch.stack([_mix_head(*head) for head in zip(*heads, strict=True)], dim=2)


def _mix_head(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """One head, [n, Lq, K] and twice [n, L, K] -> [n, Lq, K]."""
    weights = torch.softmax(torch.bmm(q, k.transpose(1, 2)).float(), dim=-1)
    return torch.bmm(weights.to(v.dtype), v)
