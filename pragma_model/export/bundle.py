"""A trained model -> a bundle of tokenizer, weights and graphs, after a check that they agree."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from itertools import islice
from pathlib import Path

import numpy as np
from safetensors.torch import load_file, save_file
from torch import Tensor

from pragma_model.export.graphs import export_graphs, largest_difference
from pragma_model.model.model import PragmaModel
from pragma_model.model.readout import parse_readout, readout_text
from pragma_model.model.sizes import ModelSize, size_of
from pragma_model.runs.metrics import Validation
from pragma_model.training.calibrate import calibrate
from pragma_model.training.data import ReaderPosition, SplitReader
from pragma_model.training.optimizers import load_weights
from pragma_model.training.settings import TrainSettings
from pragma_sql.formats.bundle import TOKENIZER_FILES, Bundle, BundleManifest, open_bundle, seal
from pragma_sql.formats.errors import PragmaError
from pragma_sql.formats.files import replaced_folder
from pragma_sql.formats.packing import Packed
from pragma_sql.formats.shards import Shards

WEIGHTS = "model.safetensors"

TOLERANCE = 1e-4
"""Largest allowed difference of torch and ONNX Runtime in any component of a user vector."""


def write_bundle(
    target: Path,
    model: PragmaModel,
    tokenizer: Path,
    manifest: BundleManifest,
    users: Iterable[Packed],
) -> Bundle:
    """Replace `target` by a new bundle, or leave it if the graphs disagree with torch.

    Args:
        target: the bundle's folder.
        model: the trained model, on the CPU, in evaluation mode.
        tokenizer: folder of the tokenizer's files.
        manifest: all but the files and what follows from the model; the metric
            `onnx_max_abs_diff` is added here.
        users: batches to compare the graphs on.

    Raises:
        PragmaError: a user vector differs by more than `TOLERANCE`.
    """
    with replaced_folder(target) as folder:
        for name in TOKENIZER_FILES:
            shutil.copyfile(tokenizer / name, folder / name)
        save_file(model.state_dict(), folder / WEIGHTS)
        export_graphs(model, folder)
        difference = largest_difference(model, folder, users)
        if not difference <= TOLERANCE:
            raise PragmaError(
                f"{target}: ONNX Runtime and torch differ by {difference:.1e} in a user vector, "
                f"more than {TOLERANCE:.0e}",
                "the same command with --overwrite and a lower --learning-rate: weights grew large",
            )
        metrics = {**manifest.metrics, "onnx_max_abs_diff": difference}
        seal(
            folder,
            replace(
                manifest,
                metrics=metrics,
                embedding_size=model.embedding_size,
                width=model.size.width,
                readout=readout_text(model.readout),
                activity=model.spec,
                layers=model.size.layers,
            ),
        )
    return open_bundle(target)


def load_model(bundle: Bundle) -> PragmaModel:
    """The model of an opened bundle, on the CPU, in evaluation mode."""
    manifest = bundle.manifest
    # Taken from the bundle, because the table of sizes may have changed since.
    size = (
        ModelSize(manifest.size, manifest.event_size, **manifest.layers)
        if manifest.layers
        else size_of(manifest.size)
    )
    model = PragmaModel(size, manifest.vocabulary_size, manifest.text_width, manifest.activity)
    model.load_state_dict(load_file(bundle.path / WEIGHTS))
    model.readout = parse_readout(manifest.readout)
    return model.eval()


CHECKED_BATCHES = 3
"""Batches of real users for the comparison of graphs, each in three lengths."""


def export_run(
    folder: Path,
    model: PragmaModel,
    weights: dict[str, Tensor],
    shards: Shards,
    settings: TrainSettings,
    validation: Validation | None,
) -> Bundle:
    """Write `bundle/` into the folder of a run.

    Args:
        folder: the folder of the run.
        model: the shape of the model and its readout.
        weights: all weights, on the CPU.
        shards: the shards that the model was trained on.
        settings: the settings of the run.
        validation: figures for the manifest.
    """
    exported = model.alike()
    load_weights(exported, weights)
    scores = calibrate(exported.eval(), shards, settings)
    held_out = SplitReader(shards, "validation", settings.budget, spec=model.spec)
    checked = replace(held_out, split="train") if held_out.is_empty() else held_out
    return write_bundle(
        folder / "bundle",
        exported.eval(),
        shards.tokenizer,
        _manifest(shards, settings, exported, validation, scores),
        _checked_users(checked),
    )


def _checked_users(reader: SplitReader) -> Iterator[Packed]:
    """Real users with their complete histories, with one event, and without events."""
    for group in islice(reader.groups(0, ReaderPosition()), CHECKED_BATCHES):
        cut = reader.cut(group.part, group.rows, np.random.default_rng(group.seed))
        for most in (reader.shards.manifest.max_events, 1, 0):
            yield cut.newest(most).pack(distinct=True)


def _manifest(
    shards: Shards,
    settings: TrainSettings,
    model: PragmaModel,
    validation: Validation | None,
    scores: Mapping[str, float],
) -> BundleManifest:
    metrics = dict(scores)
    if validation is not None:
        metrics |= {
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
