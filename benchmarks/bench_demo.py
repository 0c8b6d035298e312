"""Time, CPU and memory of the demo, first run and second, written to docs/BENCHMARKS.md.

Example: python benchmarks/bench_demo.py
"""

from __future__ import annotations

import os
import sys
import tempfile

from costs import cost_of
from page import machine, write_section


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
    write_section(
        "The demo",
        f"`make bench-demo`; {machine()}.\n\n"
        f"| `pragma demo` | wall s | CPU s | peak GB |\n|---|---:|---:|---:|\n{rows}",
    )


if __name__ == "__main__":
    main()
