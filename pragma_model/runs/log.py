"""The folder of one run: `run.json`, `metrics.jsonl`, and the trackers that get its lines.

runs/<run>/   run.json  metrics.jsonl  checkpoints/  bad_batches/  bundle/
"""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict
from pathlib import Path
from types import TracebackType
from typing import Protocol, TextIO

from pragma_model.runs.metrics import ProbeScore, RunState, StepMetrics, StoppedError, Validation
from pragma_sql.formats.errors import PragmaError
from pragma_sql.formats.paths import Home

METRICS = "metrics.jsonl"
ABOUT = "run.json"


class Tracker(Protocol):
    """A receiver of the lines of `metrics.jsonl`."""

    def line(self, content: Mapping[str, object]) -> None:
        """Take a line that has been written."""

    def close(self) -> None:
        """Take note that no more lines come."""


class RunLog:
    """The open `metrics.jsonl` of a run; trackers get each line after it is written."""

    def __init__(
        self, folder: Path, trackers: Sequence[Tracker], keep_bytes: int, *, is_rank_zero: bool
    ) -> None:
        """Continue after a number of bytes; lines after the checkpoint are written again.

        Only the leading process writes.
        """
        self._file: TextIO | None = None
        self._trackers = trackers
        if not is_rank_zero:
            return
        path = folder / METRICS
        path.touch()
        os.truncate(path, keep_bytes)
        self._file = path.open("a")

    def write(self, line: StepMetrics | Validation | ProbeScore) -> None:
        """Add a line."""
        if self._file is None:
            return
        content = asdict(line)
        self._file.write(json.dumps(content) + "\n")
        self._file.flush()
        for tracker in self._trackers:
            tracker.line(content)

    def to_disk(self) -> int:
        """Flush the lines to disk, so that they survive a crash; returns the number of bytes."""
        if self._file is None:
            return 0
        os.fsync(self._file.fileno())
        return self._file.tell()

    def __enter__(self) -> RunLog:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._file is not None:
            self._file.close()
        for tracker in self._trackers:
            tracker.close()


def run_folder(home: Home, run: str) -> Path:
    """The folder of a run.

    Raises:
        PragmaError: the name is not allowed.
    """
    if not re.fullmatch(r"\w[\w.-]*", run):
        raise PragmaError(
            f"{run!r} cannot name a run", "--run with letters, digits, dot, dash and underscore"
        )
    return home.runs / run


def new_folder(home: Home, run: str, overwrite: bool) -> Path:
    """An empty folder for a run."""
    folder = run_folder(home, run)
    if folder.exists():
        if not overwrite:
            can_go_on = any(folder.glob("checkpoints/step-*")) and not (folder / "bundle").is_dir()
            ways = ["another --run", *(["--resume"] if can_go_on else []), "or --overwrite"]
            raise PragmaError(f"run {run!r} exists in {home.runs}", ", ".join(ways))
        shutil.rmtree(folder)
    folder.mkdir(parents=True)
    return folder


@contextmanager
def record_run(folder: Path, content: Mapping[str, object], state: RunState) -> Iterator[None]:
    """Keep `run.json` up to date: the run, its progress and how it ended."""

    def write(ended: str) -> None:
        told = {**content, "state": ended, "step": state.step, "tokens": state.tokens}
        draft = folder / f".{ABOUT}"
        draft.write_text(json.dumps(told, indent=2) + "\n")
        draft.replace(folder / ABOUT)

    write("running")
    try:
        yield
    except BaseException as error:
        with suppress(OSError):  # a full disk must not hide the original error
            write("stopped" if isinstance(error, StoppedError) else "failed")
        raise
    write("finished")
