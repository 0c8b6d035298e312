"""How well hidden values were found, by kind of mask and by field.

Letters: N targets, V ids that a key may have.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from pragma_model.training.masking import KINDS, MaskedBatch
from pragma_model.training.objective import ValueLoss

DIGITS = 4


@dataclass(frozen=True)
class Found:
    """Figures of some hidden values: their number, mean loss, and share guessed right."""

    values: int
    loss: float
    accuracy: float


class Breakdown:
    """Sums over batches, kept on their device until they are asked for."""

    def __init__(self, vocabulary_size: int, device: torch.device | str = "cpu") -> None:
        shape = (3, len(KINDS), vocabulary_size)
        self.sums = torch.zeros(shape, dtype=torch.float64, device=device)
        """Counts of values, sums of losses and counts of hits, [3, kinds, V]."""

    def add(self, masked: MaskedBatch, found: ValueLoss) -> None:
        """Add the targets of one batch."""
        _, kinds, ids = self.sums.shape
        cell = masked.kinds * ids + masked.keys
        ones = torch.ones_like(found.losses)
        for total, weights in zip(self.sums, (ones, found.losses, found.correct), strict=True):
            counted = torch.bincount(cell, weights.double(), minlength=kinds * ids)
            total += counted.view(kinds, ids)

    def by_mask(self) -> dict[str, Found]:
        """Figures by kind of mask, without kinds that hid nothing."""
        return _accuracy_of(self.sums.sum(2), dict(enumerate(KINDS)))

    def by_field(self, names: Mapping[int, str]) -> dict[str, Found]:
        """Figures by key; `names` gives the keys' names by id."""
        return _accuracy_of(self.sums.sum(1), names)


def _accuracy_of(sums: Tensor, names: Mapping[int, str]) -> dict[str, Found]:
    """Means by name, from sums [3, n] of values, losses and hits."""
    rows: Sequence[tuple[float, float, float]] = sums.T.tolist()
    return {
        names.get(place, str(place)): Found(
            int(values), round(loss / values, DIGITS), round(hits / values, DIGITS)
        )
        for place, (values, loss, hits) in enumerate(rows)
        if values
    }
