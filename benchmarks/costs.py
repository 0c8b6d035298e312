"""What a command costs: wall time, CPU and memory of its whole process tree."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path

import psutil

SAMPLE_EVERY = 0.1


@dataclass(frozen=True)
class Cost:
    """What a command and all its descendants took."""

    wall_s: float
    cpu_s: float
    peak_gb: float
    """Largest sum of proportional set sizes at one moment."""


def cost_of(
    command: Sequence[str],
    environment: Mapping[str, str] | None = None,
    output: Path | None = None,
) -> Cost:
    """Run a command to its end and measure it; stop if it fails.

    Args:
        command: what to run.
        environment: its environment; by default ours.
        output: where its standard output goes; by default it is let through.
    """
    before = os.times()
    start = time.monotonic()
    with output.open("w") if output else nullcontext() as stdout:
        process = subprocess.Popen(command, env=environment, stdout=stdout)
    peak = 0
    done = threading.Event()

    def watch() -> None:
        nonlocal peak
        while not done.wait(SAMPLE_EVERY):
            peak = max(peak, _memory(process.pid))

    watcher = threading.Thread(target=watch)
    watcher.start()
    code = process.wait()
    done.set()
    watcher.join()
    if code != 0:
        sys.exit(f"{' '.join(command)} ended with {code}")
    after = os.times()
    cpu = after.children_user + after.children_system
    cpu -= before.children_user + before.children_system
    return Cost(time.monotonic() - start, cpu, peak / 1e9)


def _memory(pid: int) -> int:
    total = 0
    try:
        root = psutil.Process(pid)
        for process in (root, *root.children(recursive=True)):
            total += process.memory_full_info().pss
    except psutil.NoSuchProcess:
        pass
    return total
