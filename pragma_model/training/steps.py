"""The training loop: each step reads groups of users, updates weights and gives metrics."""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from safetensors.numpy import save_file

from pragma_model.evaluation.breakdown import Breakdown
from pragma_model.evaluation.validation import key_names
from pragma_model.model.attention.base import Kernel
from pragma_model.model.inputs import Batch
from pragma_model.model.model import PragmaModel
from pragma_model.runs.metrics import RunState, StepMetrics
from pragma_model.training.ahead import AheadReader, PackedAhead
from pragma_model.training.ahead_loss import AheadBatch
from pragma_model.training.data import ReaderPosition, SplitReader, UserGroup
from pragma_model.training.distributed import DistributedContext
from pragma_model.training.masking import MaskedBatch, mask_values
from pragma_model.training.objective import DistributedObjective, Objective
from pragma_model.training.optimizers import Optimizers
from pragma_model.training.settings import RunOptions, TrainSettings
from pragma_sql.formats.errors import PragmaError
from pragma_sql.formats.packing import Packed

MAX_BAD_STEPS = 50
"""Most steps in a row without a finite loss before a run fails."""


class MicroBatch(NamedTuple):
    """A batch, and the seed of its masks and dropout."""

    packed: Packed
    seed: tuple[int, ...]


class StepPlan(NamedTuple):
    """The groups that this process reads for one step."""

    step: int  # from 1
    groups: list[tuple[int, UserGroup]]  # with their numbers in the step
    after: ReaderPosition
    ahead: list[UserGroup]  # as many groups to look ahead from; none with the paper's objective
    ahead_after: ReaderPosition


class StepBatches(NamedTuple):
    """The batches that this process has read for one step."""

    plan: StepPlan
    batches: list[MicroBatch]
    ahead: list[PackedAhead]


class Trainer:
    """A model in training, with its objective, its optimizers and the processes that share them."""

    def __init__(
        self,
        model: PragmaModel,
        settings: TrainSettings,
        processes: DistributedContext,
        options: RunOptions,
    ) -> None:
        self.settings = settings
        self.processes = processes
        self.objective = DistributedObjective(Objective(model, settings), processes, options)
        self.model = self.objective.model
        self.optimizers = Optimizers(self.model, settings)
        # The other kernels do not pad rows.
        self._pads = self.model.event_encoder.kernel is Kernel.PADDED

    def step(
        self, read: StepBatches, names: Mapping[int, str], bad_batches: Path | None
    ) -> StepMetrics:
        """One step of all processes; it is skipped if a loss or a gradient is not finite.

        Args:
            read: this process's batches of the step.
            names: names of the keys by id.
            bad_batches: folder for batches without a finite loss.

        Returns:
            The metrics without times, which the caller adds.
        """
        rounds = self.processes.all_reduce_max(len(read.batches))
        breakdown = Breakdown(self.model.embedding.table.weight.shape[0], self.processes.device)
        sums: list[torch.Tensor] = []
        ahead_sums: list[torch.Tensor] = []
        for number in range(rounds):
            # A process with fewer batches than another repeats one with weight zero.
            spare = number >= len(read.batches)
            masked = self._masked(read.batches[-1 if spare else number])
            ahead = self._ahead(read.ahead, number)
            with self.objective.gathering(last=number == rounds - 1):
                found = self.objective(masked, ahead)
                (0.0 * found.total if spare else found.total).backward()  # type: ignore[no-untyped-call]
            if not spare:
                sums.append(found.masked.loss.detach())
                ahead_sums.append(found.ahead)
                breakdown.add(masked, found.masked)
        losses = torch.stack(sums).tolist()
        ahead_sum = float(torch.stack(ahead_sums).sum())
        packs = [batch.packed for batch in read.batches]
        events = sum(len(packed.event_row) for packed in packs)
        tokens = sum(len(packed.event_tokens) for packed in packs) - events
        for further in read.ahead:  # equal events are encoded once
            rows = len(further.users.event_first)
            events, tokens = events + rows, tokens + len(further.users.event_tokens) - rows
        filled, cells = (sum(counts) for counts in zip(*(p.cells for p in packs), strict=True))
        totals = self.processes.all_reduce_sum(
            [sum(losses), ahead_sum, events, tokens, filled, cells]
        )
        loss_sum, next_sum, all_events, all_tokens, all_filled, all_cells = totals
        self.processes.all_reduce_in_place(breakdown.sums)
        values, _, hits = breakdown.sums.sum((1, 2)).tolist()

        learning_rate, finite = None, math.isfinite(loss_sum + next_sum)
        if finite:
            self.objective.scale_gradients(int(values))
            learning_rate = self.optimizers.step(read.plan.step - 1)
        self.optimizers.clear()
        if learning_rate is None and bad_batches is not None:
            for batch, loss in zip(read.batches, losses, strict=True):
                # If losses are finite but the gradient is not, any of the batches may be the cause.
                if finite or not math.isfinite(loss):
                    _keep(batch, read.plan.step, bad_batches)
        return StepMetrics(
            step=read.plan.step,
            epoch=read.plan.groups[0][1].place.epoch,
            loss=loss_sum / max(1.0, values) if finite else None,
            ahead_loss=next_sum / max(1.0, values) if finite and self.model.spec else None,
            accuracy=hits / max(1.0, values),
            tokens=int(all_tokens),
            events=int(all_events),
            padding=1 - all_filled / all_cells if self._pads else 0.0,
            learning_rate=learning_rate,
            skipped=learning_rate is None,
            by_mask=breakdown.by_mask() if finite else {},
            by_field=breakdown.by_field(names) if finite else {},
        )

    def _ahead(self, read: Sequence[PackedAhead], number: int) -> AheadBatch | None:
        return AheadBatch.of(read[number], self.processes.device) if number < len(read) else None

    def _masked(self, batch: MicroBatch) -> MaskedBatch:
        device = self.processes.device
        for_masks, for_dropout = (
            int(word >> np.uint64(1))
            for word in np.random.SeedSequence(batch.seed).generate_state(2, np.uint64)
        )
        torch.manual_seed(for_dropout)
        generator = torch.Generator(device).manual_seed(for_masks)
        return mask_values(Batch.of(batch.packed, device), self.settings.masks, generator)


def train_steps(
    trainer: Trainer,
    reader: SplitReader,
    state: RunState,
    *,
    ahead: AheadReader | None = None,
    readers: int = 1,
    bad_batches: Path | None = None,
) -> Iterator[StepMetrics]:
    """Train step by step from `state` on, and keep it up to date.

    Args:
        trainer: the model and its optimizers.
        reader: batches whose values are hidden.
        state: where the run is.
        ahead: batches that look ahead, if the model does.
        readers: threads that read.
        bad_batches: folder for batches without a finite loss.

    Raises:
        PragmaError: `MAX_BAD_STEPS` steps in a row had no finite loss.
    """
    names = key_names(reader.shards.tokenizer)
    before, start = state.seconds, time.perf_counter()
    plans = plans_of(reader, trainer.settings, trainer.processes, state, ahead)
    for read in read_ahead(plans, reader, trainer.settings.seed, readers, ahead):
        metrics = trainer.step(read, names, bad_batches)
        now = before + time.perf_counter() - start
        metrics = metrics.timed(now - state.seconds, now)
        state.step, state.place, state.seconds = metrics.step, read.plan.after, now
        state.ahead_place = read.plan.ahead_after
        state.tokens += metrics.tokens
        state.filled += 1 - metrics.padding
        state.bad_in_a_row = state.bad_in_a_row + 1 if metrics.skipped else 0
        yield metrics
        if state.bad_in_a_row >= MAX_BAD_STEPS:
            raise PragmaError(
                f"the loss or its gradient was no number in {MAX_BAD_STEPS} steps in a row, the "
                f"last of them step {state.step}; the batches lie in {bad_batches}",
                "a lower --learning-rate and --muon-learning-rate, and another --run",
            )


def plans_of(
    reader: SplitReader,
    settings: TrainSettings,
    processes: DistributedContext,
    state: RunState,
    ahead: AheadReader | None = None,
) -> Iterator[StepPlan]:
    """What this process reads, step by step; processes share the groups of a step in turn."""
    stream = reader.stream(settings.seed, state.place)
    further = ahead.stream(settings.seed, state.ahead_place) if ahead else iter(())
    ahead_after = state.ahead_place
    own = slice(processes.rank, None, processes.count)
    for step in range(state.step + 1, settings.steps + 1):
        groups = list(enumerate(islice(stream, settings.accumulation)))
        after = groups[-1][1].place.next
        next_groups = list(islice(further, settings.accumulation))
        if next_groups:
            ahead_after = next_groups[-1].place.next
        yield StepPlan(step, groups[own], after, next_groups[own], ahead_after)


def read_ahead(
    plans: Iterator[StepPlan],
    reader: SplitReader,
    seed: int,
    threads: int,
    ahead: AheadReader | None = None,
) -> Iterator[StepBatches]:
    """Read and pack in threads while the model works; the order of steps is kept.

    The batches of at most `threads + 1` steps are in memory.
    """

    def read(plan: StepPlan) -> StepBatches:
        batches = [
            MicroBatch(packed, (seed, plan.step, number, part))
            for number, group in plan.groups
            for part, packed in enumerate(reader.read(group))
        ]
        further = [ahead.read(group) for group in plan.ahead] if ahead else []
        return StepBatches(plan, batches, [each for each in further if each is not None])

    if not threads:
        yield from map(read, plans)
        return
    with ThreadPoolExecutor(threads, "pragma-reader") as pool:
        yield from _in_order(pool, read, plans, threads)


def _in_order(
    pool: ThreadPoolExecutor,
    read: Callable[[StepPlan], StepBatches],
    plans: Iterator[StepPlan],
    threads: int,
) -> Iterator[StepBatches]:
    waiting: deque[Future[StepBatches]] = deque()
    try:
        for plan in plans:
            waiting.append(pool.submit(read, plan))
            if len(waiting) > threads:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        for future in waiting:
            future.cancel()


def _keep(batch: MicroBatch, step: int, folder: Path) -> None:
    """Write a batch as safetensors, together with the seed of its masks."""
    folder.mkdir(parents=True, exist_ok=True)
    _, _, number, part = batch.seed
    arrays = {name: np.ascontiguousarray(a) for name, a in batch.packed.arrays().items()}
    seed = ",".join(map(str, batch.seed))
    save_file(arrays, folder / f"step-{step:08}-{number}-{part}.safetensors", {"seed": seed})
