"""One training run: shards in, `metrics.jsonl` and a bundle out."""

from __future__ import annotations

import json
import math
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from itertools import count, islice
from pathlib import Path

import numpy as np
import torch

from pragma_model.breakdown import Breakdown
from pragma_model.data import SplitReader
from pragma_model.evaluation import key_names, majority_values, validate
from pragma_model.export import write_bundle
from pragma_model.inputs import Batch
from pragma_model.kernels import chosen
from pragma_model.masking import hide_values
from pragma_model.metrics import RunSummary, StepMetrics, Validation, Watch
from pragma_model.model import PragmaModel
from pragma_model.optimizers import Optimizers
from pragma_model.reconstruction import reconstruct
from pragma_model.settings import TrainSettings
from pragma_sql.bundle import BundleManifest
from pragma_sql.errors import PragmaError
from pragma_sql.home import Home
from pragma_sql.packing import Packed, pack
from pragma_sql.shards import Shards

MEASURED_BATCHES = 3
"""Batches that attention kernels are measured on, where a device has several."""

CHECKED_BATCHES = 3
"""Batches of real users that the exported graphs are compared on, each in three lengths."""


def train(
    shards: Shards,
    settings: TrainSettings,
    home: Home,
    run: str,
    *,
    overwrite: bool = False,
    watch: Watch | None = None,
) -> RunSummary:
    """Train on the split `train`, validate, export, and seal the bundle.

    On a CPU, the same shards, settings and number of threads give the same losses.

    Args:
        shards: opened shards.
        settings: of the run.
        home: gets `runs/<run>/metrics.jsonl` and `runs/<run>/bundle/`.
        run: name of the run.
        overwrite: allow a name that is in use.
        watch: is shown each step.

    Raises:
        PragmaError: a name in use or unfit, nothing to train on, or a loss that is no number.
    """
    watch = watch or Watch()
    reader = SplitReader.of(shards, "train", settings.budget, settings.window)
    held_out = SplitReader.of(shards, "validation", settings.budget)
    if not len(reader.users):
        raise PragmaError(f"{shards.path}: no user of split 'train' has an event", "pragma shards")
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    layouts = (Batch.of(packed, device).events.rows for packed in reader.epoch(0, 0))
    kernel = chosen(settings.attention, device, islice(layouts, MEASURED_BATCHES))
    folder = _run_folder(home, run, overwrite)
    with reproducible(settings.seed), (folder / "metrics.jsonl").open("w") as log:
        model = PragmaModel(
            settings.model_size, shards.manifest.vocabulary_size, shards.text_width
        ).to(device)
        model.attend_with(kernel)
        tokens, seconds = 0, 0.0
        for metrics in train_steps(model, reader, settings):
            print(json.dumps(asdict(metrics)), file=log, flush=True)
            watch.step(metrics)
            tokens, seconds = tokens + metrics.tokens, metrics.seconds

        watch.stage("validate")
        model.eval()
        validation = validate(model, held_out, majority_values(reader), settings)
        if validation is not None:
            print(json.dumps(asdict(validation)), file=log)

    watch.stage("export")
    bundle = write_bundle(
        folder / "bundle",
        model.cpu(),
        shards.tokenizer,
        _manifest(shards, settings, validation),
        _checked_users(held_out if len(held_out.users) else reader),
    )
    return RunSummary(
        run=run,
        size=settings.size,
        parameters=sum(parameter.numel() for parameter in model.parameters()),
        steps=settings.steps,
        tokens=tokens,
        seconds=seconds,
        validation=validation,
        model_id=bundle.manifest.model_id,
        bundle=bundle.path,
        onnx_max_abs_diff=bundle.manifest.metrics["onnx_max_abs_diff"],
    )


def train_steps(
    model: PragmaModel, reader: SplitReader, settings: TrainSettings
) -> Iterator[StepMetrics]:
    """Train step by step, on the device of the model."""
    table = model.embedding.table.weight
    device = table.device
    optimizers = Optimizers(model, settings)
    generator = torch.Generator(device).manual_seed(settings.seed)
    names = key_names(reader.shards.tokenizer)
    start = last = time.perf_counter()
    for step, (epoch, packed) in enumerate(islice(_epochs(reader, settings), settings.steps), 1):
        masked = hide_values(Batch.of(packed, device), settings.masks, generator)
        found = reconstruct(model, masked, settings.smoothing)
        loss, correct = found.loss, found.correct
        loss_value = float(loss.detach())
        if not math.isfinite(loss_value):
            raise PragmaError(
                f"the loss of step {step} is {loss_value}",
                "a lower --learning-rate or --muon-learning-rate",
            )
        loss.backward()  # type: ignore[no-untyped-call]
        learning_rate = optimizers.step()

        breakdown = Breakdown(len(table), device)
        breakdown.add(masked, found)
        now = time.perf_counter()
        events = len(packed.event_row)
        tokens = len(packed.event_tokens) - events
        yield StepMetrics(
            step=step,
            epoch=epoch,
            loss=loss_value,
            accuracy=float(correct.sum()) / max(1, len(correct)),
            tokens=tokens,
            tokens_per_s=tokens / (now - last),
            events_per_s=events / (now - last),
            learning_rate=learning_rate,
            seconds=now - start,
            by_mask=breakdown.by_mask(),
            by_field=breakdown.by_field(names),
        )
        last = now


def _epochs(reader: SplitReader, settings: TrainSettings) -> Iterator[tuple[int, Packed]]:
    return ((epoch, packed) for epoch in count() for packed in reader.epoch(settings.seed, epoch))


def _run_folder(home: Home, run: str, overwrite: bool) -> Path:
    if not re.fullmatch(r"\w[\w.-]*", run):
        raise PragmaError(
            f"{run!r} cannot name a run", "--run with letters, digits, dot, dash and underscore"
        )
    folder = home.runs / run
    if folder.exists() and not overwrite:
        raise PragmaError(f"run {run!r} exists in {home.runs}", "another --run, or --overwrite")
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _checked_users(reader: SplitReader) -> Iterator[Packed]:
    """Real users with their whole histories, with one event and with none."""
    random = np.random.default_rng(0)
    for users in reader.plan(random)[:CHECKED_BATCHES]:
        histories, moments = reader.cut(users, random)
        for most in (reader.shards.manifest.max_events, 1, 0):
            yield pack(histories.as_of(moments, most), moments, distinct=True)


def _manifest(
    shards: Shards, settings: TrainSettings, validation: Validation | None
) -> BundleManifest:
    metrics = {}
    if validation is not None:
        metrics = {
            "validation_loss": validation.loss,
            "validation_accuracy": validation.accuracy,
            "validation_baseline_accuracy": validation.baseline_accuracy,
        }
    return BundleManifest(
        tokenizer_hash=shards.manifest.tokenizer_hash,
        size=settings.size,
        embedding_size=settings.model_size.width,
        vocabulary_size=shards.manifest.vocabulary_size,
        text_encoder=shards.texts.encoder.name if shards.texts else "",
        text_width=shards.text_width,
        max_events=shards.manifest.max_events,
        trained_until=shards.manifest.as_of,
        metrics=metrics,
        settings=settings.flat(),
    )


@contextmanager
def reproducible(seed: int) -> Iterator[None]:
    """Seeded, with deterministic algorithms where there are some; put back afterwards."""
    before = torch.are_deterministic_algorithms_enabled()
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        torch.use_deterministic_algorithms(True, warn_only=True)
        try:
            yield
        finally:
            torch.use_deterministic_algorithms(before)
