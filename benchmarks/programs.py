"""The two programs that are measured, and the pragmatiq's own dataset as both need it."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

PRAGMATIQ = Path(__file__).resolve().parent.parent / ".venv-bench" / "bin" / "pragmatiq"
"""Of the environment of `make bench-env`."""


def pragma(*arguments: str) -> str:
    """Run a command of this project and return what it prints."""
    return called(sys.executable, "-m", "pragma_sql", *arguments)


def called(*command: str) -> str:
    """Run another program and return what it prints."""
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout


def make_pragmatiq_dataset(dataset: Path, users: int) -> None:
    """Have pragmatiq make its dataset of seed 0, unless it is there."""
    if (dataset / "manifest.json").is_file():
        return
    shutil.rmtree(dataset, ignore_errors=True)
    command = [str(PRAGMATIQ), "synth", "generate", "--out", str(dataset), "--n-users", str(users)]
    subprocess.run([*command, "--seed", "0", "--n-workers", "2"], check=True)


def make_pragmatiq_shards(dataset: Path, shards: Path) -> None:
    """Have pragmatiq tokenise a dataset, unless it has."""
    if not (shards / "shard_manifest.json").is_file():
        subprocess.run([str(PRAGMATIQ), "tokenize", str(dataset), "--out", str(shards)], check=True)


def make_our_shards(dataset: Path, home: Path) -> None:
    """Tokens and shards of a contract folder in a warehouse of ours, unless they are there."""
    if not (home / "shards" / "manifest.json").is_file():
        place = ("--home", str(home))
        pragma("build", "--contract", str(dataset), "--select", "+user_tokens", *place)
        pragma("shards", *place)
