"""A trained model -> a bundle: tokenizer, weights and graphs, and the proof that they agree."""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from safetensors.torch import load_file, save_file

from pragma_model.graphs import export_graphs, largest_difference
from pragma_model.model import PragmaModel
from pragma_model.sizes import ModelSize, Readout, size_of
from pragma_sql.bundle import TOKENIZER_FILES, Bundle, BundleManifest, open_bundle, seal
from pragma_sql.errors import PragmaError
from pragma_sql.files import replaced_folder
from pragma_sql.packing import Packed

WEIGHTS = "model.safetensors"

TOLERANCE = 1e-4
"""Largest difference of torch and ONNX Runtime in any component of a user vector."""


def write_bundle(
    target: Path,
    model: PragmaModel,
    tokenizer: Path,
    manifest: BundleManifest,
    users: Iterable[Packed],
) -> Bundle:
    """Write a bundle in the place of `target`, or nothing if its graphs disagree with torch.

    Args:
        target: the bundle's folder.
        model: trained, on the CPU, in evaluation mode.
        tokenizer: folder of the tokenizer's files.
        manifest: all but the files and what the model says itself; the metric
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
                "train again with a lower --learning-rate: weights may have grown too large",
            )
        metrics = {**manifest.metrics, "onnx_max_abs_diff": difference}
        seal(
            folder,
            replace(
                manifest,
                metrics=metrics,
                embedding_size=model.embedding_size,
                width=model.size.width,
                readout=model.readout,
                layers=model.size.layers,
            ),
        )
    return open_bundle(target)


def load_model(bundle: Bundle) -> PragmaModel:
    """The model of an opened bundle, on the CPU, in evaluation mode."""
    manifest = bundle.manifest
    # By the bundle, not by the table of sizes, which may have changed since.
    size = (
        ModelSize(manifest.size, manifest.event_size, **manifest.layers)
        if manifest.layers
        else size_of(manifest.size)
    )
    model = PragmaModel(size, manifest.vocabulary_size, manifest.text_width)
    model.load_state_dict(load_file(bundle.path / WEIGHTS))
    model.readout = Readout(manifest.readout)
    return model.eval()
