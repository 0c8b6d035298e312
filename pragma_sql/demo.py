"""`pragma demo`: the complete loop on real data, as the commands that a user would type."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from importlib.util import find_spec
from pathlib import Path

import duckdb
from rich.console import Console
from rich.table import Table

from pragma_sql.checks.gate import data_docs_page
from pragma_sql.formats.errors import PragmaError
from pragma_sql.formats.files import sha256
from pragma_sql.formats.packages import TRAIN, need_packages
from pragma_sql.formats.paths import DATA, DBT_PROJECT, MACROS, Home
from pragma_sql.formats.shards import open_shards
from pragma_sql.tables import Cell, plain_table
from pragma_sql.warehouse.connection import open_warehouse


@dataclass(frozen=True)
class Stage:
    """One `pragma` command of a pipeline."""

    name: str
    arguments: Sequence[str]
    """The words after `pragma` on the command line."""
    inputs: Sequence[Path]
    """Files and folders that the stage depends on, apart from the stages before it."""
    produced: Callable[[], str]
    """Gives a text that changes with the result's content; empty if there is no result."""
    rows: Callable[[], int]
    """Gives the number of rows of the main result."""


@dataclass(frozen=True)
class Stamp:
    """The record of a stage that ran."""

    digest: str
    produced: str
    seconds: float
    rows: int


@dataclass(frozen=True)
class Outcome:
    """A stage of this run: its stamp, and whether it ran this time."""

    name: str
    stamp: Stamp
    ran: bool


def run_stages(stages: Sequence[Stage], stamps: Path, environment: dict[str, str]) -> list[Outcome]:
    """Run the stages in order, and skip those whose inputs and results have not changed.

    Each stage is a process of its own, so that its memory is freed when it ends.
    """
    console = Console(stderr=True)
    stamps.mkdir(parents=True, exist_ok=True)
    outcomes = []
    before = ""
    for number, stage in enumerate(stages, start=1):
        digest = _digest(before, stage)
        stamp_file = stamps / f"{stage.name}.json"
        stamp = _read(stamp_file)
        fresh = stamp is not None and stamp.digest == digest and stamp.produced == stage.produced()
        console.rule(
            f"{number}/{len(stages)} {stage.name}{' (unchanged)' if fresh else ''}", align="left"
        )
        if stamp is None or not fresh:
            stamp_file.unlink(missing_ok=True)
            stamp = _run(stage, digest, console, environment)
            stamp_file.write_text(json.dumps(asdict(stamp)))
        outcomes.append(Outcome(stage.name, stamp, not fresh))
        before = digest
    return outcomes


def _run(stage: Stage, digest: str, console: Console, environment: dict[str, str]) -> Stamp:
    shown = " ".join(f'"{word}"' if " " in word else word for word in stage.arguments)
    console.print(f"[dim]$ pragma {shown}[/dim]", highlight=False, soft_wrap=True)
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
    """The files below the inputs that people write, without caches."""
    suffixes = {".py", ".sql", ".yml", ".csv", ".parquet"}
    return sorted(
        path
        for root in inputs
        for path in ([root] if root.is_file() else root.rglob("*"))
        if path.suffix in suffixes
        and not {"target", "logs", "data"} & set(path.parts[len(root.parts) :])
    )


RUN = "demo"
STEPS = 300

TRY_NEXT = (
    'sql{home} "select user_id, embed(user_id) from contract.profiles limit 3"',
    "sql{home} \"select user_id, embed_at(user_id, '2016-01-01') from contract.profiles limit 3\"",
    "validate{home}",
)

EMBEDDINGS = "select count(*), max(model_id) from vectors.user_embeddings"


def run_demo(home: Home) -> None:
    """Run the demo into `home` and print its tables."""
    need_packages("the demo", ["torch", "lightgbm", "sklearn", "matplotlib", "onnx"])
    environment = {**os.environ, "PRAGMA_HOME": str(home.root)}
    outcomes = run_stages(demo_stages(home), home.root / "stages", environment)
    out = Console()
    out.print(_stage_table(outcomes))
    out.print(f"data docs   {data_docs_page(home.data_docs)}", soft_wrap=True, highlight=False)
    out.print(f"probe       {home.root / 'probe.json'}", soft_wrap=True, highlight=False)
    out.print(f"picture     {home.root / 'embedding_map.png'}", soft_wrap=True, highlight=False)
    folder = "" if home.root == Home.of().root else f" {home.option}"
    out.print("\ntry next:", highlight=False)
    for command in TRY_NEXT:
        out.print(f"  pragma {command.format(home=folder)}", soft_wrap=True, highlight=False)


def _folder_of(package: str) -> Path:
    """The folder of a package, found without importing the package."""
    found = find_spec(package)
    if found is None or found.origin is None:
        raise PragmaError(f"the demo needs {package}", TRAIN)
    return Path(found.origin).parent


def demo_stages(home: Home) -> list[Stage]:
    """The demo as a list of commands."""
    dataset = DATA / "examples" / "purchase_cards" / "transactions.parquet"
    warehouse_code = [DBT_PROJECT, MACROS, _folder_of("pragma_sql"), _folder_of("pragma_udfs")]
    model_code = [_folder_of("pragma_model")]
    bundle = home.runs / RUN / "bundle" / "manifest.json"
    picture = home.root / "embedding_map.png"
    return [
        Stage(
            "build",
            ["build", "--var", "dataset=purchase_cards"],
            [dataset, *warehouse_code],
            lambda: _query(home, "select tokenizer_hash from fit.tokenizer"),
            lambda: int(_query(home, "select count(*) from tokens.event_tokens")),
        ),
        Stage(
            "shards",
            ["shards"],
            [],
            lambda: _hash(home.shards / "manifest.json"),
            lambda: open_shards(home.shards).manifest.count("events"),
        ),
        Stage(
            "train",
            [
                "train",
                str(home.shards),
                "--size",
                "nano",
                "--steps",
                str(STEPS),
                "--run",
                RUN,
                "--overwrite",
            ],
            model_code,
            lambda: _hash(bundle),
            lambda: _events_seen(home.runs / RUN / "metrics.jsonl"),
        ),
        Stage(
            "register",
            ["register", RUN],
            [],
            lambda: home.current_model or "",
            lambda: 1,
        ),
        Stage(
            "embed",
            ["build", "--select", "models+"],
            [],
            lambda: _query(home, EMBEDDINGS),
            lambda: int(_query(home, EMBEDDINGS).split()[0]),
        ),
        Stage(
            "probe",
            ["probe"],
            [],
            lambda: _hash(home.root / "probe.json"),
            lambda: int(_query(home, "select count(*) from views.probe_examples")),
        ),
        Stage(
            "plot",
            ["plot"],
            [],
            lambda: _hash(picture),
            lambda: int(_query(home, "select count(*) from views.embedding_map")),
        ),
    ]


def _stage_table(outcomes: list[Outcome]) -> Table:
    rows: list[list[Cell]] = []
    for outcome in outcomes:
        stamp = outcome.stamp
        state = f"{stamp.seconds:.1f}" if outcome.ran else "unchanged"
        rows.append([outcome.name, state, stamp.rows, round(stamp.rows / max(stamp.seconds, 1e-3))])
    total = sum(outcome.stamp.seconds for outcome in outcomes if outcome.ran)
    rows.append(["in all", f"{total:.1f}", None, None])
    return plain_table(["stage", "seconds", "rows", "rows/s"], rows, "demo")


def _query(home: Home, sql: str) -> str:
    """The first row of a query as text; empty if the warehouse cannot answer it."""
    try:
        with open_warehouse(home.warehouse) as con:
            row = con.execute(sql).fetchall()[0]
    except (PragmaError, duckdb.Error, IndexError):
        return ""
    return " ".join(str(value) for value in row)


def _hash(path: Path) -> str:
    return sha256(path) if path.is_file() else ""


def _events_seen(metrics: Path) -> int:
    """The number of events that training processed in all steps."""
    steps = [json.loads(line) for line in metrics.read_text().splitlines()]
    events = sum(
        step["tokens"] / step["tokens_per_s"] * step["events_per_s"]
        for step in steps
        if "epoch" in step
    )
    return int(events)
