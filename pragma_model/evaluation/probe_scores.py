"""Scores of rankings, and intervals of their differences by a paired bootstrap of users."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pragma_model.evaluation.plot import Float
from pragma_sql.formats.histories import Int

DRAWS = 500


@dataclass(frozen=True)
class Difference:
    """The gain of one ranking over another: the mean and a 95% interval."""

    mean: float
    low: float
    high: float


@dataclass(frozen=True)
class Ranking:
    """Rows sorted by score, so that both metrics are a few sums for any weights of the rows."""

    level: Int  # [n] rank of each row's score among the distinct ones
    labels: Float  # [n] 0 or 1

    @classmethod
    def of(cls, scores: Float, labels: Float) -> Ranking:
        """The ranking by scores [n]; ties count half."""
        return cls(np.unique(scores, return_inverse=True)[1], labels)

    def metrics(self, weights: Float | None = None) -> tuple[float, float]:
        """ROC-AUC and average precision; NaN if the weights leave only one class."""
        weights = np.ones(len(self.labels)) if weights is None else weights
        ones = np.bincount(self.level, weights * self.labels)[::-1]
        zeros = np.bincount(self.level, weights * (1 - self.labels))[::-1]
        found, passed = np.cumsum(ones), np.cumsum(zeros)
        if not found[-1] or not passed[-1]:
            return float("nan"), float("nan")
        roc = np.sum(zeros * (found - ones / 2)) / found[-1] / passed[-1]
        seen = np.maximum(found + passed, 1e-12)
        return float(roc), float(np.sum(ones * found / seen) / found[-1])


def differences(
    pairs: Sequence[tuple[Ranking, Ranking]], users: Int
) -> tuple[Difference, Difference]:
    """Gains in ROC-AUC and average precision: second less first of each pair, mean over pairs.

    Args:
        pairs: rankings of the same rows.
        users: the user of each row; a draw of a user takes all of the user's rows.
    """
    _, user = np.unique(users, return_inverse=True)
    count, random = int(user.max()) + 1, np.random.default_rng(0)
    drawn = []
    for draw in range(DRAWS + 1):
        picked = random.integers(0, count, count) if draw else np.arange(count)
        times = np.bincount(picked, minlength=count)
        weights = times[user].astype(np.float64)
        each = [np.subtract(other.metrics(weights), one.metrics(weights)) for one, other in pairs]
        drawn.append(np.mean(each, axis=0))
    low, high = np.nanquantile(drawn[1:], (0.025, 0.975), axis=0)
    roc, precision = (Difference(float(drawn[0][k]), float(low[k]), float(high[k])) for k in (0, 1))
    return roc, precision
