"""Results of the probe for people and for machines."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from itertools import groupby

from rich.markup import escape
from rich.table import Table

from pragma_model.evaluation.probe import (
    BLEND,
    EMBEDDINGS,
    FEATURES,
    LINEAR_EMBEDDINGS,
    Metric,
    ProbeResult,
)
from pragma_model.evaluation.probe_scores import Difference


def to_json(results: Sequence[ProbeResult]) -> str:
    """A list of objects, one per result; missing metrics are null."""
    return json.dumps([asdict(result) for result in results], indent=2)


def to_table(results: Sequence[ProbeResult], caption: str = "test users only") -> Table:
    """A block per task, headed by its test rows and positives; the best metrics are bold."""
    table = Table("model", "ROC-AUC", "PR-AUC")
    many = any(len(result.model_ids) > 1 for result in results)
    spread = "largest less smallest, over the probe's seeds"
    table.caption = f"{caption}; mean ({spread}{' / over the models' if many else ''})"
    for task, block in groupby(results, key=lambda result: result.task):
        rows = list(block)
        first = rows[0]
        size = (
            f"{first.test_rows:,} test rows, {first.positives:,} positive, "
            f"prevalence {first.prevalence:.1%}"
        )
        table.add_section()
        table.add_row(f"[bold]{escape(task)}[/]\n{size}\n{first.unscored}".rstrip())
        columns = _cells([r.roc_auc for r in rows]), _cells([r.pr_auc for r in rows])
        for row, roc_auc, pr_auc in zip(rows, *columns, strict=True):
            table.add_row(f"  {row.model}", roc_auc, pr_auc)
        for row in rows:
            if row.roc_auc_gain and row.pr_auc_gain:
                gains = _gain(row.roc_auc_gain), _gain(row.pr_auc_gain)
                table.add_row(
                    f"  {row.model.removeprefix('LightGBM on ')} less features, 95%", *gains
                )
    return table


def meaning(results: Sequence[ProbeResult]) -> list[str]:
    """What the table shows and what it does not, a sentence for each task that has metrics."""
    sentences = []
    for task, block in groupby(results, key=lambda result: result.task):
        by_model = {result.model: result for result in block}
        gain = by_model[BLEND].roc_auc_gain
        alone = [by_model[kind].roc_auc for kind in (EMBEDDINGS, LINEAR_EMBEDDINGS, FEATURES)]
        if gain is None or not all(alone):
            continue
        if gain.low > 0:
            verdict = "better than features alone, beyond chance"
        elif gain.high < 0:
            verdict = "worse than features alone, beyond chance"
        else:
            verdict = "neither better nor worse than features alone, as far as these users show"
        best, features = max(m.mean for m in alone[:2] if m), alone[2]
        assert features is not None
        sentences.append(
            f"{task}: embeddings alone reach {best:.3f} where features reach {features.mean:.3f}; "
            f"a blend of both is {verdict} ({gain.mean:+.3f} [{gain.low:+.3f}, {gain.high:+.3f}])."
        )
    return sentences


def _gain(found: Difference) -> str:
    return f"{found.mean:+.3f} \\[{found.low:+.3f}, {found.high:+.3f}]"


def _cells(metrics: Sequence[Metric | None]) -> Iterator[str]:
    best = max((metric.mean for metric in metrics if metric), default=None)
    for metric in metrics:
        text = _cell(metric) if metric else "-"
        yield f"[bold]{text}[/]" if metric and metric.mean == best else text


def _cell(metric: Metric) -> str:
    models = "" if metric.model_spread is None else f" / {metric.model_spread:.3f}"
    return f"{metric.mean:.3f} ({metric.spread:.3f}{models})"
