"""One home and project, worked on through the command line as a user would."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


class Place:
    """Runs `pragma` and keeps what it said."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.project = folder / "bank"
        self.home = self.project / "warehouse"
        self.said = ""

    @property
    def warehouse(self) -> Path:
        return self.home / "pragma.duckdb"

    def pragma(self, *words: str, code: int = 0) -> str:
        """Run the command; returns its stdout, and keeps its stderr in `said`."""
        began = time.monotonic()
        ended = subprocess.run(
            [sys.executable, "-m", "pragma_sql", *words],
            cwd=self.folder,
            env={
                **{name: value for name, value in os.environ.items() if name != "PRAGMA_HOME"},
                "PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")]),
            },
            capture_output=True,
            text=True,
            check=False,
        )
        self.said = ended.stderr
        shown = " ".join(words).replace(str(self.folder), "")
        print(f"    {time.monotonic() - began:6.1f} s  pragma {shown}", flush=True)
        assert ended.returncode == code, f"pragma {shown}: {ended.stdout}\n{ended.stderr}"
        return ended.stdout

    def build(self, *words: str, code: int = 0) -> str:
        """`pragma build` of the project."""
        return self.pragma("build", "--project", str(self.project), *words, code=code)

    def of_home(self, command: str, *words: str, code: int = 0) -> str:
        """A command that takes the home."""
        return self.pragma(command, *words, "--home", str(self.home), code=code)

    def sql(self, query: str) -> list[Mapping[str, object]]:
        """The rows of a query, through `pragma sql`."""
        rows: list[Mapping[str, object]] = json.loads(self.of_home("sql", query, "--json"))
        return rows

    def train(self, run: str, seed: int) -> str:
        """Shards, a short training and its registration; returns the model's id."""
        self.of_home("shards")
        self.of_home(
            "train", str(self.home / "shards"), "--run", run, "--seed", str(seed),
            "--steps", "30", "--batch-tokens", "2048", "--validation-batches", "2",
            "--precision", "fp32", "--overwrite",
        )  # fmt: skip
        model = self.of_home("register", run).split()[0]
        self.build("--select", "models+")
        return model
