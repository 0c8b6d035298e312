"""The folder of one run: `run.json`, `metrics.jsonl`, and who else is told what it says.

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
    """Passes on what `metrics.jsonl` says."""

    def line(self, content: Mapping[str, object]) -> None:
        """A line has been written."""

    def close(self) -> None:
        """Nothing more comes."""


class RunLog:
    """`metrics.jsonl` of a run, open for writing; trackers are told each line after it is there."""

    def __init__(
        self, folder: Path, trackers: Sequence[Tracker], keep_bytes: int, *, leads: bool
    ) -> None:
        """Go on after so many bytes; what a run wrote after its checkpoint is written again.

        A process that does not lead writes nothing.
        """
        self._file: TextIO | None = None
        self._trackers = trackers
        if not leads:
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
        """See to it that the lines survive a crash; how many bytes there are."""
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
    """Where a run lies.

    Raises:
        PragmaError: it cannot be called that.
    """
    if not re.fullmatch(r"\w[\w.-]*", run):
        raise PragmaError(
            f"{run!r} cannot name a run", "--run with letters, digits, dot, dash and underscore"
        )
    return home.runs / run


def new_folder(home: Home, run: str, overwrite: bool) -> Path:
    """A folder for a run, empty."""
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
def described(folder: Path, content: Mapping[str, object], state: RunState) -> Iterator[None]:
    """Keep `run.json` true: what the run is, how far it came and how it ended."""

    def write(ended: str) -> None:
        told = {**content, "state": ended, "step": state.step, "tokens": state.tokens}
        draft = folder / f".{ABOUT}"
        draft.write_text(json.dumps(told, indent=2) + "\n")
        draft.replace(folder / ABOUT)

    write("running")
    try:
        yield
    except BaseException as error:
        with suppress(OSError):  # a full disk must not hide what went wrong
            write("stopped" if isinstance(error, StoppedError) else "failed")
        raise
    write("finished")
