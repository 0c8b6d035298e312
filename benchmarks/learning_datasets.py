"""The datasets that learning is measured on, and what one training finds in them."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from learning_results import Found, Results
from programs import pragma

ROOT = Path(__file__).resolve().parent.parent
BUDGET = 8_192
VALIDATION_BATCHES = 60
PAPER = ("--objective", "paper")
"""Masked values alone, which is what the learning section is about."""


@dataclass(frozen=True)
class Dataset:
    """One dataset in a warehouse of its own."""

    name: str
    home: Path
    build: tuple[str, ...]
    """What `pragma build` is told besides the home."""
    steps: int
    select: str = ""
    """The tables that are built; all, where it is empty."""
    settings: tuple[str, ...] = ()
    """Of the training, besides size, steps, budget and seed."""

    def prepare(self) -> None:
        """Tokens and shards, unless they are there."""
        if not (self.home / "shards" / "manifest.json").is_file():
            select = ("--select", self.select) if self.select else ()
            pragma("build", *self._home, *self.build, *select)
            pragma("shards", *self._home)

    def train(self, results: Results, seed: int) -> Found:
        """What a training finds of the hidden values of held-out users."""
        self.prepare()
        return results.once(f"{self.name}, seed {seed}", lambda: self._train(seed))

    def _train(self, seed: int) -> Found:
        told = pragma(
            "train", str(self.home / "shards"), *self._home, "--json", "--overwrite",
            "--run", self.run(seed), "--size", "nano", "--steps", str(self.steps),
            "--batch-tokens", str(BUDGET), "--seed", str(seed), "--precision", "fp32",
            "--validation-batches", str(VALIDATION_BATCHES), *self.settings,
        )  # fmt: skip
        summary = json.loads(told)
        validation = summary["validation"]
        names = ("loss", "accuracy", "baseline_accuracy", "bigram_accuracy", "values")
        manifest = json.loads((self.home / "shards" / "manifest.json").read_text())
        users = {
            f"{split}_users": sum(s["users"] for s in manifest["shards"] if s["split"] == split)
            for split in ("train", "validation")
        }
        lines = (self.home / "runs" / self.run(seed) / "metrics.jsonl").read_text().splitlines()
        steps = [line for line in map(json.loads, lines) if "epoch" in line]
        return {
            **{name: validation[name] for name in names},
            **users,
            "steps": summary["steps"],
            "tokens": summary["tokens"],
            "events": sum(step["events"] for step in steps),
            "train_loss": sum(step["loss"] for step in steps[-20:]) / len(steps[-20:]),
            "seconds": summary["seconds"],
        }

    def run(self, seed: int) -> str:
        """The name of the training run of this seed."""
        return f"learning-{seed}"

    def register(self, seed: int) -> None:
        """Make the run of this seed the model that `embed` uses."""
        pragma("register", self.run(seed), *self._home)

    def embeddings(self) -> None:
        """Fill the tables of embeddings, and the examples that `pragma probe` reads."""
        pragma("build", *self._home, *self.build, "--select", "models+")

    @property
    def _home(self) -> tuple[str, str]:
        return "--home", str(self.home)


def row(dataset: Dataset, found: Found) -> str:
    """A table row: what was found of the hidden values, beside both guesses."""
    better = max(found["baseline_accuracy"], found["bigram_accuracy"])
    return (
        f"| {dataset.name} | {found['train_users']:,.0f} / {found['validation_users']:,.0f} "
        f"| {found['steps']:,.0f} | {found['tokens'] / 1e6:.1f}M | {found['train_loss']:.4f} "
        f"| {found['loss']:.4f} | **{found['accuracy']:.1%}** | {found['baseline_accuracy']:.1%} "
        f"| {found['bigram_accuracy']:.1%} | **{100 * (found['accuracy'] - better):+.1f}** |"
    )


HEAD = (
    "| dataset | users to learn from / held out | steps | tokens | loss of the last 20 steps "
    "| loss of held-out users | found | by key alone | by its last value | points more |\n"
    "|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|"
)
