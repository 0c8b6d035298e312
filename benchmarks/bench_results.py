"""What embeddings and forecasts say of test users, into docs/RESULTS.md and docs/forecast.png.

What was found is kept in the work folder, so that an interrupted run goes on.
Example: python benchmarks/bench_results.py --work /tmp/bench
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import contract_folders
import duckdb
import numpy as np
import numpy.typing as npt
from few_labels import few_labels, few_labels_table
from learning_datasets import ROOT, Dataset
from learning_features import features_table, probed
from learning_results import Found, Results
from page import RESULTS, machine, write_section
from past_moments import MOMENTS, chance_of_silence

from pragma_sql.formats.activity import duration
from pragma_sql.formats.bundle import read_manifest
from pragma_sql.formats.paths import Home
from pragma_udfs.functions import register

NAMES = ("credit_default", "purchase_cards", *contract_folders.SETTINGS)
STEPS = 400
WINDOW = "90d"
TASK = "inactive_90d"
PICTURE = RESULTS.parent / "forecast.png"
BINS = 10

FORECASTS = f"""
select
    labels.user_id,
    epoch_us(labels.eval_ts) as moment,
    labels.label::double as silent,
    forecast_vector(vectors.embedding::float[], vectors.model_id).silence['{WINDOW}'] as expected,
    exp(-90 * counts.events / greatest(counts.days, 1)) as by_rate
from contract.labels as labels
inner join tokens.user_tokens as users on labels.user_id = users.user_id
inner join vectors.user_embeddings as vectors
    on labels.user_id = vectors.user_id
    and labels.eval_ts = vectors.as_of and vectors.model_id = $model
inner join (
    select
        asked.user_id,
        asked.eval_ts,
        count(*) as events,
        date_diff('day', min(events.ts), asked.eval_ts) as days
    from contract.labels as asked
    inner join tokens.event_tokens as events
        on asked.user_id = events.user_id and events.ts < asked.eval_ts
    where asked.task = '{TASK}'
    group by asked.user_id, asked.eval_ts
) as counts on labels.user_id = counts.user_id and labels.eval_ts = counts.eval_ts
where labels.task = '{TASK}' and users.split = 'test'
order by labels.user_id, labels.eval_ts
"""  # noqa: S608 - our own text

Numbers = npt.NDArray[np.float64]


class Bench:
    """All measurements, each taken once."""

    def __init__(self, work: Path, seeds: Sequence[int]) -> None:
        work.mkdir(parents=True, exist_ok=True)
        self.results, self.seeds = Results(work / "results.json"), seeds
        credit = str(ROOT / "examples" / "credit_default")
        cards = ("--var", "dataset=purchase_cards")
        self.cards = Dataset("purchase_cards", work / "results cards", cards, steps=STEPS)
        self.datasets = [
            Dataset("credit_default", work / "results credit", ("--project", credit), steps=STEPS),
            self.cards,
        ]
        self.contracts = work / "contracts"
        for name, settings in contract_folders.SETTINGS.items():
            told = [word for pair in settings.items() for word in ("--var", "=".join(pair))]
            build = ("--contract", str(self.contracts / name), *told)
            self.datasets.append(Dataset(name, work / f"results {name}", build, steps=STEPS))

    def measure(self, names: Sequence[str]) -> None:
        """Train, embed and probe the datasets named; then ask the forecasts of the cards."""
        for dataset in [each for each in self.datasets if each.name in names]:
            if dataset.name in contract_folders.SETTINGS:
                contract_folders.write_contract(dataset.name, self.contracts / dataset.name)
            for seed in self.seeds:
                dataset.train(self.results, seed)
            self.results.once(f"{dataset.name}, probe", partial(probed, dataset, self.seeds))
            self.results.once(f"{dataset.name}, few labels", partial(self._few_labels, dataset))
            self.write()
        if self.cards.name in names:
            for seed in self.seeds:
                self.results.once(f"forecast, seed {seed}", partial(self._forecast, seed))
            self.results.once("forecast, past moments", self._past_moments)
        self.write()

    def _few_labels(self, dataset: Dataset) -> Found:
        """Of the same examples, after `pragma probe` has checked them."""
        runs = [dataset.home / "runs" / dataset.run(seed) for seed in self.seeds]
        models = [read_manifest(run / "bundle").model_id for run in runs]
        return few_labels(Home.of(dataset.home).examples, models)

    def _forecast(self, seed: int) -> Found:
        """Of test users as of the labels' moments, without having seen a label."""
        asked = self._asked(seed)
        silent = asked["silent"]
        found: Found = {"rows": len(silent), "silent": float(silent.mean())}
        found |= scored("forecast", asked["expected"], silent)
        return found | scored("rate", asked["by_rate"], silent)

    def _past_moments(self) -> Found:
        """Of a LightGBM on the activity of the first model, for the same rows."""
        seed = self.seeds[0]
        asked, run = self._asked(seed), self.cards.run(seed)
        spec = read_manifest(self.cards.home / "runs" / run / "bundle").activity
        assert spec is not None
        window = [duration(seconds) for seconds in spec.ahead].index(WINDOW)
        chance = chance_of_silence(self.cards.home, run, asked["user_id"], asked["moment"], window)
        return scored("past", chance, asked["silent"])

    def _asked(self, seed: int) -> dict[str, npt.NDArray[Any]]:
        self.cards.register(seed)
        model = (self.cards.home / "bundles" / "current").read_text().strip()
        with duckdb.connect(str(self.cards.home / "pragma.duckdb"), read_only=True) as con:
            register(con)
            rows = con.execute(FORECASTS, {"model": model}).fetchnumpy()
        return {name: np.asarray(values) for name, values in rows.items()}

    # --- the page ---

    def write(self) -> None:
        """The sections, from what has been measured so far."""
        told = (
            f"`make bench-results`; {machine()}, CPU, fp32. Size nano, {STEPS} steps, other "
            "settings by default."
        )
        write_section(
            "Embeddings beside features",
            f"{told}\n\n{features_table(self.datasets, self.results, self.seeds)}",
            RESULTS,
        )
        few = few_labels_table(self.results, [dataset.name for dataset in self.datasets])
        if few:
            write_section("Few labels", f"{told} {few}", RESULTS)
        found = [self.results.get(f"forecast, seed {seed}") for seed in self.seeds]
        past = self.results.get("forecast, past moments")
        if past and all(found):
            measured = [each for each in found if each]
            draw(measured)
            part = _forecast_part(told, measured, past)
            write_section("Forecasts without labels", part, RESULTS)


def scored(name: str, chance: Numbers, silent: Numbers) -> Found:
    """Ranking and calibration of the chances of silence, [n], against what came, [n]."""
    from sklearn.metrics import roc_auc_score

    middles, came, share = reliability(chance, silent)
    found = {
        f"{name} roc": float(roc_auc_score(silent, chance)),
        f"{name} brier": float(np.mean((chance - silent) ** 2)),
        f"{name} error": float(np.sum(share * np.abs(middles - came))),
    }
    for number, (middle, seen) in enumerate(zip(middles, came, strict=True)):
        found[f"{name} expected {number}"], found[f"{name} came {number}"] = middle, seen
    return found


def reliability(chance: Numbers, silent: Numbers) -> tuple[Numbers, Numbers, Numbers]:
    """In bins of as many users each: mean chance, share that came, share of the users."""
    parts = np.array_split(np.argsort(chance, kind="stable"), BINS)
    middles = np.array([chance[part].mean() for part in parts])
    came = np.array([silent[part].mean() for part in parts])
    return middles, came, np.array([len(part) / len(chance) for part in parts])


def draw(found: Sequence[Found]) -> None:
    """What came against what was expected, a line a model."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(5, 5))
    axes.plot([0, 1], [0, 1], color="grey", linewidth=0.8)
    for number, each in enumerate(found):
        expected, came = (
            [each[f"forecast {name} {bin_}"] for bin_ in range(BINS)]
            for name in ("expected", "came")
        )
        axes.plot(expected, came, marker="o", label=f"model {number + 1}")
    axes.set(
        xlabel=f"expected chance of no purchase in {WINDOW}",
        ylabel="share of cards without a purchase",
        title="purchase_cards, test users, no labels used",
        xlim=(0, 1),
        ylim=(0, 1),
    )
    axes.legend()
    figure.tight_layout()
    figure.savefig(PICTURE, dpi=110)
    pyplot.close(figure)


def _forecast_part(told: str, found: Sequence[Found], past: Found) -> str:
    def cells(name: str, of: Sequence[Found]) -> str:
        columns = ([each[f"{name} {what}"] for each in of] for what in ("roc", "brier", "error"))
        return " | ".join(f"{np.mean(values):.3f} ({np.ptp(values):.3f})" for values in columns)

    first = found[0]
    text = (
        f"{told} `forecast_at` of purchase_cards: the chance of no purchase in {WINDOW}, of test "
        f"users as of the labels' moments ({first['rows']:,.0f}, of which {first['silent']:.1%} "
        "were silent), all after the moment up to which the models were trained. No label was "
        "used. Beside it a LightGBM that is told the same activity and learns from "
        f"{MOMENTS} past moments of each training user; and the chance by each card's own rate, "
        "exp(-90 events / days), which knows no recency. Calibration error: mean distance of "
        "chance and share over ten bins of as many users. Mean (largest less smallest over the "
        "models)."
    )
    rows = [
        f"| forecast | {cells('forecast', found)} |",
        f"| LightGBM on past moments | {cells('past', [past])} |",
        f"| own rate | {cells('rate', found)} |",
    ]
    head = "| | ROC-AUC | Brier score | calibration error |\n|---|---:|---:|---:|"
    return "\n\n".join([text, "\n".join([head, *rows]), "![expected against seen](forecast.png)"])


def main() -> None:
    """Measure and write the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--work", type=Path, default=Path(".bench"))
    parser.add_argument("--seeds", type=int, nargs="*", default=[0, 1, 2])
    parser.add_argument(
        "--datasets", nargs="*", default=NAMES, choices=NAMES, help="those of ../shared need it"
    )
    arguments = parser.parse_args()
    Bench(arguments.work.resolve(), arguments.seeds).measure(arguments.datasets)


if __name__ == "__main__":
    main()
