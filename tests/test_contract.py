"""The contract is stated once; dbt, the README and a built warehouse keep to it."""

from __future__ import annotations

import re
from pathlib import Path

import duckdb
import pyarrow as pa
import pytest
import yaml

from pragma_sql.formats.contract import RELATIONS, SQL_TYPES, Relation
from pragma_sql.formats.paths import DBT_PROJECT, Home

CONTRACT = DBT_PROJECT / "models" / "contract"
NAMED = [(relation, relation.name) for relation in RELATIONS]


def declared(path: Path) -> dict[str, str]:
    (model,) = yaml.safe_load(path.read_text())["models"]
    return {column["name"]: column["data_type"].upper() for column in model["columns"]}


@pytest.mark.parametrize(("relation", "name"), NAMED)
def test_dbt_enforces_the_columns_and_types_of_the_contract(relation: Relation, name: str) -> None:
    types = {name: kind.upper() for name, kind in relation.columns.items()}
    assert declared(CONTRACT / f"{name}.yml") == types


@pytest.mark.parametrize(("relation", "name"), NAMED)
def test_a_warehouse_holds_the_contract(relation: Relation, name: str, toy: Home) -> None:
    with duckdb.connect(str(toy.warehouse), read_only=True) as con:
        columns = con.execute(f"describe contract.{name}").fetchall()
    assert {column: kind.replace('"', "") for column, kind, *_ in columns} == relation.columns


def test_duckdb_reads_the_arrow_types_as_the_sql_types() -> None:
    table = pa.table({f"c{n}": pa.nulls(0, kind) for n, kind in enumerate(SQL_TYPES)})
    with duckdb.connect() as con:
        con.register("given", table)
        found = [kind.replace('"', "") for _, kind, *_ in con.execute("describe given").fetchall()]
    assert found == list(SQL_TYPES.values())


@pytest.mark.parametrize(("relation", "name"), NAMED)
def test_the_readme_names_every_column(relation: Relation, name: str) -> None:
    readme = (DBT_PROJECT.parent / "README.md").read_text()
    (row,) = [line for line in readme.splitlines() if re.match(rf"\| `{name}[./]", line)]
    words = set(re.findall(r"\w+", row))
    assert set(relation.columns) - {"task"} <= words
