"""Training runs in processes of their own, which a test may stop, kill or starve."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import psutil
import pytest

from pragma_sql.formats.paths import Home
from pragma_sql.formats.shards import Shards

ROOT = Path(__file__).resolve().parents[2]
TIMES = ("tokens_per_s", "events_per_s", "seconds")
PATIENCE = 240.0


def command(
    shards: Shards, home: Home, *options: str, processes: int = 0, before: str = ""
) -> list[str]:
    """`pragma train SHARDS ...`, in as many processes of torchrun as are given."""
    call = f"{before}\nfrom pragma_sql.cli import main; main()"
    torchrun = ["-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={processes}"]
    program = [*torchrun, "-m", "--", "pragma_sql"] if processes else ["-c", call]
    return [sys.executable, *program, "train", str(shards.path), "--home", str(home.root), *options]


def started(words: Sequence[str]) -> subprocess.Popen[str]:
    return subprocess.Popen(
        list(words),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={
            **os.environ,
            "PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")]),
            "OMP_NUM_THREADS": "1",
            "PYTHONFAULTHANDLER": "1",
        },
    )


def ended(process: subprocess.Popen[str]) -> tuple[int, str]:
    """The exit code of a process, and what it said on stderr: where it hangs, if it does."""
    try:
        _, said = process.communicate(timeout=PATIENCE)
    except subprocess.TimeoutExpired:
        root = psutil.Process(process.pid)
        for one in (*root.children(recursive=True), root):
            one.send_signal(signal.SIGABRT)
        _, said = process.communicate()
        pytest.fail(f"no end after {PATIENCE:.0f} s\n{said}")
    return process.returncode, said


def finished(words: Sequence[str]) -> None:
    code, said = ended(started(words))
    assert code == 0, said


def lines(folder: Path) -> list[dict[str, object]]:
    """Whole lines of a run's metrics, without what depends on the clock."""
    path = folder / "metrics.jsonl"
    whole = path.read_text().split("\n")[:-1] if path.is_file() else []
    return [
        {name: value for name, value in json.loads(line).items() if name not in TIMES}
        for line in whole
    ]


def wait_until(condition: Callable[[], bool], process: subprocess.Popen[str]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert process.poll() is None, process.communicate()[1]
        assert time.monotonic() < deadline, "waited too long"
        time.sleep(0.005)
