"""Attention kernels on real batches: each by itself, and in whole training steps.

Needs the environment of `make bench-env`, for the dataset. A kernel that the device
cannot run is printed as not measured.
Example: python benchmarks/bench_kernels.py --work /tmp/bench
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path

import torch
from bench_train import BUDGET, Bench
from page import machine, write_section

from pragma_model.evaluation.validation import key_names
from pragma_model.model.attention.base import Kernel, Rows
from pragma_model.model.attention.kernels import available, build_attention
from pragma_model.model.inputs import Batch
from pragma_model.model.model import PragmaModel
from pragma_model.model.sizes import HEAD_WIDTH
from pragma_model.runs.metrics import RunState
from pragma_model.training.data import SplitReader
from pragma_model.training.distributed import DistributedContext
from pragma_model.training.settings import RunOptions, TrainSettings
from pragma_model.training.steps import StepBatches, Trainer, plans_of, read_ahead
from pragma_sql.formats.shards import Shards, open_shards

ROUNDS = 5
KERNELS = tuple(kernel for kernel in Kernel if kernel is not Kernel.AUTO)


@dataclass(frozen=True)
class Way:
    """One way to take a step."""

    kernel: Kernel
    bf16: bool = False
    compiled: bool = False

    @property
    def name(self) -> str:
        """As the table says it."""
        return self.kernel + ", bf16" * self.bf16 + ", compiled" * self.compiled


def ways(device: torch.device) -> list[Way]:
    """All that are asked for, those of other devices included."""
    best = available(device)[0]
    half = device.type == "cuda"
    plain = [Way(kernel, bf16=half) for kernel in KERNELS]
    return [*plain, Way(best, bf16=not half), Way(best, bf16=half, compiled=True)]


class Steps:
    """Training steps of one way, on the same batches as all others."""

    def __init__(self, way: Way, shards: Shards, settings: TrainSettings, device: torch.device):
        torch.manual_seed(settings.seed)
        precision = "bf16" if way.bf16 else "fp32"
        settings = replace(settings, precision=precision)
        model = PragmaModel(settings.model_size, shards.manifest.vocabulary_size)
        model.attend_with(way.kernel)
        options = RunOptions(compile=way.compiled)
        self._trainer = Trainer(
            model.to(device), settings, DistributedContext(0, 1, device), options
        )
        self._names = key_names(shards.tokenizer)

    def tokens_per_s(self, read: StepBatches) -> float:
        """Value tokens a second of one step."""
        start = time.perf_counter()
        metrics = self._trainer.step(read, self._names, None)
        return metrics.tokens / (time.perf_counter() - start)


def attention_ms(kernel: Kernel, rows: Rows, heads: int, kind: torch.dtype) -> float:
    """Milliseconds of attention over all rows, forward and backward."""
    device = rows.pad.device
    q, k, v = (
        torch.randn(len(rows.unpad), heads, HEAD_WIDTH, dtype=kind, device=device).requires_grad_()
        for _ in range(3)
    )
    attention = build_attention(rows, kernel)

    def once() -> None:
        torch.autograd.grad(attention.attend(q, k, v).float().sum(), (q, k, v))
        if device.type == "cuda":
            torch.cuda.synchronize(device)

    return 1000 * median_time(once)


def median_time(once: Callable[[], None]) -> float:
    """Seconds of a call, without the first, which may compile."""
    once()
    times = []
    for _ in range(ROUNDS):
        start = time.perf_counter()
        once()
        times.append(time.perf_counter() - start)
    return statistics.median(times)


def row(way: Way, shards: Shards, settings: TrainSettings, reads: Sequence[StepBatches]) -> str:
    """One row of the table."""
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    if way.kernel not in available(device):
        return f"| {way.name} | not measured | not measured | not measured |"
    batch = Batch.of(reads[0].batches[0].packed, device)
    heads = settings.model_size.width // HEAD_WIDTH
    kind = torch.bfloat16 if way.bf16 else torch.float32
    event, history = (
        attention_ms(way.kernel, rows, heads, kind)
        for rows in (batch.events.rows, batch.users.history_rows)
    )
    steps = Steps(way, shards, settings, device)
    for read in reads[:2]:
        steps.tokens_per_s(read)
    rate = statistics.median(steps.tokens_per_s(read) for read in reads[2:])
    return f"| {way.name} | {event:.1f} | {history:.1f} | {rate:,.0f} |"


def main() -> None:
    """Measure and write the section."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--work", type=Path, default=Path(".bench"))
    parser.add_argument("--users", type=int, default=2_000)
    parser.add_argument("--size", default="small")
    arguments = parser.parse_args()
    bench = Bench(arguments.work.resolve(), arguments.users)
    bench.prepare(arguments.users)
    shards = open_shards(bench.home / "shards")
    settings = TrainSettings(size=arguments.size, budget=BUDGET, steps=2 + ROUNDS)
    reader = SplitReader(shards, "train", settings.budget, settings.window)
    alone = DistributedContext(0, 1, torch.device("cpu"))
    plans = plans_of(reader, settings, alone, RunState())
    reads = list(islice(read_ahead(plans, reader, settings.seed, 0), settings.steps))
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    name = torch.cuda.get_device_name() if device.type == "cuda" else "CPU"
    rows = []
    for way in ways(device):
        rows.append(row(way, shards, settings, reads))
        print(rows[-1], flush=True)
    write_section(
        "Attention kernels",
        f"`make bench-kernels`; {machine()}, {name}. Size {settings.size}, batches of "
        f"{BUDGET:,} tokens of pragmatiq's own dataset, medians of {ROUNDS}. Milliseconds are "
        "of one layer's attention alone, forward and backward; tokens are the values of events in "
        "whole steps.\n\n"
        "| kernel | events ms | histories ms | tokens/s |\n"
        "|---|---:|---:|---:|\n" + "\n".join(rows),
    )


if __name__ == "__main__":
    main()
