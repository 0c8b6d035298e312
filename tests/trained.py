"""A warehouse with a registered model, trained for a few steps."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from pragma_sql.bundle import open_bundle
from pragma_sql.export import export_shards
from pragma_sql.home import Home
from pragma_sql.registry import register_bundle


def trained_home(toy: Home, folder: Path, run: str = "toy", steps: int = 4) -> Home:
    """A copy of a built warehouse whose current model is of this run."""
    pytest.importorskip("torch", reason="the `train` extra is not installed")
    from pragma_model.settings import TrainSettings
    from pragma_model.trainer import train

    home = Home.of(folder)
    shutil.copy(toy.warehouse, home.warehouse)
    shards = export_shards(home.warehouse, home.shards)
    train(shards, TrainSettings(steps=steps, budget=1024), home, run)
    register_bundle(open_bundle(home.runs / run / "bundle"), home.warehouse)
    return home
