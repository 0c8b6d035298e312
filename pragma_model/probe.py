"""Is the embedding any good? Set against hand-made SQL features, on users not trained on."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import groupby, product
from pathlib import Path

import numpy as np
from rich.markup import escape
from rich.table import Table

from pragma_model.embedding_map import Float, check_packages
from pragma_model.probe_examples import read_examples
from pragma_sql.histories import Int
from pragma_sql.shards import SPLITS, Split


@dataclass(frozen=True)
class Metric:
    """A metric over the seeds: its mean, and the largest less the smallest."""

    mean: float
    spread: float


@dataclass(frozen=True)
class ProbeResult:
    """How one model ranks the test users of one task."""

    task: str
    model: str
    model_id: str  # of the embeddings
    test_rows: int
    prevalence: float  # share of the test rows with label 1: the PR-AUC of a random ranking
    roc_auc: Metric | None
    pr_auc: Metric | None  # average precision
    unscored: str  # why there are no metrics; empty where there are


@dataclass(frozen=True)
class Sample:
    """Rows of one task and split."""

    inputs: Float  # [n, k] features (NaN where null), then the embedding, or one of them
    labels: Float  # [n] 0 or 1
    users: Int  # [n]

    def resampled(self, seed: int) -> Sample:
        """All rows of as many users, drawn with replacement so that no class gets lost."""
        users, user = np.unique(self.users, return_inverse=True)
        zeros, ones = (np.bincount(user, self.labels == label) > 0 for label in (0, 1))
        # Each kind gives as many as it has: users with zeros, with ones, with both.
        kinds = [np.flatnonzero(zeros + 2 * ones == kind) for kind in (1, 2, 3)]
        random = np.random.default_rng(seed)
        drawn = np.concatenate([random.choice(kind, len(kind)) for kind in kinds if len(kind)])
        rows = np.repeat(np.arange(len(user)), np.bincount(drawn, minlength=len(users))[user])
        return Sample(self.inputs[rows], self.labels[rows], self.users[rows])


Scorer = Callable[[Float], Float]  # inputs [n, k] -> scores [n], of which only the order counts
Fit = Callable[[Sample, Sample, int], Scorer]  # train, validation, seed


def probe(examples: Path, seeds: Sequence[int] = (0, 1, 2)) -> list[ProbeResult]:
    """Compare the frozen embedding with features made by hand, four models a task.

    Every model is fitted on train users, picks its number of trees or its C by the log loss of
    validation users, and scores test users once. A seed draws the train users anew, with
    replacement, for all four alike: the spread is what another sample of users would change.
    The trees' settings are fixed and suit a few thousand rows; the logistic regression on the
    standardised embedding is PRAGMA's own probe (section on downstream use). A task with one class
    only in some split has no metrics.

    Args:
        examples: parquet, one row per task, user and moment, with `COLUMNS` (`label` is 0 or 1,
            `split` goes by user); every other column is a feature, a number or a word, null where
            unknown.
        seeds: each is one run of all models.

    Raises:
        PragmaError: LightGBM or scikit-learn is not installed, or `examples` is not as above.
    """
    check_packages("pragma probe", "lightgbm", "sklearn")
    given = read_examples(examples)
    inputs = np.column_stack([given.features, given.embeddings])
    width = given.features.shape[1]
    by_hand, learnt = slice(width), slice(width, None)
    models: dict[str, tuple[slice, Fit]] = {
        "LightGBM on features": (by_hand, boosted_trees),
        "LightGBM on embeddings": (learnt, boosted_trees),
        "LightGBM on both": (slice(None), boosted_trees),
        "logistic regression on embeddings": (learnt, logistic_regression),
    }
    results = []
    for name, (model, (columns, fit)) in product(np.unique(given.task), models.items()):
        kept = {each: (given.task == name) & (given.split == each) for each in SPLITS}
        samples = {
            each: Sample(inputs[rows, columns], given.labels[rows], given.users[rows])
            for each, rows in kept.items()
        }
        one_class = [each for each in SPLITS if np.ptp(samples[each].labels) == 0]
        roc_auc, pr_auc = (None, None) if one_class else _metrics(fit, samples, seeds)
        results.append(
            ProbeResult(
                task=str(name),
                model=model,
                model_id=given.model_id,
                test_rows=len(samples["test"].labels),
                prevalence=float(samples["test"].labels.mean()),
                roc_auc=roc_auc,
                pr_auc=pr_auc,
                unscored=f"one class only in {', '.join(one_class)}" if one_class else "",
            )
        )
    return results


def boosted_trees(train: Sample, validation: Sample, seed: int) -> Scorer:
    """LightGBM, up to 500 trees; it stops after 50 that gain nothing on the validation rows."""
    import lightgbm

    settings = {
        "objective": "binary",
        "learning_rate": 0.05,
        "num_leaves": 15,
        "min_data_in_leaf": 20,
        "bagging_fraction": 0.8,
        "bagging_freq": 1,
        "feature_fraction": 0.8,
        "seed": seed,
        "deterministic": True,
        "force_row_wise": True,
        "num_threads": 1,  # so little data gains little from more, and on a busy machine they stall
        "verbose": -1,
    }
    data = lightgbm.Dataset(train.inputs, train.labels)
    held_out = lightgbm.Dataset(validation.inputs, validation.labels, reference=data)
    stop = lightgbm.early_stopping(50, verbose=False)
    booster = lightgbm.train(settings, data, 500, valid_sets=[held_out], callbacks=[stop])
    return lambda inputs: np.asarray(booster.predict(inputs), np.float64)


def logistic_regression(train: Sample, validation: Sample, seed: int) -> Scorer:
    """Standardised, by L-BFGS, with the C that does best on the validation rows; needs no seed."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.metrics import log_loss
    from sklearn.preprocessing import StandardScaler

    scaler = StandardScaler().fit(train.inputs)
    scaled, held_out = scaler.transform(train.inputs), scaler.transform(validation.inputs)
    strengths = (0.001, 0.01, 0.1, 1.0)
    fits = [LogisticRegression(C=c, max_iter=1000).fit(scaled, train.labels) for c in strengths]
    best = min(fits, key=lambda fit: log_loss(validation.labels, fit.predict_proba(held_out)))
    return lambda inputs: np.asarray(best.decision_function(scaler.transform(inputs)), np.float64)


def to_json(results: Sequence[ProbeResult]) -> str:
    """A list of objects, one a result; missing metrics are null."""
    return json.dumps([asdict(result) for result in results], indent=2)


def to_table(results: Sequence[ProbeResult]) -> Table:
    """A block a task, headed by its test rows and prevalence; the best of each metric is bold."""
    table = Table("model", "ROC-AUC", "PR-AUC")
    table.caption = "test users only; mean over the seeds (largest less smallest)"
    for task, block in groupby(results, key=lambda result: result.task):
        rows = list(block)
        size = f"{rows[0].test_rows:,} test rows, prevalence {rows[0].prevalence:.1%}"
        table.add_section()
        table.add_row(f"[bold]{escape(task)}[/]\n{size}\n{rows[0].unscored}".rstrip())
        columns = _cells([r.roc_auc for r in rows]), _cells([r.pr_auc for r in rows])
        for row, roc_auc, pr_auc in zip(rows, *columns, strict=True):
            table.add_row(f"  {row.model}", roc_auc, pr_auc)
    return table


def _cells(metrics: Sequence[Metric | None]) -> Iterator[str]:
    best = max((metric.mean for metric in metrics if metric), default=None)
    for metric in metrics:
        text = f"{metric.mean:.3f} ({metric.spread:.3f})" if metric else "-"
        yield f"[bold]{text}[/]" if metric and metric.mean == best else text


def _metrics(
    fit: Fit, samples: Mapping[Split, Sample], seeds: Sequence[int]
) -> tuple[Metric, Metric]:
    """ROC-AUC and PR-AUC on the test users; no fit sees them."""
    from sklearn.metrics import average_precision_score, roc_auc_score

    train, validation, test = (samples[split] for split in SPLITS)
    values = []  # [seeds, 2]
    for seed in seeds:
        ranked = test.labels, fit(train.resampled(seed), validation, seed)(test.inputs)
        values.append([float(roc_auc_score(*ranked)), float(average_precision_score(*ranked))])
    roc_auc, pr_auc = map(Metric, np.mean(values, 0).tolist(), np.ptp(values, 0).tolist())
    return roc_auc, pr_auc
