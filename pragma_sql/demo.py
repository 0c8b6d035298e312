"""`pragma demo`: the whole loop on real data, as the commands that a user would type."""

from __future__ import annotations

import json
import os
from importlib.util import find_spec
from pathlib import Path

import duckdb
from rich.console import Console
from rich.table import Table

from pragma_sql.checks import data_docs_page
from pragma_sql.errors import PragmaError
from pragma_sql.files import sha256
from pragma_sql.home import Home
from pragma_sql.project import DATA, DBT_PROJECT, MACROS
from pragma_sql.shards import open_shards
from pragma_sql.stages import Outcome, Stage, run_stages
from pragma_sql.tables import Cell, plain_table
from pragma_sql.warehouse import opened

RUN = "demo"
STEPS = 400

TRY_NEXT = (
    'sql{home} "select user_id, embed(user_id) from contract.profiles limit 3"',
    "sql{home} \"select user_id, embed_at(user_id, '2016-01-01') from contract.profiles limit 3\"",
    "validate{home}",
)

EMBEDDINGS = "select count(*), max(model_id) from vectors.user_embeddings"


def run_demo(home: Home) -> None:
    """Run the demo into `home` and print its tables."""
    for package in ("torch", "lightgbm", "sklearn", "matplotlib", "onnx"):
        if find_spec(package) is None:
            raise PragmaError(f"the demo needs {package}", "pip install 'pragma-sql[train]'")
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


def demo_stages(home: Home) -> list[Stage]:
    """The demo as a list of commands."""
    packages = Path(__file__).resolve().parent.parent
    book = DATA / "examples" / "purchase_cards" / "transactions.parquet"
    warehouse_code = [DBT_PROJECT, MACROS, packages / "pragma_sql", packages / "pragma_udfs"]
    model_code = [packages / "pragma_model"]
    bundle = home.runs / RUN / "bundle" / "manifest.json"
    picture = home.root / "embedding_map.png"
    return [
        Stage(
            "build",
            ["build", "--var", "book=purchase_cards"],
            [book, *warehouse_code],
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
            lambda: _hash(home.bundles / "current"),
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
            "map",
            ["map"],
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
    """The first row of a query as text; empty where the warehouse cannot answer it."""
    try:
        with opened(home.warehouse) as con:
            row = con.execute(sql).fetchall()[0]
    except (PragmaError, duckdb.Error, IndexError):
        return ""
    return " ".join(str(value) for value in row)


def _hash(path: Path) -> str:
    return sha256(path) if path.is_file() else ""


def _events_seen(metrics: Path) -> int:
    """Events that training fed forward and backward, all steps together."""
    steps = [json.loads(line) for line in metrics.read_text().splitlines()]
    events = sum(
        step["tokens"] / step["tokens_per_s"] * step["events_per_s"]
        for step in steps
        if "epoch" in step
    )
    return int(events)
