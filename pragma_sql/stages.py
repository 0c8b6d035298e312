"""A pipeline of commands that runs again only where something changed."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from rich.console import Console

from pragma_sql.errors import PragmaError


@dataclass(frozen=True)
class Stage:
    """One `pragma` command of a pipeline."""

    name: str
    arguments: Sequence[str]
    """What follows `pragma` on the command line."""
    inputs: Sequence[Path]
    """Files and folders whose content it depends on, beside the stages before it."""
    produced: Callable[[], str]
    """Stands for the content of what it makes; empty when that is not there."""
    rows: Callable[[], int]
    """Rows of its main result."""


@dataclass(frozen=True)
class Stamp:
    """What is remembered of a stage that ran."""

    digest: str
    produced: str
    seconds: float
    rows: int


@dataclass(frozen=True)
class Outcome:
    """A stage of this run: its stamp, and whether it ran now."""

    name: str
    stamp: Stamp
    ran: bool


def run_stages(stages: Sequence[Stage], stamps: Path, environment: dict[str, str]) -> list[Outcome]:
    """Run the stages in order, leaving out those whose inputs and results are as they were.

    A stage runs as a process of its own, so that its memory is given back when it ends.
    """
    talk = Console(stderr=True)
    stamps.mkdir(parents=True, exist_ok=True)
    outcomes = []
    before = ""
    for number, stage in enumerate(stages, start=1):
        digest = _digest(before, stage)
        stamp_file = stamps / f"{stage.name}.json"
        stamp = _read(stamp_file)
        fresh = stamp is not None and stamp.digest == digest and stamp.produced == stage.produced()
        talk.rule(
            f"{number}/{len(stages)} {stage.name}{' (unchanged)' if fresh else ''}", align="left"
        )
        if stamp is None or not fresh:
            stamp_file.unlink(missing_ok=True)
            stamp = _run(stage, digest, talk, environment)
            stamp_file.write_text(json.dumps(asdict(stamp)))
        outcomes.append(Outcome(stage.name, stamp, not fresh))
        before = digest
    return outcomes


def _run(stage: Stage, digest: str, talk: Console, environment: dict[str, str]) -> Stamp:
    shown = " ".join(f'"{word}"' if " " in word else word for word in stage.arguments)
    talk.print(f"[dim]$ pragma {shown}[/dim]", highlight=False, soft_wrap=True)
    start = time.monotonic()
    code = subprocess.run(  # noqa: S603 - our own command, no shell
        [sys.executable, "-m", "pragma_sql", *stage.arguments], env=environment, check=False
    ).returncode
    if code != 0:
        raise PragmaError(f"stage '{stage.name}' stopped, see above", f"pragma {shown}")
    return Stamp(digest, stage.produced(), time.monotonic() - start, stage.rows())


def _read(stamp: Path) -> Stamp | None:
    try:
        return Stamp(**json.loads(stamp.read_text()))
    except (OSError, ValueError, TypeError):
        return None


def _digest(before: str, stage: Stage) -> str:
    digest = hashlib.sha256(json.dumps([before, *stage.arguments]).encode())
    for path in _files(stage.inputs):
        digest.update(str(path).encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()


def _files(inputs: Iterable[Path]) -> list[Path]:
    """The files below the inputs that people write."""
    suffixes = {".py", ".sql", ".yml", ".csv", ".parquet"}
    return sorted(
        path
        for root in inputs
        for path in ([root] if root.is_file() else root.rglob("*"))
        if path.suffix in suffixes
        and not {"target", "logs", "data"} & set(path.parts[len(root.parts) :])
    )
