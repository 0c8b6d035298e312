"""Scoring beside pragmatiq: the same dataset and size of model, all users and all their events.

Needs the environment of `make bench-env`.
Example: python benchmarks/bench_embed.py --work /tmp/bench
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

import duckdb
from costs import Cost, cost_of
from page import machine, write_section
from programs import (
    PRAGMATIQ,
    make_our_shards,
    make_pragmatiq_dataset,
    make_pragmatiq_shards,
    pragma,
)

from pragma_sql.formats.paths import Home
from pragma_udfs.functions import register

SIZE = "nano"
STEPS = 16
"""Steps of training: what a vector costs does not depend on how good it is."""
ALONE = 200
"""Users that are asked for one by one, at most."""
WARM = 5
"""Users that are asked for before them."""


class Bench:
    """One dataset, scored by both."""

    def __init__(self, work: Path, dataset: Path) -> None:
        self.work, self.dataset = work, dataset
        self.home = work / f"home {dataset.name}"
        self.pragmatiq_shards = work / f"pragmatiq {dataset.name}"
        self.pragmatiq_run = work / "pragmatiq runs" / SIZE

    def prepare(self, users: int) -> None:
        """Dataset, tokens and a trained model of both programs, unless they are there."""
        make_pragmatiq_dataset(self.dataset, users)
        make_pragmatiq_shards(self.dataset, self.pragmatiq_shards)
        if not self.pragmatiq_run.is_dir():
            config = self.work / "pretrain.yaml"
            config.write_text(json.dumps({"max_steps": STEPS, "warmup_steps": 1, "log_every": 1}))
            command = [str(PRAGMATIQ), "pretrain", str(self.pragmatiq_shards), "--name", SIZE]
            command += ["--model-size", SIZE, "--config", str(config)]
            subprocess.run([*command, "--runs-root", str(self.pragmatiq_run.parent)], check=True)
        if Home.of(self.home).current_model is None:
            make_our_shards(self.dataset, self.home)
            place = ("--home", str(self.home))
            arguments = ["--size", SIZE, "--steps", str(STEPS), "--run", SIZE, "--overwrite"]
            pragma("train", str(self.home / "shards"), *arguments, *place)
            pragma("register", SIZE, *place)

    def pragmatiq(self) -> Cost:
        """All users with pragmatiq."""
        command = [
            str(PRAGMATIQ),
            "embed",
            str(self.pragmatiq_shards),
            "--run",
            str(self.pragmatiq_run),
        ]
        out = self.work / "pragmatiq embeddings.parquet"
        log = self.work / "pragmatiq embed.out"
        return cost_of([*command, "--out", str(out), "--device", "cpu"], output=log)

    def ours(self, form: str) -> Cost:
        """All users with `embed()`, in one query of `pragma sql`."""
        out = self.work / "our embeddings.parquet"
        query = (
            "copy (select user_id, embed(user_id) as embedding from tokens._histories)"  # noqa: S608
            f" to '{out}' (format parquet)"
        )
        command = [sys.executable, "-m", "pragma_sql", "sql", query, "--home", str(self.home)]
        log = self.work / f"ours {form}.out"
        return cost_of([*command, "--json"], {**os.environ, "PRAGMA_PRECISION": form}, log)

    def alone(self) -> list[tuple[float, float]]:
        """Milliseconds of `embed('u')`, median and 99th percentile: at first, and asked again."""
        with duckdb.connect(str(self.home / "pragma.duckdb"), read_only=True) as con:
            register(con)
            asked = "select user_id from tokens._histories order by md5(user_id) limit $n"
            users = con.execute(asked, {"n": ALONE + WARM}).fetchall()
            rounds = []
            for _ in range(2):
                times = []
                for row in users:
                    start = time.perf_counter()
                    con.execute("select embed($user)", {"user": row[0]}).fetchall()
                    times.append(1000 * (time.perf_counter() - start))
                warm = times[WARM:]
                rounds.append((statistics.median(warm), statistics.quantiles(warm, n=100)[98]))
        return rounds

    def counts(self) -> tuple[int, int, int]:
        """Users, events and distinct rows of event tokens."""
        query = """
            select
                count(distinct user_id), count(*),
                count(distinct (key_ids, value_ids, positions))
            from tokens.event_tokens
        """
        with duckdb.connect(str(self.home / "pragma.duckdb"), read_only=True) as con:
            users, events, rows = con.execute(query).fetchall()[0]
        return users, events, rows


def _row(name: str, cost: Cost, pragmatiq: Cost) -> str:
    return (
        f"| {name} | {cost.cpu_s:,.1f} | **{pragmatiq.cpu_s / cost.cpu_s:.1f}** "
        f"| {cost.wall_s:,.1f} | {cost.peak_gb:.2f} |"
    )


def main() -> None:
    """Measure and write the section."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--work", type=Path, default=Path(".bench"))
    parser.add_argument(
        "--dataset", type=Path, help="pragmatiq's dataset [default: made in --work]"
    )
    parser.add_argument("--users", type=int, default=2_000)
    arguments = parser.parse_args()
    work = arguments.work.resolve()
    work.mkdir(parents=True, exist_ok=True)
    bench = Bench(work, (arguments.dataset or work / f"dataset {arguments.users}").resolve())
    bench.prepare(arguments.users)
    pragmatiq = bench.pragmatiq()
    costs = {form: bench.ours(form) for form in ("fp32", "int8")}
    first, again = bench.alone()
    users, events, rows = bench.counts()
    table = [_row("pragmatiq `embed`", pragmatiq, pragmatiq)]
    table += [_row(f"`embed(user_id)`, {form}", cost, pragmatiq) for form, cost in costs.items()]
    write_section(
        "Scoring",
        f"`make bench-embed`; {machine()}. pragmatiq's own dataset of {users:,} users with "
        f"{events:,} events, models of size {SIZE}, all users and events, start-up included. "
        f"{rows:,} rows of event tokens are distinct: one in {events / rows:.1f}.\n\n"
        "| | CPU s | times fewer | wall s | peak GB |\n|---|---:|---:|---:|---:|\n"
        + "\n".join(table)
        + f"\n\n`embed('u')` for one user, warm, {min(ALONE, users - WARM)} in turn, their "
        f"{events / users:,.0f} events encoded for the first time: median {first[0]:.1f} ms, 99th "
        f"percentile {first[1]:.1f} ms. The same users asked for again, of a warehouse that is "
        f"open read-only: {again[0]:.1f} and {again[1]:.1f} ms.",
    )


if __name__ == "__main__":
    main()
