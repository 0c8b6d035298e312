"""How soon the real Triton server answers: this project and pragmatiq, the same users in turn.

Needs the environments of `make triton-env` and `make bench-env`.
Example: python benchmarks/bench_triton.py --work /tmp/bench
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import duckdb
from page import machine, write_section
from programs import (
    PRAGMATIQ,
    make_our_shards,
    make_pragmatiq_dataset,
    make_pragmatiq_shards,
    pragma,
)

ROOT = Path(__file__).resolve().parent.parent
TRITON = ROOT / ".venv-triton"
PACKAGES = next(TRITON.glob("lib/python3*/site-packages"))
INSTANCES = 2
WINDOW_MS = 4_000
PORT = 18_101

# Their own loader and scorer, as their package exports them; behind our packages on the path, for
# this Triton needs a numpy of before 2.
PRAGMATIQ_MODEL = """
import locale
import sys
sys.path.append({packages!r})
locale.setlocale(locale.LC_CTYPE, "C.UTF-8")  # it reads its files as the locale says
import numpy as np
import triton_python_backend_utils as triton
from pragmatiq.inference.serve import decode_request, load

class TritonPythonModel:
    def initialize(self, args):
        self.runtime = load({run!r})

    def execute(self, requests):
        answers = []
        for request in requests:
            raw = triton.get_input_tensor_by_name(request, "records_json").as_numpy().ravel()[0]
            vectors = self.runtime.embed(decode_request(raw))
            answers.append(triton.InferenceResponse([triton.Tensor("embeddings", vectors)]))
        return answers
"""
PRAGMATIQ_CONFIG = """
name: "embed_records"
backend: "python"
max_batch_size: 0
input [ {{ name: "records_json" data_type: TYPE_STRING dims: [ 1 ] }} ]
output [ {{ name: "embeddings" data_type: TYPE_FP32 dims: [ -1, -1 ] }} ]
instance_group [ {{ count: {instances} kind: KIND_CPU }} ]
"""

HISTORIES = """
with users as (
    select user_id from read_parquet($events) group by user_id order by md5(user_id) limit $users
),
ranked as (
    select e.*, row_number() over (partition by user_id order by ts desc) as rank
    from read_parquet($events) as e semi join users using (user_id)
),
histories as (
    select
        user_id,
        list({ts: epoch_us(ts), source: source, fields: to_json(fields)} order by ts) as events
    from ranked where rank <= $last group by user_id
)
select to_json({user_id: user_id, events: events}) from histories order by user_id
"""


@dataclass(frozen=True)
class Latency:
    """What clients saw."""

    p50_ms: float
    p99_ms: float
    per_second: float


class Bench:
    """One dataset, one small model of each, and users to ask about."""

    def __init__(self, work: Path, users: int) -> None:
        self.work = work
        self.dataset = work / f"dataset {users}"
        self.home = work / f"train {users}"
        self.bundle = self.home / "runs" / "served" / "bundle"
        self.pragmatiq_shards = work / f"pragmatiq {users}"
        self.pragmatiq_run = work / "pragmatiq-served" / "nano"
        self.users = users

    def prepare(self) -> None:
        """Train a model of each, unless it is there. What is learnt does not matter here."""
        make_pragmatiq_dataset(self.dataset, self.users)
        make_pragmatiq_shards(self.dataset, self.pragmatiq_shards)
        make_our_shards(self.dataset, self.home)
        if not (self.bundle / "manifest.json").is_file():
            arguments = ["--run", "served", "--steps", "4", "--overwrite", "--home", str(self.home)]
            pragma("train", str(self.home / "shards"), *arguments)
        if not (self.pragmatiq_run / "checkpoints").is_dir():
            config = self.work / "pretrain-triton.yaml"
            config.write_text(json.dumps({"max_steps": 4, "warmup_steps": 1}))
            words = [str(PRAGMATIQ), "pretrain", str(self.pragmatiq_shards)]
            words += ["--name", "nano", "--model-size", "nano", "--config", str(config)]
            subprocess.run([*words, "--runs-root", str(self.pragmatiq_run.parent)], check=True)

    def histories(self, last: int) -> list[dict[str, object]]:
        """64 users with as many of their latest events as asked for."""
        values = {"events": str(self.dataset / "events.parquet"), "users": 64, "last": last}
        with duckdb.connect() as con:
            rows = con.execute(HISTORIES, values).fetchall()
        return [json.loads(text) for (text,) in rows]

    def ours(self) -> Path:
        """Our model repository."""
        place = ("--out", str(self.work / "triton"), "--instances", str(INSTANCES))
        pragma("export-triton", str(self.bundle), *place)
        return self.work / "triton" / "models"

    def pragmatiq(self) -> Path:
        """A model repository that calls their package."""
        models = self.work / "pragmatiq-triton"
        shutil.rmtree(models, ignore_errors=True)
        (models / "embed_records" / "1").mkdir(parents=True)
        packages = str(next(PRAGMATIQ.parents[1].resolve().glob("lib/python3*/site-packages")))
        text = PRAGMATIQ_MODEL.format(packages=packages, run=str(self.pragmatiq_run))
        (models / "embed_records" / "1" / "model.py").write_text(text)
        config = PRAGMATIQ_CONFIG.format(instances=INSTANCES)
        (models / "embed_records" / "config.pbtxt").write_text(config)
        return models

    def measure(
        self, models: Path, requests: Sequence[str], clients: Sequence[int]
    ) -> Mapping[int, Latency]:
        """Latencies by the number of clients, each of which asks again when it was answered."""
        data = self.work / "requests.json"
        rows = [{"records_json": {"content": [text], "shape": [1]}} for text in requests]
        data.write_text(json.dumps({"data": rows}))
        with served(models):
            return {number: self._perf_analyzer(data, number) for number in clients}

    def _perf_analyzer(self, data: Path, clients: int) -> Latency:
        report = self.work / "perf.csv"
        report.unlink(missing_ok=True)
        words = [str(TRITON / "bin" / "perf_analyzer"), "-m", "embed_records", "-i", "grpc"]
        words += ["-u", f"127.0.0.1:{PORT + 1}", "--input-data", str(data), "-f", str(report)]
        words += ["--concurrency-range", str(clients), "--percentile", "99", "--max-trials", "3"]
        words += ["--measurement-interval", str(WINDOW_MS), "--stability-percentage", "999"]
        libraries = {"LD_LIBRARY_PATH": str(_libraries(self.work / "libraries"))}
        subprocess.run(
            words, check=True, env={**os.environ, **libraries}, stdout=subprocess.DEVNULL
        )
        with report.open() as lines:
            (row,) = csv.DictReader(lines)
        return Latency(
            float(row["p50 latency"]) / 1e3,
            float(row["p99 latency"]) / 1e3,
            float(row["Inferences/Second"]),
        )


def _libraries(folder: Path) -> Path:
    """What perf_analyzer is linked with, by the names that it asks for."""
    folder.mkdir(exist_ok=True)
    for name in ("libb64.so.0d", "libcudart.so.12"):
        stem = name.split(".")[0]
        (bundled,) = (PACKAGES / "nvidia_pytriton.libs").glob(f"{stem}-*")
        (folder / name).unlink(missing_ok=True)
        (folder / name).symlink_to(bundled)
    return folder


@contextmanager
def served(models: Path) -> Iterator[None]:
    """The server over a repository, ready."""
    words = [str(ROOT / "serving" / "bin" / "tritonserver"), f"--model-repository={models}"]
    for number, name in enumerate(("http", "grpc", "metrics")):
        words += [f"--{name}-address=127.0.0.1", f"--{name}-port={PORT + number}"]
    words += ["--exit-timeout-secs=3", "--model-control-mode=explicit"]
    words += ["--load-model=embed_records"]
    with (models.parent / "triton.log").open("wb") as log:
        process = subprocess.Popen(words, stdout=log, stderr=log)
    try:
        deadline = time.monotonic() + 180
        while process.poll() is None and time.monotonic() < deadline:
            with socket.socket() as one:
                if one.connect_ex(("127.0.0.1", PORT)) == 0:
                    break
            time.sleep(0.2)
        else:
            sys.exit(f"the server did not start, see {log.name}")
        yield
    finally:
        process.send_signal(signal.SIGINT)
        process.wait()


def main() -> None:
    """Measure and write the section."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--work", type=Path, default=Path(".bench"))
    parser.add_argument("--users", type=int, default=2_000)
    parser.add_argument("--clients", type=int, nargs="*", default=[1, 8, 64])
    parser.add_argument("--events", type=int, nargs="*", default=[100, 6_500])
    arguments = parser.parse_args()
    bench = Bench(arguments.work.resolve(), arguments.users)
    bench.prepare()
    rows = []
    for last in arguments.events:
        histories = bench.histories(last)
        mean = sum(len(history["events"]) for history in histories) / len(histories)  # type: ignore[arg-type,misc]
        pragmatiq = bench.measure(
            bench.pragmatiq(), [json.dumps([one]) for one in histories], arguments.clients
        )
        ours = bench.measure(
            bench.ours(), [json.dumps(one) for one in histories], arguments.clients
        )
        for clients in arguments.clients:
            other, own = pragmatiq[clients], ours[clients]
            rows.append(
                f"| {mean:,.0f} | {clients} | {other.p50_ms:,.1f} | **{own.p50_ms:,.1f}** "
                f"| {other.p99_ms:,.1f} | **{own.p99_ms:,.1f}** "
                f"| {other.per_second:,.0f} | **{own.per_second:,.0f}** |"
            )
    write_section(
        "Triton",
        f"`make bench-triton`; {machine()}, load average {os.getloadavg()[1]:.1f} at the end. The "
        f"server of `make triton-env`, {INSTANCES} instances of a nano model each, gRPC, JSON of "
        "one of 64 users of pragmatiq's dataset a request, tokens made by the server; closed loop "
        f"by perf_analyzer on the same cores. Pragmatiq through its own `Runtime.embed`.\n\n"
        "| events a user | clients | pragmatiq p50 ms | pragma | pragmatiq p99 ms | pragma "
        "| pragmatiq requests/s | pragma |\n|---:|---:|---:|---:|---:|---:|---:|---:|\n"
        + "\n".join(rows),
    )


if __name__ == "__main__":
    main()
