"""From trained weights to a sealed bundle."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import numpy as np
from torch import Tensor

from pragma_model.data import Place, SplitReader
from pragma_model.export import write_bundle
from pragma_model.metrics import Validation
from pragma_model.model import PragmaModel
from pragma_model.optimizers import load_weights
from pragma_model.settings import TrainSettings
from pragma_model.sizes import Readout
from pragma_sql.bundle import Bundle, BundleManifest
from pragma_sql.packing import Packed, pack
from pragma_sql.shards import Shards

CHECKED_BATCHES = 3
"""Batches of real users that the exported graphs are compared on, each in three lengths."""


def finish(
    folder: Path,
    weights: dict[str, Tensor],
    shards: Shards,
    settings: TrainSettings,
    readout: Readout,
    validation: Validation | None,
) -> Bundle:
    """Write `bundle/` into the folder of a run.

    Args:
        folder: of the run.
        weights: whole, on the CPU.
        shards: that it was trained on.
        settings: of the run.
        readout: what the bundle's embeddings are made of.
        validation: goes into the manifest.
    """
    model = PragmaModel(settings.model_size, shards.manifest.vocabulary_size, shards.text_width)
    load_weights(model, weights)
    model.readout = readout
    held_out = SplitReader(shards, "validation", settings.budget)
    checked = SplitReader(shards, "train", settings.budget) if held_out.is_empty() else held_out
    return write_bundle(
        folder / "bundle",
        model.eval(),
        shards.tokenizer,
        _manifest(shards, settings, model, validation),
        _checked_users(checked),
    )


def _checked_users(reader: SplitReader) -> Iterator[Packed]:
    """Real users with their whole histories, with one event and with none."""
    for group in islice(reader.groups(0, Place()), CHECKED_BATCHES):
        histories, moments = reader.cut(group.part, group.rows, np.random.default_rng(group.seed))
        for most in (reader.shards.manifest.max_events, 1, 0):
            yield pack(histories.as_of(moments, most), moments, distinct=True)


def _manifest(
    shards: Shards, settings: TrainSettings, model: PragmaModel, validation: Validation | None
) -> BundleManifest:
    metrics = {}
    if validation is not None:
        metrics = {
            "validation_loss": validation.loss,
            "validation_accuracy": validation.accuracy,
            "validation_baseline_accuracy": validation.baseline_accuracy,
            "validation_bigram_accuracy": validation.bigram_accuracy,
        }
    return BundleManifest(
        tokenizer_hash=shards.manifest.tokenizer_hash,
        size=settings.size,
        embedding_size=model.embedding_size,
        vocabulary_size=shards.manifest.vocabulary_size,
        text_encoder=shards.texts.encoder.name if shards.texts else "",
        text_width=shards.text_width,
        max_events=shards.manifest.max_events,
        trained_until=shards.manifest.as_of,
        metrics=metrics,
        settings=settings.flat(),
    )
