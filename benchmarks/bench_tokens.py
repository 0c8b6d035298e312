"""From parquet to finished tokens on disk: beside pragmatiq, and alone at 10M and 100M events.

Needs the environment of `make bench-env`.
Example: python benchmarks/bench_tokens.py --work /tmp/bench
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
from dataclasses import asdict
from pathlib import Path

import duckdb
from costs import Cost, cost_of
from made_dataset import add_a_day, rewrite, write_made_dataset
from page import machine, write_section
from programs import PRAGMATIQ, make_pragmatiq_dataset

from pragma_sql.formats.packing import UNK

MEMORY_LIMIT = "2GB"


class Bench:
    """One run of all measurements; those of an interrupted run are kept and not taken again."""

    def __init__(self, work: Path) -> None:
        self.work = work
        self.results = work / "results.json"
        work.mkdir(parents=True, exist_ok=True)
        self.costs: dict[str, dict[str, float]] = (
            json.loads(self.results.read_text()) if self.results.is_file() else {}
        )

    def measure(self, name: str, command: list[str], memory_limit: str = MEMORY_LIMIT) -> Cost:
        """The cost of a command, taken once."""
        if name not in self.costs:
            print(f"== {name}", flush=True)
            environment = {**os.environ, "PRAGMA_MEMORY_LIMIT": memory_limit}
            self.costs[name] = asdict(cost_of(command, environment, self.work / f"{name}.out"))
            self.results.write_text(json.dumps(self.costs, indent=1))
        return Cost(**self.costs[name])

    def build(self, name: str, dataset: Path, select: str = "+tokens") -> Cost:
        """`pragma build`, checks included."""
        command = [sys.executable, "-m", "pragma_sql", "build", "--home", str(self.home(name))]
        command += ["--json", "--contract", str(dataset), "--select", select]
        return self.measure(f"ours {name}", command)

    def home(self, name: str) -> Path:
        """The warehouse of a dataset."""
        return self.work / f"home {name.split(',')[0]}"

    def counts(self, name: str) -> tuple[int, float, float]:
        """Events, tokens an event and the fields' share of [UNK], of a warehouse that was built."""
        with duckdb.connect(str(self.home(name) / "pragma.duckdb"), read_only=True) as con:
            query = """
                select count(*), sum(len(key_ids)),
                sum(len(list_filter(value_ids, lambda v: v = $unk)))
                from tokens.event_tokens
            """
            events, tokens, unknown = con.execute(query, {"unk": UNK}).fetchall()[0]
        return events, tokens / events, unknown / tokens

    def stages(self, name: str) -> str:
        """The tables that took longest, from what the build printed."""
        built = json.loads((self.work / f"ours {name}.out").read_text())
        slowest = sorted(built, key=lambda model: -model["seconds"])[:6]
        return ", ".join(f"{model['relation']} {model['seconds']:.0f}" for model in slowest)


def beside_the_pragmatiq(bench: Bench, users: int) -> str:
    """Both programs on one dataset of pragmatiq's; returns a table row."""
    dataset = bench.work / f"dataset {users}"
    make_pragmatiq_dataset(dataset, users)
    out = str(bench.work / f"pragmatiq {users}")
    pragmatiq = bench.measure(
        f"pragmatiq {users:,} users",
        [str(PRAGMATIQ), "tokenize", str(dataset), "--out", out, "--n-workers", "2"],
    )
    name = f"{users:,} users"
    ours = bench.build(name, dataset, "+event_tokens +profile_tokens +user_tokens")
    events, tokens, _ = bench.counts(name)
    return (
        f"| {name}, {events / 1e6:.1f}M events | {pragmatiq.cpu_s:.0f} | {pragmatiq.peak_gb:.1f} "
        f"| **{ours.cpu_s:.1f}** | {ours.peak_gb:.2f} | **{pragmatiq.cpu_s / ours.cpu_s:.1f}** "
        f"| {pragmatiq.wall_s:.0f} / {ours.wall_s:.0f} | {tokens:.2f} |"
    )


def alone(bench: Bench, events: int) -> tuple[list[str], str]:
    """A made dataset, built whole and then with a day more; returns table rows and a remark."""
    name = f"{events // 1_000_000}M events"
    dataset = bench.work / f"made {name}"
    if f"ours {name}" not in bench.costs:
        shutil.rmtree(dataset, ignore_errors=True)
        shutil.rmtree(bench.home(name), ignore_errors=True)
        write_made_dataset(dataset, events)
    full = bench.build(name, dataset)
    if f"ours {name}, a day later" not in bench.costs:
        add_a_day(dataset, events, events // 1000)
    day = bench.build(f"{name}, a day later", dataset)
    again = bench.build(f"{name}, nothing new", dataset)
    if f"ours {name}, rewritten whole" not in bench.costs:
        rewrite(dataset)
    rewritten = bench.build(f"{name}, rewritten whole", dataset)
    rows = [
        _row(name, full, full),
        _row(f"{name}, a day later: {events // 1000:,} more", day, full),
        _row(f"{name}, nothing new", again, full),
        _row(f"{name}, all files rewritten as they were", rewritten, full),
    ]
    size = (bench.home(name) / "pragma.duckdb").stat().st_size / 1e9
    return rows, (
        f"- {name}: a warehouse file of {size:.1f} GB. Seconds of the slowest tables, in the full "
        f"build: {bench.stages(name)}; a day later: {bench.stages(f'{name}, a day later')}."
    )


def _row(name: str, cost: Cost, full: Cost) -> str:
    share = f"{100 * cost.cpu_s / full.cpu_s:.1f}%"
    return f"| {name} | {cost.cpu_s:.1f} | {cost.peak_gb:.2f} | {cost.wall_s:.0f} | {share} |"


def main() -> None:
    """Measure and write the section."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--work", type=Path, default=Path(".bench"))
    parser.add_argument("--users", type=int, nargs="*", default=[2_000, 10_000])
    parser.add_argument("--events", type=int, nargs="*", default=[10_000_000, 100_000_000])
    arguments = parser.parse_args()
    bench = Bench(arguments.work.resolve())
    paired = [beside_the_pragmatiq(bench, users) for users in arguments.users]
    made = [alone(bench, events) for events in arguments.events]
    write_section(
        "Tokens",
        f"`make bench-tokens`; {machine()}. From parquet to finished tokens on disk, checks on, "
        f"`memory_limit` {MEMORY_LIMIT}; pragmatiq with two workers.\n\n"
        "| pragmatiq's own dataset | pragmatiq CPU s | GB | pragma CPU s | GB | times less CPU "
        "| wall s | tokens an event |\n"
        "|---|---:|---:|---:|---:|---:|---:|---:|\n" + "\n".join(paired) + "\n\n"
        "| a dataset made by SQL | CPU s | GB | wall s | of the full build |\n"
        "|---|---:|---:|---:|---:|\n"
        + "\n".join(row for rows, _ in made for row in rows)
        + "\n\n"
        + "\n".join(remark for _, remark in made),
    )


if __name__ == "__main__":
    main()
