"""Training speed beside pragmatiq: the same dataset, size, token budget and number of steps.

Needs the environment of `make bench-env`.
Example: python benchmarks/bench_train.py --work /tmp/bench
"""

from __future__ import annotations

import argparse
import json
import shutil
import statistics
import subprocess
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from flops import FORMULA, matrix_rate, step_flops
from page import machine, write_section
from programs import (
    PRAGMATIQ,
    make_our_shards,
    make_pragmatiq_dataset,
    make_pragmatiq_shards,
    pragma,
)

from pragma_model.model.sizes import size_of
from pragma_sql.formats.shards import open_shards

Line = dict[str, Any]
"""Of a file of metrics."""

BUDGET = 16_384
ROUNDS = 2
"""How often the two take turns, so that a slow minute of the machine hits both."""


@dataclass(frozen=True)
class Pace:
    """How fast steps went, the first quarter left out; medians."""

    tokens_per_s: float
    """Value tokens of events, fed forward and backward."""
    events_per_s: float
    share: float = 0.0
    """Model FLOPs a second, of those that the machine's matrix products reach."""


class Bench:
    """One dataset, read by both."""

    def __init__(self, work: Path, users: int) -> None:
        self.dataset = work / f"dataset {users}"
        self.pragmatiq_shards = work / f"pragmatiq {users}"
        self.home = work / f"train {users}"
        self.work = work
        self.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self.rate = matrix_rate(self.device)

    def prepare(self, users: int) -> None:
        """Make the dataset and both programs' shards, unless they are there."""
        make_pragmatiq_dataset(self.dataset, users)
        make_pragmatiq_shards(self.dataset, self.pragmatiq_shards)
        make_our_shards(self.dataset, self.home)

    def ours(self, size: str, steps: int) -> Pace:
        """Train with this project."""
        run = f"bench-{size}"
        arguments = ["--size", size, "--steps", str(steps), "--batch-tokens", str(BUDGET)]
        arguments += ["--validation-batches", "1", "--no-bundle"]  # only the steps are of interest
        shards = str(self.home / "shards")
        # Both programs train on masked values alone.
        arguments += ["--objective", "paper"]
        pragma("train", shards, "--run", run, "--overwrite", *arguments, "--home", str(self.home))
        lines = _json_lines(self.home / "runs" / run / "metrics.jsonl")
        rates = [line for line in lines if line.get("tokens_per_s")]
        pace = _pace(
            [line["tokens_per_s"] for line in rates], [line["events_per_s"] for line in rates]
        )
        vocabulary = open_shards(self.home / "shards").manifest.vocabulary_size
        shares = [self._share(line, size, vocabulary) for line in rates]
        return replace(pace, share=statistics.median(shares[len(shares) // 4 :]))

    def _share(self, line: Line, size: str, vocabulary: int) -> float:
        values = sum(found["values"] for found in line["by_mask"].values())
        needed = step_flops(size_of(size), vocabulary, line["tokens"], line["events"], values)
        return needed * line["tokens_per_s"] / line["tokens"] / self.rate

    def pragmatiq(self, size: str, steps: int) -> Pace:
        """Train with pragmatiq; what it counts are value tokens of events, too."""
        settings = {"max_steps": steps, "token_budget": BUDGET, "grad_accum_steps": 1}
        config = self.work / "pretrain.yaml"
        config.write_text(json.dumps({**settings, "warmup_steps": 1, "log_every": 1}))
        runs = self.work / "pragmatiq runs"
        shutil.rmtree(runs, ignore_errors=True)
        command = [str(PRAGMATIQ), "pretrain", str(self.pragmatiq_shards), "--name", size]
        command += ["--model-size", size, "--config", str(config), "--runs-root", str(runs)]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        rates = [
            line["tokens_per_sec_window"] for line in _json_lines(runs / size / "metrics.jsonl")
        ]
        manifest = json.loads((self.pragmatiq_shards / "shard_manifest.json").read_text())
        tokens_an_event = manifest["total_tokens"] / manifest["total_events"]
        return _pace(rates, [rate / tokens_an_event for rate in rates])

    def row(self, size: str, steps: int) -> str:
        """A table row, from as many rounds as `ROUNDS` says."""
        ours, pragmatiq_paces = [], []
        for _ in range(ROUNDS):
            pragmatiq_paces.append(self.pragmatiq(size, steps))
            ours.append(self.ours(size, steps))
        mine, pragmatiq = _median(ours), _median(pragmatiq_paces)
        return (
            f"| {size} | {pragmatiq.tokens_per_s:,.0f} | {mine.tokens_per_s:,.0f} "
            f"| **{mine.tokens_per_s / pragmatiq.tokens_per_s:.1f}** "
            f"| {pragmatiq.events_per_s:,.0f} | {mine.events_per_s:,.0f} "
            f"| **{mine.events_per_s / pragmatiq.events_per_s:.1f}** | {mine.share:.0%} |"
        )


def _pace(tokens: list[float], events: list[float]) -> Pace:
    warm = len(tokens) // 4
    return Pace(statistics.median(tokens[warm:]), statistics.median(events[warm:]))


def _median(paces: list[Pace]) -> Pace:
    return Pace(
        statistics.median(pace.tokens_per_s for pace in paces),
        statistics.median(pace.events_per_s for pace in paces),
        statistics.median(pace.share for pace in paces),
    )


def _json_lines(path: Path) -> list[Line]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def main() -> None:
    """Measure and write the section."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--work", type=Path, default=Path(".bench"))
    parser.add_argument("--users", type=int, default=2_000)
    sizes = ["nano", "small", *["medium", "large"] * torch.cuda.is_available()]
    parser.add_argument("--sizes", nargs="*", default=sizes)
    parser.add_argument("--steps", type=int, default=16)
    arguments = parser.parse_args()
    work = arguments.work.resolve()
    work.mkdir(parents=True, exist_ok=True)
    bench = Bench(work, arguments.users)
    bench.prepare(arguments.users)
    rows = [bench.row(size, arguments.steps) for size in arguments.sizes]
    device = torch.cuda.get_device_name() if torch.cuda.is_available() else "CPU"
    other = "" if torch.cuda.is_available() else "\n\nOn a GPU: not measured."
    write_section(
        "Training",
        f"`make bench-train`; {machine()}, {device}. pragmatiq's own dataset of "
        f"{arguments.users:,} users, batches of {BUDGET:,} tokens, {arguments.steps} steps, "
        f"{ROUNDS} rounds in turn; tokens are the values of events, fed forward and backward. Our "
        f"share of the matrix rate: {FORMULA} operations a step, of the {bench.rate / 1e9:,.0f} "
        f"GFLOP/s that large products reach here ({'bf16' if other == '' else 'fp32'}).\n\n"
        "| size | pragmatiq tokens/s | pragma | times | pragmatiq events/s | pragma | times "
        "| share of the matrix rate |\n"
        "|---|---:|---:|---:|---:|---:|---:|---:|\n" + "\n".join(rows) + other,
    )


if __name__ == "__main__":
    main()
