"""What the model knows of activity, and what it expects next.

Letters: B users, n users and moments, D width, A numbers of activity, W windows, J numeric keys,
G = W (J + 1) amounts: active periods and a sum for each key, by window.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor, nn

from pragma_sql.formats.activity import ActivitySpec

SMALLEST_SCALE = 0.05
"""Smallest standard deviation that is divided by: a number that hardly varies stays small."""

NEVER_KNOWN = 1e9
"""Scale of a number that was never known, which makes it vanish."""

LARGEST = 10.0
"""Most standard deviations of a number from its mean; beyond, it is cut off."""


class Standardised(nn.Module):
    """Numbers less their mean, by their standard deviation, as seen in training data.

    Both are parameters without a gradient, so that they travel with the weights.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.mean = nn.Parameter(torch.zeros(width), requires_grad=False)
        self.scale = nn.Parameter(torch.ones(width), requires_grad=False)

    def fit(self, numbers: Tensor, known: Tensor | None = None) -> None:
        """Take mean and scale of numbers, [n, width]; if given, only of those with weight 1.

        A number that was never known is always taken for its mean.
        """
        weights = torch.ones_like(numbers) if known is None else known
        weights = weights * ~numbers.isnan()
        numbers = numbers.nan_to_num()
        total = weights.sum(0).clamp(min=1)
        mean = (weights * numbers).sum(0) / total
        variance = (weights * (numbers - mean) ** 2).sum(0) / total
        with torch.no_grad():
            self.mean.copy_(mean)
            scale = variance.sqrt().clamp(min=SMALLEST_SCALE)
            self.scale.copy_(torch.where(weights.sum(0) > 0, scale, NEVER_KNOWN))

    def forward(self, numbers: Tensor) -> Tensor:
        """[n, width] -> [n, width]; NaN, a number that is not known, becomes 0, its mean."""
        standard = ((numbers - self.mean) / self.scale).clamp(-LARGEST, LARGEST)
        return torch.where(numbers.isnan(), 0.0, standard)


class ActivityInput(nn.Module):
    """What activity adds to the input of [USR]: all but the profile, which [USR] is made of."""

    def __init__(self, spec: ActivitySpec, width: int) -> None:
        super().__init__()
        self.standard = Standardised(spec.width)
        self.of_events = spec.width - len(spec.attributes)
        self.map = nn.Sequential(
            nn.Linear(self.of_events, width), nn.GELU(), nn.Linear(width, width)
        )

    def forward(self, activity: Tensor) -> Tensor:
        """[B, A] -> [B, D]"""
        added: Tensor = self.map(self.standard(activity)[:, : self.of_events])
        return added


LARGEST_LOG = 30.0
"""Largest logarithm that a forecast is the exponential of."""


class Calibration(nn.Module):
    """What turns expectations of logarithms into expectations, as seen on held-out users.

    Parameters without a gradient, as in `Standardised`; at first they change nothing.
    """

    def __init__(self, windows: int, amounts: int) -> None:
        super().__init__()
        self.slope = nn.Parameter(torch.ones(windows), requires_grad=False)
        self.shift = nn.Parameter(torch.zeros(windows), requires_grad=False)
        self.counts = nn.Parameter(torch.ones(windows), requires_grad=False)
        self.amounts = nn.Parameter(torch.ones(amounts), requires_grad=False)


class Expected(NamedTuple):
    """What is expected in each window after the moment."""

    log_counts: Tensor  # [n, W] of events, log(1 + x)
    some: Tensor  # [n, W] logits of at least one event
    amounts: Tensor  # [n, G] signed logs, standardised


class LookAhead(nn.Module):
    """Heads on the state of [USR] that say what comes next."""

    def __init__(self, spec: ActivitySpec, width: int) -> None:
        super().__init__()
        windows, keys = len(spec.ahead), len(spec.keys)
        amounts = windows * (keys + 1)
        self.standard = Standardised(amounts)
        self.counts = nn.Sequential(
            nn.Linear(width, width), nn.GELU(), nn.Linear(width, 2 * windows)
        )
        self.amounts = nn.Sequential(nn.Linear(width, width), nn.GELU(), nn.Linear(width, amounts))
        self.value = nn.Linear(2 * width, width)
        self.value.weight.data.copy_(torch.eye(width).repeat(1, 2))
        self.calibration = Calibration(windows, amounts)

    def forward(self, users: Tensor) -> Expected:
        """[n, D] the states of [USR]."""
        log_counts, some = self.counts(users).chunk(2, dim=1)
        return Expected(log_counts, some, self.amounts(users))

    def forecast(self, users: Tensor) -> Tensor:
        """Calibrated forecasts, [n, 2 W + G]: events, and the chance of none, by window; amounts.

        Within a longer window there are never fewer events, nor is silence likelier.
        """
        expected, calibration = self(users), self.calibration
        events = expected.log_counts.clamp(0.0, LARGEST_LOG).expm1() * calibration.counts
        silence = torch.sigmoid(-(expected.some * calibration.slope + calibration.shift))
        logs = expected.amounts * self.standard.scale + self.standard.mean
        amounts = logs.sign() * logs.abs().clamp(max=LARGEST_LOG).expm1() * calibration.amounts
        return torch.cat(
            [_rising(events, torch.maximum), _rising(silence, torch.minimum), amounts], dim=1
        )

    def guess(self, keys: Tensor, users: Tensor) -> Tensor:
        """Guesses of a coming value given its key, to be scored against the table.

        Args:
            keys: [N, D] the embeddings of the keys.
            users: [N, D] the states of [USR].
        """
        guesses: Tensor = self.value(torch.cat([keys, users], dim=1))
        return guesses


def _rising(numbers: Tensor, better: Callable[[Tensor, Tensor], Tensor]) -> Tensor:
    """[n, W]: the largest, or the smallest, of each window and the shorter ones."""
    columns = list(numbers.unbind(1))
    for place in range(1, len(columns)):
        columns[place] = better(columns[place], columns[place - 1])
    return torch.stack(columns, dim=1)
