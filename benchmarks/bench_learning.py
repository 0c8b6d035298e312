"""What the model learns: hidden values beside two guesses, probes beside pragmatiq and LightGBM.

Needs the environment of `make bench-env`. What was found is kept in the work folder, so that an
interrupted run goes on, and the section is written again after each part.
Example: python benchmarks/bench_learning.py --work /tmp/bench --parts hidden features
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import numpy as np
from learning_datasets import BUDGET, HEAD, PAPER, ROOT, VALIDATION_BATCHES, Dataset, row
from learning_features import features_table, probed
from learning_probes import FOLDS, Paired, Vectors
from learning_results import Found, Results
from page import machine, write_section
from programs import make_pragmatiq_dataset

PRAGMATIQ_USERS = 10_000
TEST_SHARE, VALIDATION_SHARE = 0.85, 0.10
"""Of pragmatiq's dataset. Few are learnt from: within the tokens of a short run pragmatiq, which
takes users whole and the short ones first, reads no more than these."""


class Bench:
    """All measurements, each taken once."""

    def __init__(self, work: Path, seeds: Sequence[int], users: int) -> None:
        work.mkdir(parents=True, exist_ok=True)
        self.results, self.seeds = Results(work / "learning.json"), seeds
        self.contract = work / f"dataset {PRAGMATIQ_USERS}"
        shares = {"test_share": TEST_SHARE, "validation_share": VALIDATION_SHARE}
        told = [word for name, share in shares.items() for word in ("--var", f"{name}={share}")]
        self.synthetic = Dataset(
            f"pragmatiq's {PRAGMATIQ_USERS:,} users",
            work / "learning synthetic",
            ("--contract", str(self.contract), *told),
            steps=150,
            select="+user_tokens",
            settings=PAPER,
        )
        credit = str(ROOT / "examples" / "credit_default")
        self.real = [
            Dataset(
                "credit_default",
                work / "learning credit",
                ("--project", credit),
                steps=250,
                settings=PAPER,
            ),
            Dataset(
                "purchase_cards",
                work / "learning cards",
                ("--var", "dataset=purchase_cards"),
                steps=250,
                settings=PAPER,
            ),
        ]
        self.paired = Paired(self.synthetic, self.contract, work, users)

    def make_dataset(self) -> None:
        """Have pragmatiq make its dataset, unless it is there."""
        make_pragmatiq_dataset(self.contract, PRAGMATIQ_USERS)

    # --- measuring ---

    def hidden(self) -> None:
        """Train on each dataset with the first seed."""
        self.make_dataset()
        for dataset in (self.synthetic, *self.real):
            dataset.train(self.results, self.seeds[0])

    def features(self) -> None:
        """Ask what the embeddings of the real datasets add to features made by hand."""
        for dataset in self.real:
            for seed in self.seeds:
                dataset.train(self.results, seed)
            self.results.once(f"{dataset.name}, probe", partial(probed, dataset, self.seeds))
            self.write()

    def pragmatiq(self) -> None:
        """Probe both programs' embeddings, seed by seed."""
        self.make_dataset()
        self.paired.prepare()
        self.results.once("counts", self.paired.counts)
        for seed in self.seeds:
            for name, embedded in (
                ("ours", self.paired.ours),
                ("pragmatiq", self.paired.pragmatiq),
            ):
                probed = partial(self._pragmatiq_probed, embedded, seed)
                self.results.once(f"{name}, probes, seed {seed}", probed)
            self.write()

    def _pragmatiq_probed(self, embedded: Callable[[Results, int], Vectors], seed: int) -> Found:
        return self.paired.scores(embedded(self.results, seed))

    # --- the page ---

    def write(self) -> None:
        """The section, from what has been measured so far."""
        parts = [
            f"`make bench-learning`; {machine()}, CPU, fp32. Size nano, {BUDGET:,} tokens a step, "
            "rates and windows as they are by default, masked values alone (`--objective paper`).",
            *self._hidden_part(),
            *self._pragmatiq_part(),
            features_table(self.real, self.results, self.seeds),
            *self._missing(),
        ]
        write_section("Learning", "\n\n".join(filter(None, parts)))

    def _missing(self) -> list[str]:
        """What has not been measured, in words."""
        first = self.seeds[0]
        wanted = {
            f"{dataset.name}, seed {first}": dataset.name
            for dataset in (self.synthetic, *self.real)
        }
        wanted |= {
            f"{dataset.name}, probe": f"the probe of {dataset.name}" for dataset in self.real
        }
        wanted |= {
            f"pragmatiq, probes, seed {seed}": f"pragmatiq's probes of seed {seed}"
            for seed in self.seeds
        }
        missing = [said for name, said in wanted.items() if self.results.get(name) is None]
        return [f"Not measured: {'; '.join(missing)}."] if missing else []

    def _hidden_part(self) -> list[str]:
        found = [
            (dataset, self.results.get(f"{dataset.name}, seed {self.seeds[0]}"))
            for dataset in (self.synthetic, *self.real)
        ]
        rows = [row(dataset, figures) for dataset, figures in found if figures]
        text = (
            f"**Hidden values** of held-out users, seed {self.seeds[0]}, whole histories, "
            f"{VALIDATION_BATCHES} batches at most. By key alone: each key's most frequent value. "
            "By its last value: what most often followed the last value of the same key that is "
            "not hidden. Of pragmatiq's dataset "
            f"{1 - TEST_SHARE - VALIDATION_SHARE:.0%} of the users are learnt from; most of the "
            "others are asked below."
        )
        return [text, HEAD + "\n" + "\n".join(rows)] if rows else []

    def _pragmatiq_part(self) -> list[str]:
        seeds = [
            seed
            for seed in self.seeds
            if all(
                self.results.get(f"{name}, probes, seed {seed}") for name in ("ours", "pragmatiq")
            )
        ]
        counts = self.results.get("counts")
        if not seeds or counts is None:
            return []
        rows = []
        for task, (asked, ones, share) in self.paired.sizes().items():
            cells = [
                _spread([self._probe(name, seed)[f"{task} {metric}"] for seed in seeds])
                for metric in ("roc", "ap")
                for name in ("ours", "pragmatiq")
            ]
            rows.append(
                f"| {task} | {asked:,} ({ones:,}) | {counts[f'{task} roc']:.3f} | {cells[1]} "
                f"| **{cells[0]}** | {share:.1%} | {counts[f'{task} ap']:.3f} | {cells[3]} "
                f"| **{cells[2]}** |"
            )
        dataset = self.synthetic.name
        mine = [self.results.get(f"{dataset}, seed {s}") or {} for s in seeds]
        others = [self.results.get(f"pragmatiq, seed {s}") or {} for s in seeds]
        text = (
            f"**Probes beside pragmatiq**, seeds {', '.join(map(str, seeds))}. Both learn from the "
            "same users before the first moment of a label, and score the same other users as of "
            "each label's moment; the profiles' attributes are a later snapshot here, so "
            f"neither sees them. Tokens seen: {_mean(mine, 'tokens') / 1e6:.2f}M in "
            f"{_mean(mine, 'steps'):.0f} steps, pragmatiq {_mean(others, 'tokens') / 1e6:.2f}M in "
            f"{_mean(others, 'steps'):.0f} steps with its own rates and batches. As many users of "
            "either label are asked, as far as there are, chosen by a hash; logistic regression on "
            f"standardised vectors, C chosen within, mean of {FOLDS} folds. Average precision is "
            "weighted to the label's share in the dataset. Mean over the seeds (largest less "
            "smallest). Counts: events in all and in the last 30 days, days since the first, hours "
            "since the last."
        )
        head = (
            "| task | users (label 1) | ROC-AUC: counts | pragmatiq | pragma "
            "| share | average precision: counts | pragmatiq | pragma |\n"
            "|---|---:|---:|---:|---:|---:|---:|---:|---:|"
        )
        return [text, head + "\n" + "\n".join(rows)]

    def _probe(self, name: str, seed: int) -> Found:
        found = self.results.get(f"{name}, probes, seed {seed}")
        assert found is not None
        return found


def _spread(values: Sequence[float]) -> str:
    return f"{np.mean(values):.3f} ({np.ptp(values):.3f})"


def _mean(found: Sequence[Found], name: str) -> float:
    return float(np.mean([figures[name] for figures in found]))


def main() -> None:
    """Measure and write the section."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--work", type=Path, default=Path(".bench"))
    parser.add_argument("--seeds", type=int, nargs="*", default=[0, 1, 2])
    parser.add_argument("--users", type=int, default=500, help="asked about a task, at most")
    parser.add_argument(
        "--parts", nargs="*", default=["hidden", "features", "pragmatiq"],
        choices=["hidden", "features", "pragmatiq"],
    )  # fmt: skip
    arguments = parser.parse_args()
    bench = Bench(arguments.work.resolve(), arguments.seeds, arguments.users)
    parts: dict[str, Callable[[], None]] = {
        "hidden": bench.hidden,
        "features": bench.features,
        "pragmatiq": bench.pragmatiq,
    }
    for part in arguments.parts:
        parts[part]()
        bench.write()


if __name__ == "__main__":
    main()
