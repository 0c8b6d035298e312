"""Tables as a user may have them, and what a mapping.yml makes of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import duckdb
from jinja2 import Environment

from pragma_sql.datasets.from_clause import to_model
from pragma_sql.datasets.mapping_file import parse_mapping
from pragma_sql.datasets.staging import staging
from pragma_sql.datasets.user_tables import attach, user_tables

DATASET = "bank"

Row = tuple[object, ...]


def write_table(path: Path, query: str) -> Path:
    """The rows of a query as a parquet or csv file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with duckdb.connect() as con:
        rows = con.sql(query)
        if path.suffix == ".csv":
            rows.write_csv(str(path), header=True)
        else:
            rows.write_parquet(str(path))
    return path


@dataclass(frozen=True)
class _Pragma:
    """What the models call of our package."""

    folder: Path

    def project_folder(self) -> str:
        return str(self.folder)


@dataclass(frozen=True)
class Staged:
    """The four staging relations of a mapping, as rows."""

    events: list[Row]
    profiles: list[Row]
    labels: list[Row]
    transfers: list[Row]
    notes: Sequence[str]

    def fields(self) -> list[dict[str, str]]:
        """The fields of each event."""
        return [dict(row[3]) for row in self.events]  # type: ignore[call-overload]


def staged(folder: Path, text: str) -> Staged:
    """Make the staging models of a mapping, render them as dbt would, and run them."""
    mapping = parse_mapping(text)
    with user_tables(folder, mapping.databases) as tables:
        made = staging(mapping, tables, DATASET)
    with duckdb.connect() as con:
        con.execute("set TimeZone = 'UTC'")
        attach(con, folder, mapping.databases)
        for relation in ("events", "labels", "profiles", "transfers"):
            sql = (
                Environment(autoescape=False)
                .from_string(to_model(made.queries[relation]))
                .render(ref=lambda name: name, pragma=_Pragma(folder))
            )
            con.execute(f"create table {DATASET}_{relation} as {sql}")
        rows = {
            relation: con.execute(f"from {DATASET}_{relation} order by all").fetchall()
            for relation in made.queries
        }
    return Staged(**rows, notes=made.notes)
