"""Time, CPU and memory of the demo, first run and second, written to docs/BENCHMARKS.md.

Example: python benchmarks/bench_demo.py
"""

from __future__ import annotations

import os
import platform
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass
from pathlib import Path

import psutil

PAGE = Path(__file__).resolve().parent.parent / "docs" / "BENCHMARKS.md"
SAMPLE_EVERY = 0.1


@dataclass(frozen=True)
class Cost:
    """What a command and all its descendants took."""

    wall_s: float
    cpu_s: float
    peak_gb: float
    """Largest sum of proportional set sizes at one moment."""


def cost_of(command: list[str], environment: dict[str, str]) -> Cost:
    """Run a command to its end and measure its whole process tree."""
    before = os.times()
    start = time.monotonic()
    process = subprocess.Popen(command, env=environment)
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


def main() -> None:
    """Run the demo twice into one new folder."""
    with tempfile.TemporaryDirectory() as home:
        environment = {**os.environ, "PRAGMA_HOME": home}
        command = [sys.executable, "-m", "pragma_sql", "demo"]
        costs = {"first run": cost_of(command, environment)}
        costs["again, unchanged"] = cost_of(command, environment)
    rows = "\n".join(
        f"| {name} | {cost.wall_s:.0f} | {cost.cpu_s:.0f} | {cost.peak_gb:.2f} |"
        for name, cost in costs.items()
    )
    PAGE.write_text(
        "# Benchmarks\n\n"
        "Written by `make bench-demo`; whole process tree, start-up included.\n\n"
        f"## The demo ({os.cpu_count()} cores, {platform.machine()}, "
        f"Python {platform.python_version()})\n\n"
        "| `pragma demo` | wall s | CPU s | peak GB |\n|---|---:|---:|---:|\n"
        f"{rows}\n"
    )
    print(PAGE.read_text())


if __name__ == "__main__":
    main()
