"""`pragma sql` prints what people and programs can read."""

from __future__ import annotations

import json

import pytest
from typer.testing import CliRunner

from pragma_sql.cli import app
from pragma_sql.formats.paths import Home

pytest.importorskip("pragma_udfs")


def asked(toy: Home, query: str, *more: str) -> str:
    from pragma_udfs.commands import sql

    if not any(command.name == "sql" for command in app.registered_commands):
        app.command("sql")(sql)
    ran = CliRunner().invoke(app, ["sql", query, "--home", str(toy.root), *more])
    assert ran.exit_code == 0, ran.output
    return ran.output


def test_a_map_prints_as_a_map(toy: Home) -> None:
    shown = asked(toy, "select map {'amount': '5', 'mcc': '5411', 'shop': null} as fields")
    assert "{amount: 5, mcc: 5411, shop: null}" in shown


def test_a_map_within_a_struct_or_a_list_prints_as_a_map(toy: Home) -> None:
    shown = asked(toy, "select {'of': [map {1: 2}]} as nested")
    assert "{of: [{1: 2}]}" in shown


def test_a_long_map_is_cut_and_says_how_long_it_is(toy: Home) -> None:
    shown = asked(toy, "select map(range(20), range(20)) as m")
    assert "11: 11" in shown
    assert "12: 12" not in shown
    assert "... 20 in all}" in shown


def test_json_has_maps_as_objects_whatever_their_keys(toy: Home) -> None:
    query = "select map {'a': '5'} as m, map {date '2024-01-05': 1} as days, 'nan'::double as odd"
    assert json.loads(asked(toy, query, "--json")) == [
        {"m": {"a": "5"}, "days": {"2024-01-05": 1}, "odd": None}
    ]


def test_the_fields_of_an_event_print_as_they_are(toy: Home) -> None:
    shown = asked(toy, "select fields from contract.events where event_id = '5-1'", "--json")
    (row,) = json.loads(shown)
    assert set(row["fields"]) <= {"amount", "shop", "category", "mcc"}
