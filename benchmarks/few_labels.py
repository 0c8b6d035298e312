"""What embeddings add where few users have a label: draws of 100 and of 300."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt
from learning_results import Found, Results

from pragma_model.evaluation.probe import (
    FEATURES,
    LINEAR_BOTH,
    LINEAR_EMBEDDINGS,
    LINEAR_FEATURES,
)
from pragma_model.evaluation.probe_examples import Examples, read_examples
from pragma_model.evaluation.probe_fits import Fit, Sample, boosted_trees, logistic_regression
from pragma_model.evaluation.probe_scores import Ranking, differences

COUNTS = (100, 300)
DRAWS = 10
HELD_OUT = 5
"""One label in so many chooses the number of trees and C."""
LEAST_ONES = 5
KINDS = (FEATURES, LINEAR_FEATURES, LINEAR_EMBEDDINGS, LINEAR_BOTH)

Places = npt.NDArray[np.int64]


def few_labels(examples: Path, models: Sequence[str]) -> Found:
    """ROC-AUC on test users by task, number of labels and kind, and of both less features.

    Every label that is drawn is of another user; all kinds get the same ones. A draw keeps the
    share of ones, but has at least `LEAST_ONES`.
    """
    given = read_examples(examples, models)
    found: Found = {}
    for task in map(str, np.unique(given.task)):
        test = np.flatnonzero((given.task == task) & (given.split == "test"))
        for count in COUNTS:
            said = list(_draws(given, task, count, test))
            name = f"{task} | {count}"
            for kind in KINDS:
                found[f"{name} | {kind}"] = float(
                    np.mean([each[kind].metrics() for each in said], 0)[0]
                )
            pairs = [(each[FEATURES], each[LINEAR_BOTH]) for each in said]
            gain, _ = differences(pairs, given.users[test])
            found |= {f"{name} | gain | {what}": value for what, value in vars(gain).items()}
    return found


def _draws(given: Examples, task: str, count: int, test: Places) -> Iterator[Mapping[str, Ranking]]:
    """How each kind ranks the test rows, for each draw and model in turn."""
    width = given.features.shape[1]
    linear = partial(logistic_regression, words=given.words, tamed=width)
    models = list(given.embeddings.values())
    for draw in range(DRAWS):
        learnt = models[draw % len(models)]
        inputs: Mapping[str, tuple[Fit, npt.NDArray[np.float64]]] = {
            FEATURES: (boosted_trees, given.features),
            LINEAR_FEATURES: (linear, given.features),
            LINEAR_EMBEDDINGS: (logistic_regression, learnt),
            LINEAR_BOTH: (linear, np.column_stack([given.features, learnt])),
        }
        chosen = drawn(given, task, count, draw)
        parts = chosen[HELD_OUT - 1 :: HELD_OUT], np.delete(chosen, np.s_[HELD_OUT - 1 :: HELD_OUT])
        yield {
            kind: _ranking(fit, rows, given, parts, test) for kind, (fit, rows) in inputs.items()
        }


def drawn(given: Examples, task: str, count: int, seed: int) -> Places:
    """Rows of as many users who are not for the test: the ones, then the zeros."""
    random = np.random.default_rng(seed)
    rows = random.permutation(np.flatnonzero((given.task == task) & (given.split != "test")))
    rows = rows[np.sort(np.unique(given.users[rows], return_index=True)[1])]
    ones, zeros = (rows[given.labels[rows] == label] for label in (1, 0))
    wanted = max(LEAST_ONES, round(count * len(ones) / len(rows)))
    return np.concatenate([ones[:wanted], zeros[: count - wanted]])


def _ranking(
    fit: Fit,
    inputs: npt.NDArray[np.float64],
    given: Examples,
    parts: tuple[Places, Places],
    test: Places,
) -> Ranking:
    validation, train = (Sample(inputs[p], given.labels[p], given.users[p]) for p in parts)
    return Ranking.of(fit(train, validation, 0)(inputs[test]), given.labels[test])


def few_labels_table(results: Results, datasets: Sequence[str]) -> str:
    """A row for each dataset and task; empty if nothing was measured."""
    rows, gains = [], {count: [] for count in COUNTS}
    for dataset in datasets:
        found = results.get(f"{dataset}, few labels") or {}
        for task in sorted({name.split(" | ")[0] for name in found}):
            for count in COUNTS:
                name = f"{task} | {count}"
                scores = [f"{found[f'{name} | {kind}']:.3f}" for kind in KINDS]
                mean, low, high = (found[f"{name} | gain | {w}"] for w in ("mean", "low", "high"))
                gains[count].append(mean)
                gain = f"{mean:+.3f} [{low:+.3f}, {high:+.3f}]"
                rows.append(f"| {' | '.join([dataset, task, str(count), *scores, gain])} |")
    if not rows:
        return ""
    means = " and ".join(f"{np.mean(g):+.3f} with {count}" for count, g in gains.items())
    text = (
        f"{DRAWS} draws of as many labelled users, of which a fifth chooses the "
        "number of trees and C; ROC-AUC of all test users, mean over the draws, which take the "
        "models in turn. Both less features: logistic regression on both less LightGBM on "
        f"features, 95% interval over test users, paired; on average {means} labels."
    )
    head = (
        "| dataset | task | labels | features | linear: features | linear: embeddings "
        "| linear: both | both less features |\n|---|---|---:|---:|---:|---:|---:|---:|"
    )
    return "\n\n".join([text, "\n".join([head, *rows])])
