"""Is the embedding any good? Set against hand-made SQL features, on users not trained on."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import groupby, product
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from pyarrow import types
from rich.markup import escape
from rich.table import Table

from pragma_model.embedding_map import Float, check_packages, vectors_of
from pragma_sql.errors import PragmaError, counted
from pragma_sql.histories import Int
from pragma_sql.shards import SPLITS, Split

COLUMNS = ("task", "user_id", "eval_ts", "label", "split", "model_id", "embedding")
"""What every file of examples has; each column beyond these is a feature."""
NUMBERS = (types.is_integer, types.is_floating, types.is_decimal, types.is_boolean)
FEWEST_USERS = 10


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
            `split` goes by user); every other column is a numeric feature, null where unknown.
        seeds: each is one run of all models.

    Raises:
        PragmaError: LightGBM or scikit-learn is not installed, or `examples` is not as above.
    """
    check_packages("pragma probe", "lightgbm", "sklearn")
    rows = _read(examples)
    features = [rows[name].cast(pa.float64()) for name in rows.column_names if name not in COLUMNS]
    inputs = np.column_stack([*features, vectors_of(rows, str(examples))])
    task, users, split = (np.array(rows[name].to_pylist()) for name in ("task", "user_id", "split"))
    labels, user = np.asarray(rows["label"], np.float64), np.unique(users, return_inverse=True)[1]
    by_hand, learnt = slice(len(features)), slice(len(features), None)
    models: dict[str, tuple[slice, Fit]] = {
        "LightGBM on features": (by_hand, boosted_trees),
        "LightGBM on embeddings": (learnt, boosted_trees),
        "LightGBM on both": (slice(None), boosted_trees),
        "logistic regression on embeddings": (learnt, logistic_regression),
    }
    results = []
    for name, (model, (columns, fit)) in product(np.unique(task), models.items()):
        kept = {each: (task == name) & (split == each) for each in SPLITS}
        samples = {each: Sample(inputs[k, columns], labels[k], user[k]) for each, k in kept.items()}
        one_class = [each for each in SPLITS if np.ptp(samples[each].labels) == 0]
        roc_auc, pr_auc = (None, None) if one_class else _metrics(fit, samples, seeds)
        results.append(
            ProbeResult(
                task=str(name),
                model=model,
                model_id=rows["model_id"][0].as_py(),
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


def _read(path: Path) -> pa.Table:
    """The examples, sorted, so that their order in the file has no say."""
    again = "pragma build writes the examples again; then pragma probe"
    try:
        rows = pq.ParquetFile(path).read()
    except (OSError, pa.ArrowInvalid) as error:
        raise PragmaError(f"{path} cannot be read: {error}", again) from None
    for problem in _problems(rows):
        raise PragmaError(f"{path}: {problem}", again)
    return rows.sort_by([(name, "ascending") for name in ("task", "user_id", "eval_ts")])


def _problems(rows: pa.Table) -> Iterator[str]:
    """What is wrong with the examples; a check relies on those before it."""
    if missing := [name for name in COLUMNS if name not in rows.column_names]:
        yield f"no column {', '.join(missing)}; there are {', '.join(rows.column_names)}"
    if not len(rows):
        yield "it holds no examples"
    for field in rows.schema:
        if field.name in COLUMNS and (nulls := rows[field.name].null_count):
            yield f"{nulls:,} of {len(rows):,} rows have no {field.name}"
        if field.name not in COLUMNS and not any(number(field.type) for number in NUMBERS):
            yield f"feature {field.name} is {field.type}, not a number"
    if len(rows.schema) == len(COLUMNS):
        yield f"no features: every column is one of {', '.join(COLUMNS)}"
    if len(models := rows["model_id"].unique()) > 1:
        yield f"embeddings of {len(models)} models, such as {models[0]} and {models[1]}"
    if odd := set(rows["label"].unique().to_pylist()) - {0, 1}:
        yield f"labels other than 0 and 1, such as {min(map(str, odd))}"
    grain = ["task", "user_id", "eval_ts"]
    if repeats := len(rows) - len(rows.group_by(grain).aggregate([])):
        yield f"{counted(repeats, 'row')} with the task, user and moment of another"
    splits = Counter(rows.group_by(["user_id", "split"]).aggregate([])["user_id"].to_pylist())
    if astray := [user for user, count in splits.items() if count > 1]:
        example = min(map(str, astray))
        yield f"{counted(len(astray), 'user')} in more than one split, such as {example}"
    members = rows.group_by(["task", "split", "user_id"]).aggregate([]).to_pylist()
    users = Counter((member["task"], member["split"]) for member in members)
    for task, split in product(sorted({task for task, _ in users}), SPLITS):
        if (count := users[task, split]) < FEWEST_USERS:
            yield f"task {task} has {count} {split} users, and needs {FEWEST_USERS}"
