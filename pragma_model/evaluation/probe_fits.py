"""The models of the probe: boosted trees, and a logistic regression on transformed numbers."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from pragma_model.evaluation.plot import Float
from pragma_sql.formats.histories import Int

MAX_CATEGORIES = 32
"""Most words of a feature that a logistic regression tells apart."""


@dataclass(frozen=True)
class Sample:
    """Rows of one task and split."""

    inputs: Float  # [n, k] features (NaN for null), then the embedding, or only one of these
    labels: Float  # [n] 0 or 1
    users: Int  # [n]

    def resampled(self, seed: int) -> Sample:
        """All rows of as many users, drawn with replacement such that no class is lost."""
        users, user = np.unique(self.users, return_inverse=True)
        zeros, ones = (np.bincount(user, self.labels == label) > 0 for label in (0, 1))
        # Each kind keeps its number of users: those with zeros, with ones, with both.
        kinds = [np.flatnonzero(zeros + 2 * ones == kind) for kind in (1, 2, 3)]
        random = np.random.default_rng(seed)
        drawn = np.concatenate([random.choice(kind, len(kind)) for kind in kinds if len(kind)])
        rows = np.repeat(np.arange(len(user)), np.bincount(drawn, minlength=len(users))[user])
        return Sample(self.inputs[rows], self.labels[rows], self.users[rows])


Scorer = Callable[[Float], Float]  # inputs [n, k] -> scores [n]; only their order counts
Fit = Callable[[Sample, Sample, int], Scorer]  # train, validation, seed


def boosted_trees(train: Sample, validation: Sample, seed: int) -> Scorer:
    """LightGBM with up to 2,000 trees; it stops after 100 that do not improve validation rows.

    The settings were chosen on validation users of real datasets, see docs/LOG.md.
    """
    import lightgbm

    rows, columns = train.inputs.shape
    settings = {
        "objective": "binary",
        "learning_rate": 0.02,
        "num_leaves": 15,
        "min_data_in_leaf": max(1, min(50, rows // 20)),
        "bagging_fraction": 0.8,
        "bagging_freq": 1,
        # At least eight columns, because in few columns pairs would rarely be drawn together.
        "feature_fraction": min(1.0, max(0.4, 8 / columns)),
        "seed": seed,
        "deterministic": True,
        "force_row_wise": True,
        "num_threads": 1,  # so little data gains little from more, which stall on a busy machine
        "verbose": -1,
    }
    data = lightgbm.Dataset(train.inputs, train.labels)
    held_out = lightgbm.Dataset(validation.inputs, validation.labels, reference=data)
    stop = lightgbm.early_stopping(100, verbose=False)
    booster = lightgbm.train(settings, data, 2000, valid_sets=[held_out], callbacks=[stop])
    return lambda inputs: np.asarray(booster.predict(inputs), np.float64)


def logistic_regression(
    train: Sample,
    validation: Sample,
    seed: int,
    words: Sequence[int] = (),
    tamed: int = 0,
) -> Scorer:
    """Logistic regression by L-BFGS, with the C that is best on the validation rows.

    Args:
        train: rows to fit on; they also define the standardisation.
        validation: rows that choose C.
        seed: not used.
        words: inputs that are ranks of words; each word becomes an input of its own.
        tamed: the number of inputs, from the first, that are features. They have long tails, so
            their logarithms are used; missing values add an input that says so.
    """
    from sklearn.linear_model import LogisticRegression
    from sklearn.metrics import log_loss

    columns = list(_columns(train.inputs, words, tamed))

    def ready(inputs: Float) -> Float:
        made = [column(inputs) for column in columns]
        return np.column_stack(made) if made else np.zeros((len(inputs), 1))

    scaled, held_out = ready(train.inputs), ready(validation.inputs)
    strengths = (0.0001, 0.001, 0.01, 0.1, 1.0)
    fits = [LogisticRegression(C=c, max_iter=1000).fit(scaled, train.labels) for c in strengths]
    best = min(fits, key=lambda fit: log_loss(validation.labels, fit.predict_proba(held_out)))
    return lambda inputs: np.asarray(best.decision_function(ready(inputs)), np.float64)


def _columns(inputs: Float, words: Sequence[int], tamed: int) -> Iterator[Scorer]:
    """Functions from inputs to the columns of a linear model, fitted on the training rows."""
    for place in range(inputs.shape[1]):
        given = inputs[:, place]
        known = given[~np.isnan(given)]
        if 0 < len(known) < len(given) and place < tamed:
            yield _missing(place)
        if place in words:
            yield from (_word(place, rank) for rank in np.unique(known) if rank < MAX_CATEGORIES)
        elif len(known) and np.ptp(known) > 0:
            yield _standard(place, known, is_tamed=place < tamed)


def _missing(place: int) -> Scorer:
    return lambda inputs: np.isnan(inputs[:, place]).astype(np.float64)


def _word(place: int, rank: float) -> Scorer:
    return lambda inputs: (inputs[:, place] == rank).astype(np.float64)


def _standard(place: int, known: Float, *, is_tamed: bool) -> Scorer:
    """Standardisation to mean 0 and deviation 1; a missing value becomes the mean."""
    sizes = np.abs(known[known != 0])
    unit = float(np.median(sizes)) if is_tamed else 0.0

    def tame(values: Float) -> Float:
        return np.sign(values) * np.log1p(np.abs(values) / unit) if unit else values

    mean, deviation = float(tame(known).mean()), float(tame(known).std()) or 1.0
    return lambda inputs: np.nan_to_num((tame(inputs[:, place]) - mean) / deviation, nan=0.0)
