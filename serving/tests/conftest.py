"""The real server, over bundles that were trained for these tests."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from server import Server, run
from toy import Toy

ROOT = Path(__file__).resolve().parents[2]
PYTHON = ROOT / ".venv" / "bin" / "python"
"""Of the project's own environment, which has torch and dbt."""


@pytest.fixture(scope="session")
def toy(tmp_path_factory: pytest.TempPathFactory) -> Toy:
    """Two bundles of the toy dataset, and what SQL says of each user by either."""
    if made_before := os.environ.get("PRAGMA_TOY_MODELS"):
        return Toy(Path(made_before))
    folder = tmp_path_factory.mktemp("toy")
    run([str(PYTHON), str(Path(__file__).with_name("toy_models.py")), str(folder)])
    return Toy(folder)


@pytest.fixture(scope="module")
def prepared(toy: Toy, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[str]]:
    """The folder that `pragma export-triton` made of a bundle, and the command that it printed."""
    folder = tmp_path_factory.mktemp("triton")
    return folder, toy.serve("first", folder)


@pytest.fixture(scope="module")
def server(prepared: tuple[Path, list[str]]) -> Iterator[Server]:
    """The server, ready."""
    folder, command = prepared
    with Server.started(command, folder / "log") as server:
        yield server
