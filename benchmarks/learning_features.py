"""What embeddings add to features made by hand: `pragma probe` over the models of several seeds."""

from __future__ import annotations

import json
from collections.abc import Sequence

from learning_datasets import Dataset
from learning_results import Found, Results
from programs import pragma

MODELS = {
    "LightGBM on features": "features",
    "LightGBM on embeddings": "embeddings",
    "LightGBM on both": "both",
    "logistic regression on features": "linear features",
    "logistic regression on embeddings": "linear embeddings",
    "logistic regression on both": "linear both",
    "rank blend on features": "blend of features",
    "rank blend on both": "blend",
}
METRICS = {"roc_auc": "ROC-AUC", "pr_auc": "PR-AUC"}
INTERVAL = ("mean", "low", "high")
SAMPLES = 3
"""Of the training users, that LightGBM is fitted on."""


def probed(dataset: Dataset, seeds: Sequence[int]) -> Found:
    """`pragma probe` on the embeddings of each seed's model."""
    for seed in seeds:
        dataset.register(seed)
        dataset.embeddings()
    told = ["--json", "--seeds", str(SAMPLES), "--home", str(dataset.home), "--models"]
    results = json.loads(pragma("probe", *told, *map(dataset.run, seeds)))
    found: Found = {}
    for result in results:
        task, short = result["task"], MODELS[result["model"]]
        found[f"{task} | rows"] = result["test_rows"]
        found[f"{task} | positives"] = result["positives"]
        for metric in METRICS:
            for what, value in result[metric].items():
                if value is not None:
                    found[f"{task} | {short} | {metric} | {what}"] = value
            for what, value in (result[f"{metric}_gain"] or {}).items():
                found[f"{task} | {short} gain | {metric} | {what}"] = value
    return found


def features_table(datasets: Sequence[Dataset], results: Results, seeds: Sequence[int]) -> str:
    """The table of all tasks that were probed, with a text; empty if none was."""
    rows = []
    for dataset in datasets:
        found = results.get(f"{dataset.name}, probe") or {}
        for task in sorted({name.split(" | ")[0] for name in found}):
            for metric, title in METRICS.items():
                cells = [_cell(found, f"{task} | {kind} | {metric}") for kind in MODELS.values()]
                size = f"{found[f'{task} | rows']:,.0f} ({found[f'{task} | positives']:,.0f})"
                gains = [
                    _interval([found[f"{task} | {kind} gain | {metric} | {w}"] for w in INTERVAL])
                    for kind in ("both", "blend")
                ]
                names = [dataset.name, task, size, title, *cells, *gains]
                rows.append(f"| {' | '.join(names)} |")
    if not rows:
        return ""
    text = (
        "**Embeddings beside features** made by hand in SQL, by LightGBM and by logistic "
        f"regression; test users. {len(seeds)} models of other seeds "
        f"({', '.join(map(str, seeds))}), {SAMPLES} samples of the training users each. "
        "Mean (largest less smallest over the samples / over the models). The blend is a mean of "
        "ranks: half LightGBM on features, and a quarter each of both models on both; "
        "blend of features: three quarters and one, without embeddings. Both, and the blend, less "
        "LightGBM on features: 95% interval over test users, paired; **bold** where it leaves out "
        "zero. What was tried: [LOG.md](LOG.md)."
    )
    head = (
        "| dataset | task | test rows (positive) | metric | features | embeddings | both "
        "| linear: features | linear: embeddings | linear: both | blend of features | blend "
        "| both less features | blend less features |\n"
        "|---|---|---:|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|"
    )
    return text + "\n\n" + head + "\n" + "\n".join(rows)


def _interval(found: Sequence[float]) -> str:
    mean, low, high = found
    text = f"{mean:+.3f} [{low:+.3f}, {high:+.3f}]"
    return text if low <= 0 <= high else f"**{text}**"


def _cell(found: Found, name: str) -> str:
    models = found.get(f"{name} | model_spread")
    over = "" if models is None else f" / {models:.3f}"
    return f"{found[f'{name} | mean']:.3f} ({found[f'{name} | spread']:.3f}{over})"
