"""How good are embeddings, compared with hand-made SQL features, on users not trained on?"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt

from pragma_model.evaluation.plot import Float
from pragma_model.evaluation.probe_examples import Examples, read_examples
from pragma_model.evaluation.probe_fits import Fit, Sample, boosted_trees, logistic_regression
from pragma_model.evaluation.probe_scores import Difference, Ranking, differences
from pragma_sql.formats.histories import Int
from pragma_sql.formats.packages import need_packages
from pragma_sql.formats.shards import SPLITS, Split

MIN_USERS = 10
"""Least number of users in each split for a task to be probed."""

FEATURES, EMBEDDINGS, BOTH = (
    f"LightGBM on {inputs}" for inputs in ("features", "embeddings", "both")
)
LINEAR_FEATURES, LINEAR_EMBEDDINGS, LINEAR_BOTH = (
    f"logistic regression on {inputs}" for inputs in ("features", "embeddings", "both")
)
BLEND = "rank blend on both"
BLENDS: Mapping[str, Mapping[str, float]] = {
    "rank blend on features": {FEATURES: 0.75, LINEAR_FEATURES: 0.25},
    BLEND: {FEATURES: 0.5, BOTH: 0.25, LINEAR_BOTH: 0.25},
}
"""Weighted means of the ranks that models give a row. The first shows what blending is worth
without embeddings. The weights were chosen on train and validation users of five datasets, see
docs/LOG.md."""

GAINS = (BOTH, *BLENDS)
"""What is compared with `FEATURES`."""


@dataclass(frozen=True)
class Metric:
    """A metric over seeds and models: its mean, and its range (largest less smallest)."""

    mean: float
    spread: float
    """Range over the seeds of the probe, mean over the models."""
    model_spread: float | None = None
    """Range over the models, each the mean over the seeds; None with fewer than two models."""


@dataclass(frozen=True)
class Outcome:
    """One fit: the model of the embeddings, the seed, and the scores."""

    model_id: str  # empty if no embeddings are used
    seed: int
    roc_auc: float
    pr_auc: float


@dataclass(frozen=True)
class ProbeResult:
    """How one kind of model ranks the test rows of one task."""

    task: str
    model: str
    model_ids: tuple[str, ...]  # of the embeddings
    test_rows: int
    positives: int  # test rows with label 1
    prevalence: float  # their share: the PR-AUC of a random ranking
    roc_auc: Metric | None
    pr_auc: Metric | None  # average precision
    unscored: str  # why there are no metrics; empty if there are
    runs: tuple[Outcome, ...] = ()
    roc_auc_gain: Difference | None = None  # over LightGBM on features, of `GAINS`
    pr_auc_gain: Difference | None = None


@dataclass(frozen=True)
class Scores:
    """What one fit says of the test rows; only the order counts."""

    model_id: str
    seed: int
    test: Float  # [n]


Scored = list[tuple[Outcome, Ranking]]
Rows = Mapping[Split, npt.NDArray[np.bool_]]  # of one task, by split
Asker = Callable[[Examples, Rows, Sequence[int]], Iterator[Scores]]


def probe(
    examples: Path,
    seeds: Sequence[int] = (0, 1, 2),
    models: Sequence[str] = (),
    split_at: datetime | None = None,
) -> list[ProbeResult]:
    """Compare frozen embeddings with hand-made features, by eight kinds of models per task.

    Every model is fitted on train users, chooses its number of trees or its C by the log loss of
    validation users, and scores test users once. Each seed resamples the train users with
    replacement, the same way for all models: the spread shows the effect of another sample of
    users. The spread over `models` shows the effect of another seed of pre-training. A task with
    only one class, or too few users, in some split has no metrics.

    Args:
        examples: parquet, one row per task, user and moment, with `COLUMNS` (`label` is 0 or 1,
            `split` goes by user); every other column is a feature, a number or a word, null if
            unknown.
        seeds: all models are fitted once per seed.
        models: ids of the models to probe; none means the one of the examples.
        split_at: test rows are those from this moment on, instead of those of test users.

    Raises:
        PragmaError: LightGBM or scikit-learn is not installed, `examples` is not as above, or a
            model has no vectors.
    """
    need_packages("pragma probe", ["lightgbm", "sklearn"])
    from threadpoolctl import threadpool_limits

    given = read_examples(examples, models, split_at)
    tasks = map(str, np.unique(given.task))
    with threadpool_limits(1):  # more threads would wait for each other: the matrices are small
        return [result for task in tasks for result in _asked(task, given, seeds)]


def _asked(task: str, given: Examples, seeds: Sequence[int]) -> Iterator[ProbeResult]:
    """All results of a task."""
    rows = {split: (given.task == task) & (given.split == split) for split in SPLITS}
    unscored = "; ".join(_unscored(given, rows))
    labels = given.labels[rows["test"]]
    said: dict[str, list[Scores]] = {}
    for name, fit in _kinds(given).items():
        said[name] = [] if unscored else list(fit(given, rows, seeds))
    said |= {name: list(blended(said, weights)) for name, weights in BLENDS.items()}
    scored = {name: [_scored(each, labels) for each in found] for name, found in said.items()}
    for name, found in scored.items():
        gains = None
        if name in GAINS and found:
            gains = _gains(scored[FEATURES], found, given.users[rows["test"]])
        roc_auc, pr_auc = _metrics([outcome for outcome, _ in found])
        yield ProbeResult(
            task=task,
            model=name,
            model_ids=() if name.endswith("features") else tuple(given.embeddings),
            test_rows=len(labels),
            positives=int(labels.sum()),
            prevalence=float(labels.mean()) if len(labels) else 0.0,
            roc_auc=roc_auc,
            pr_auc=pr_auc,
            unscored=unscored,
            runs=tuple(outcome for outcome, _ in found),
            roc_auc_gain=gains[0] if gains else None,
            pr_auc_gain=gains[1] if gains else None,
        )


def _unscored(given: Examples, rows: Rows) -> Iterator[str]:
    """The reasons why a task cannot be probed."""
    users = {split: len(np.unique(given.users[rows[split]])) for split in SPLITS}
    for split, count in users.items():
        if count < MIN_USERS:
            yield f"{count} {split} users, of {MIN_USERS} that are needed"
    one_class = [s for s in SPLITS if users[s] and np.ptp(given.labels[rows[s]]) == 0]
    if one_class:
        yield f"one class only in {', '.join(one_class)}"


def _kinds(given: Examples) -> dict[str, Asker]:
    """The kinds of models and their inputs, in the order of the table."""
    width = given.features.shape[1]
    linear = partial(logistic_regression, words=given.words, tamed=width)
    return {
        FEATURES: partial(_fitted, boosted_trees, by_hand=True, learnt=False),
        EMBEDDINGS: partial(_fitted, boosted_trees, by_hand=False, learnt=True),
        BOTH: partial(_fitted, boosted_trees, by_hand=True, learnt=True),
        LINEAR_FEATURES: partial(_fitted, linear, by_hand=True, learnt=False),
        LINEAR_EMBEDDINGS: partial(_fitted, logistic_regression, by_hand=False, learnt=True),
        LINEAR_BOTH: partial(_fitted, linear, by_hand=True, learnt=True),
    }


def _fitted(
    fit: Fit,
    given: Examples,
    rows: Rows,
    seeds: Sequence[int],
    *,
    by_hand: bool,
    learnt: bool,
) -> Iterator[Scores]:
    """Fit each model's embeddings with each seed; no fit sees a test row."""
    features = [given.features] if by_hand else []
    embeddings = dict(given.embeddings) if learnt else {"": np.zeros((len(given.labels), 0))}
    for model_id, vectors in embeddings.items():
        inputs = np.column_stack([*features, vectors])
        train, validation, test = (
            Sample(inputs[rows[split]], given.labels[rows[split]], given.users[rows[split]])
            for split in SPLITS
        )
        for seed in seeds:
            score = fit(train.resampled(seed), validation, seed)
            yield Scores(model_id, seed, score(test.inputs))


def blended(said: Mapping[str, Sequence[Scores]], weights: Mapping[str, float]) -> Iterator[Scores]:
    """The blend of each seed and model; a kind without embeddings goes with every model."""
    by_model = {
        kind: {(each.model_id, each.seed): each.test for each in said[kind]} for kind in weights
    }
    of_models = max(by_model.values(), key=lambda found: sum(bool(model) for model, _ in found))
    for model, seed in of_models:
        ranks = [
            weights[kind] * ranks_of(found[(model, seed) if (model, seed) in found else ("", seed)])
            for kind, found in by_model.items()
        ]
        yield Scores(model, seed, np.sum(ranks, axis=0))


def ranks_of(scores: Float) -> Float:
    """The rank of each score as a share of all; ties share one."""
    _, level, count = np.unique(scores, return_inverse=True, return_counts=True)
    return ((np.cumsum(count) - count / 2) / len(scores))[level]


def _scored(said: Scores, labels: Float) -> tuple[Outcome, Ranking]:
    ranking = Ranking.of(said.test, labels)
    return Outcome(said.model_id, said.seed, *ranking.metrics()), ranking


def _gains(features: Scored, found: Scored, users: Int) -> tuple[Difference, Difference]:
    """The gains over features alone, seed by seed."""
    alone = {outcome.seed: ranking for outcome, ranking in features}
    return differences([(alone[outcome.seed], other) for outcome, other in found], users)


def _metrics(runs: Sequence[Outcome]) -> tuple[Metric | None, Metric | None]:
    """ROC-AUC and PR-AUC over seeds and models."""
    if not runs:
        return None, None
    models = list(dict.fromkeys(run.model_id for run in runs))
    values = np.array(
        [[(r.roc_auc, r.pr_auc) for r in runs if r.model_id == model] for model in models]
    )  # [models, seeds, 2]
    of_models = np.ptp(values.mean(axis=1), axis=0) if len(models) > 1 else (None, None)
    roc_auc, pr_auc = (
        Metric(float(mean), float(spread), None if of_model is None else float(of_model))
        for mean, spread, of_model in zip(
            values.mean(axis=(0, 1)), np.ptp(values, axis=1).mean(axis=0), of_models, strict=True
        )
    )
    return roc_auc, pr_auc
