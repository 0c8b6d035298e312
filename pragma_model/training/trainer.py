"""One training run: from shards to `metrics.jsonl`, checkpoints and a bundle."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from itertools import islice

import torch

from pragma_model.export.bundle import export_run
from pragma_model.model.attention.base import Kernel
from pragma_model.model.attention.kernels import select_kernel
from pragma_model.model.inputs import Batch
from pragma_model.model.model import PragmaModel
from pragma_model.runs.log import RunLog, new_folder, record_run, run_folder
from pragma_model.runs.metrics import (
    ProgressListener,
    RunState,
    RunSummary,
    StoppedError,
    Validation,
)
from pragma_model.runs.trackers import trackers_of
from pragma_model.training.ahead import AheadReader
from pragma_model.training.checkpoint import (
    Checkpointer,
    Origin,
    check_origin,
    next_attempt,
    restore,
    resumable,
)
from pragma_model.training.data import SplitReader
from pragma_model.training.distributed import DistributedContext, init_distributed
from pragma_model.training.evaluator import Evaluator
from pragma_model.training.interrupts import explain_errors, stop_requests
from pragma_model.training.optimizers import whole_weights
from pragma_model.training.pace import fit_scales, measure_pace
from pragma_model.training.settings import RunOptions, TrainSettings
from pragma_model.training.steps import Trainer, train_steps
from pragma_sql.formats.errors import PragmaError
from pragma_sql.formats.files import sha256
from pragma_sql.formats.paths import Home
from pragma_sql.formats.shards import Shards

MEASURED_BATCHES = 3
"""Batches for the measurement of attention kernels, if a device has several."""


def train(
    shards: Shards,
    settings: TrainSettings,
    home: Home,
    run: str,
    options: RunOptions | None = None,
    listener: ProgressListener | None = None,
) -> RunSummary | None:
    """Train on the split `train`, validate, and seal a bundle if asked.

    On a CPU, the same shards, settings and number of threads give the same losses, even if the run
    was stopped or killed and resumed in between.

    Args:
        shards: opened shards.
        settings: the settings of the run.
        home: the home, for the folder `runs/<run>/`.
        run: name of the run.
        options: options that do not change the losses.
        listener: an observer of the run.

    Returns:
        The summary; None in a process that does not lead.

    Raises:
        PragmaError: the name is in use or not allowed, there is nothing to train on or to resume,
            losses are not finite, or memory or disk is full.
        StoppedError: by Ctrl-C or SIGTERM, after a checkpoint.
    """
    options, listener = options or RunOptions(), listener or ProgressListener()
    attempt = partial(next_attempt, run_folder(home, run))
    with (
        init_distributed(attempt) as processes,
        explain_errors(settings, attempt),
        reproducible(settings.seed),
    ):
        # In its own function, so that distributed objects are freed before the processes leave.
        return _train(processes, shards, settings, home, run, options, listener)


def _train(
    processes: DistributedContext,
    shards: Shards,
    settings: TrainSettings,
    home: Home,
    run: str,
    options: RunOptions,
    listener: ProgressListener,
) -> RunSummary | None:
    reader = _reader(shards, settings, processes)
    kernel = _kernel(reader, settings, processes.device)
    folder = run_folder(home, run)
    if processes.is_rank_zero and not options.resume:
        new_folder(home, run, options.overwrite)
    processes.barrier()
    origin = Origin(
        settings=settings,
        tokenizer_hash=shards.manifest.tokenizer_hash,
        vocabulary_size=shards.manifest.vocabulary_size,
        shards=sha256(shards.path / "manifest.json"),
        text_encoder=shards.texts.encoder.name if shards.texts else "",
    )
    found = resumable(folder, options.readout, listener.warn) if options.resume else None
    if found is not None:
        check_origin(found, origin, run)
    state = found.state if found else RunState()

    model = new_model(shards, settings, reader)
    reader = replace(reader, spec=model.spec)
    ahead = AheadReader.of(shards, settings, model.spec) if model.spec else None
    model.attend_with(kernel)
    model.readout = options.blocks(settings, model.spec.width if model.spec else 0)
    parameters = sum(parameter.numel() for parameter in model.parameters())
    trainer = Trainer(model.to(processes.device), settings, processes, options)
    if found is not None:
        restore(found, trainer)
    trackers = trackers_of(folder, run, settings, options) if processes.is_rank_zero else []
    about = _about(run, settings, shards, processes, parameters)
    with (
        record_run(folder, about, state) if processes.is_rank_zero else nullcontext(),
        RunLog(folder, trackers, state.metrics_bytes, is_rank_zero=processes.is_rank_zero) as log,
        stop_requests() as request,
    ):
        checkpointer = Checkpointer(folder, trainer, origin, log, options, listener, state.step)
        evaluator = Evaluator(shards, model, settings, options, processes)
        for metrics in train_steps(
            trainer,
            reader,
            state,
            ahead=ahead,
            readers=options.readers,
            bad_batches=folder / "bad_batches",
        ):
            log.write(metrics)
            listener.step(metrics)
            every, last = options.validate_every, state.step == settings.steps
            if every and state.step % every == 0 and not last:
                for line in evaluator.evaluate(whole_weights(model), state.step):
                    log.write(line)
            if checkpointer.step(state, request) and not last:
                raise StoppedError(run, state.step, checkpointer.saved_step, request.number)

        weights = whole_weights(model)
        if not processes.is_rank_zero:
            return None
        listener.stage("validate")
        validation = None
        for line in evaluator.evaluate(weights, state.step):
            log.write(line)
            validation = line if isinstance(line, Validation) else validation
        bundle = None
        if options.bundle:
            listener.stage("export")
            bundle = export_run(folder, model, weights, shards, settings, validation)
        if request:
            raise StoppedError(run, state.step, checkpointer.saved_step, request.number)
        return RunSummary(
            run=run,
            size=settings.size,
            parameters=parameters,
            steps=settings.steps,
            tokens=state.tokens,
            padding=1 - state.filled / settings.steps,
            seconds=state.seconds,
            validation=validation,
            bundle=bundle,
        )


def _reader(shards: Shards, settings: TrainSettings, processes: DistributedContext) -> SplitReader:
    """The reader of the training split, after a check that it can be trained on."""
    reader = SplitReader(shards, "train", settings.masked_budget, settings.window)
    if reader.is_empty():
        raise PragmaError(f"{shards.path}: no user of split 'train' has an event", "pragma shards")
    if settings.accumulation % processes.count:
        fitting = -(-settings.accumulation // processes.count) * processes.count
        raise PragmaError(
            f"{settings.accumulation} batches a step are not shared evenly by "
            f"{processes.count} processes",
            f"--grad-accum {fitting}",
        )
    return reader


def new_model(shards: Shards, settings: TrainSettings, reader: SplitReader) -> PragmaModel:
    """A model with new weights; with activity on the scale of the training users."""
    size, vocabulary_size = settings.model_size, shards.manifest.vocabulary_size
    if not settings.looks_ahead:
        return PragmaModel(size, vocabulary_size, shards.text_width)
    pace = measure_pace(reader, settings.ahead)
    model = PragmaModel(size, vocabulary_size, shards.text_width, pace.spec)
    fit_scales(model, pace, reader)
    return model


def _kernel(reader: SplitReader, settings: TrainSettings, device: torch.device) -> Kernel:
    """The attention kernel asked for, or the fastest on the run's batches."""
    layouts = (Batch.of(packed, device).events.rows for packed in reader.epoch(0, 0))
    return select_kernel(settings.attention, device, islice(layouts, MEASURED_BATCHES))


def _about(
    run: str,
    settings: TrainSettings,
    shards: Shards,
    processes: DistributedContext,
    parameters: int,
) -> dict[str, object]:
    """The content of `run.json` that is known when a run begins."""
    device = processes.device
    return {
        "run": run,
        "started": datetime.now(UTC).isoformat(timespec="seconds"),
        "parameters": parameters,
        "device": torch.cuda.get_device_name(device) if device.type == "cuda" else device.type,
        "processes": processes.count,
        "pid": os.getpid(),
        "host": socket.gethostname(),
        "shards": str(shards.path),
        "tokenizer_hash": shards.manifest.tokenizer_hash,
        "as_of": shards.manifest.as_of,
        "settings": settings.flat(),
        "torch": torch.__version__,
    }


@contextmanager
def reproducible(seed: int) -> Iterator[None]:
    """Seed torch and use deterministic algorithms where they exist; undo it afterwards."""
    before = torch.are_deterministic_algorithms_enabled()
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        torch.use_deterministic_algorithms(True, warn_only=True)
        try:
            yield
        finally:
            torch.use_deterministic_algorithms(before)
