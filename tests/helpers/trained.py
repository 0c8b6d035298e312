"""A warehouse with a registered model, trained for a few steps."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from pragma_sql.formats.activity import Timeline, token_numbers
from pragma_sql.formats.bundle import open_bundle, read_manifest, seal
from pragma_sql.formats.histories import Histories, Int
from pragma_sql.formats.packing import Float
from pragma_sql.formats.paths import Home
from pragma_sql.warehouse.export_shards import export_shards
from pragma_sql.warehouse.registry import current_bundle, register_bundle

if TYPE_CHECKING:
    from pragma_model.model.model import PragmaModel


def trained_home(toy: Home, folder: Path, run: str = "toy", steps: int = 4) -> Home:
    """A copy of a built warehouse whose current model is of this run."""
    pytest.importorskip("torch", reason="the `train` extra is not installed")
    from pragma_model.training.settings import TrainSettings
    from pragma_model.training.trainer import train

    home = Home.of(folder)
    home.root.mkdir(exist_ok=True)
    shutil.copy(toy.warehouse, home.warehouse)
    shards = export_shards(home.warehouse, home.shards)
    train(shards, TrainSettings(steps=steps, budget=1024), home, run)
    register_bundle(open_bundle(home.runs / run / "bundle"), home.warehouse)
    return home


def activity_of(model: PragmaModel, home: Home, histories: Histories, moments: Int) -> Float | None:
    """The activity that a model of a warehouse is given as of moments, [B, A]."""
    if model.spec is None:
        return None
    bundle = open_bundle(current_bundle(home.warehouse))
    vocabulary = bundle.path / "vocabulary.parquet"
    numbers = token_numbers(vocabulary, bundle.manifest.vocabulary_size)
    timeline = Timeline(histories, model.spec, numbers)
    return timeline.state(np.arange(len(histories)), moments)


def another_bundle(home: Home, folder: Path, **stated: object) -> Path:
    """A bundle of another id that scores as the current model, whatever its manifest states."""
    current = (home.bundles / "current").read_text().strip()
    shutil.copytree(home.bundles / current, folder)
    (folder / "model.safetensors").write_bytes(bytes(folder))  # an id is a hash of files
    manifest = json.loads((folder / "manifest.json").read_text())
    (folder / "manifest.json").write_text(json.dumps({**manifest, **stated}))
    seal(folder, read_manifest(folder))
    return folder


def bent_bundle(home: Home, folder: Path) -> Path:
    """A bundle of another id that adds one to every number of the current model's vectors."""
    onnx = pytest.importorskip("onnx", reason="the `train` extra is not installed")
    another_bundle(home, folder)
    path = folder / "user_encoder.onnx"
    model = onnx.load(path)
    (output,) = (found.name for found in model.graph.output)
    (last,) = (node for node in model.graph.node if output in node.output)
    last.output[list(last.output).index(output)] = "straight"
    one = onnx.helper.make_tensor("one", onnx.TensorProto.FLOAT, [], [1.0])
    model.graph.initializer.append(one)
    model.graph.node.append(onnx.helper.make_node("Add", ["straight", "one"], [output]))
    onnx.save(model, path)
    seal(folder, read_manifest(folder))
    return folder
