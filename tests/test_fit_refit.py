"""A refit: the old tokenizer is kept while a model needs it, and a failed one changes nothing."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import datasets
import duckdb
import pyarrow as pa
import pytest
from workplace import Workplace

from pragma_sql.formats.errors import PragmaError
from pragma_sql.formats.paths import Home
from pragma_sql.warehouse.build import build

Value = str | int | float
Tables = dict[str, list[tuple[object, ...]]]


@pytest.fixture
def home(toy: Home, workplace: Workplace) -> Home:
    """A copy of the toy warehouse, to be written to."""
    return workplace.restore(toy.root)


@pytest.fixture
def variables(home: Home, workplace: Workplace) -> Mapping[str, Value]:
    workplace.write()
    return workplace.variables()


# The contract is the toy warehouse's; it is built and checked again only where the dataset changes.
FIT = ["fit", "tokens"]
WITH_CONTRACT = ["+tokens"]


def tables(home: Home, *schemas: str) -> Tables:
    """Every table of these schemas, whole; two of tokens are of the last build alone."""
    with duckdb.connect(str(home.warehouse), read_only=True) as con:
        names = con.execute(
            "select schema_name || '.' || table_name from duckdb_tables()"
            " where list_contains($schemas, schema_name) "
            " and table_name not in ('texts', 'recounted_days', 'changed_partitions',"
            " 'new_events', 'new_tokens', 'changed_histories')"
            " order by all",
            {"schemas": list(schemas)},
        ).fetchall()
        return {name: con.execute(f"from {name} order by all").fetchall() for (name,) in names}


def archives(home: Home) -> list[str]:
    with duckdb.connect(str(home.warehouse), read_only=True) as con:
        query = "select schema_name from duckdb_schemas() where schema_name like 'archive%'"
        return sorted({name for (name,) in con.execute(query).fetchall()})


def tokenizer_hash(home: Home) -> str:
    with duckdb.connect(str(home.warehouse), read_only=True) as con:
        return str(con.execute("select tokenizer_hash from fit.tokenizer").fetchall()[0][0])


def register_model_of(home: Home, trained_on: str) -> Path:
    """What the registry leaves of a model, as far as a refit looks at it."""
    bundle = home.bundles / f"of-{trained_on[:4]}"
    bundle.mkdir(parents=True)
    (bundle / "manifest.json").write_text(json.dumps({"tokenizer_hash": trained_on}))
    return bundle


def test_an_ordinary_build_never_refits_whatever_the_vars_say(
    home: Home, variables: Mapping[str, Value]
) -> None:
    before = tables(home, "fit")
    build(home, {**variables, "bins": 4, "fit_until": "2024-03-01"}, select=FIT)
    assert tables(home, "fit") == before
    assert archives(home) == []


def test_a_refit_to_the_same_hash_keeps_everything_as_it_was(
    home: Home, variables: Mapping[str, Value]
) -> None:
    register_model_of(home, tokenizer_hash(home))
    before = tables(home, "fit", "tokens")
    build(home, variables, select=FIT, refit=True)
    assert tables(home, "fit", "tokens") == before
    assert archives(home) == []


def test_the_old_tables_stay_as_long_as_a_registered_model_is_of_them(
    home: Home, variables: Mapping[str, Value]
) -> None:
    old_hash = tokenizer_hash(home)
    old = {name.split(".")[1]: rows for name, rows in tables(home, "fit").items()}
    bundle = register_model_of(home, old_hash)
    archive = f"archive_{old_hash[:12]}"

    build(home, {**variables, "bins": 4}, select=FIT, refit=True)
    assert tokenizer_hash(home) != old_hash
    assert archives(home) == [archive]
    kept = tables(home, archive)
    assert {name.split(".")[1]: rows for name, rows in kept.items()} == old

    build(home, {**variables, "bins": 4}, select=FIT)
    assert tables(home, archive) == kept

    shutil.rmtree(bundle)
    build(home, {**variables, "bins": 4}, select=FIT)
    assert archives(home) == []


def test_a_refit_that_no_model_minds_leaves_nothing_behind(
    home: Home, variables: Mapping[str, Value]
) -> None:
    register_model_of(home, "0" * 64)
    build(home, {**variables, "bins": 4}, select=FIT, refit=True)
    assert archives(home) == []


@pytest.mark.slow
def test_going_back_to_an_archived_tokenizer_puts_it_into_force(
    home: Home, variables: Mapping[str, Value]
) -> None:
    old_hash = tokenizer_hash(home)
    register_model_of(home, old_hash)
    before = tables(home, "fit", "tokens")
    build(home, {**variables, "bins": 4}, select=FIT, refit=True)
    build(home, variables, select=FIT, refit=True)
    assert tokenizer_hash(home) == old_hash
    assert tables(home, "fit", "tokens") == before
    assert archives(home) == []


def test_a_refit_that_fails_half_way_leaves_the_old_fit_whole(
    home: Home, variables: Mapping[str, Value]
) -> None:
    before = tables(home, "fit", "tokens")
    with pytest.raises(PragmaError, match="vocabulary_size is 270"):
        build(home, {**variables, "bins": 4, "vocabulary_size": 270}, select=FIT, refit=True)
    assert tables(home, "fit", "tokens") == before
    assert archives(home) == []


def leave_unfinished(con: duckdb.DuckDBPyConnection, archive: str) -> None:
    """What a refit that is killed leaves: a copy of the fit as it was, and a mark."""
    con.execute(f"create schema {archive}")
    for name in tables_of_fit(con):
        con.execute(f"create table {archive}.{name} as from fit.{name}")
    con.execute(f"create table {archive}.unfinished as select now() as since")


@pytest.mark.parametrize(
    "refit", [False, pytest.param(True, marks=pytest.mark.slow)], ids=["build", "refit"]
)
def test_a_refit_killed_half_way_is_undone_by_the_next_build(
    refit: bool, home: Home, variables: Mapping[str, Value]
) -> None:
    before = tables(home, "fit", "tokens")
    archive = f"archive_{tokenizer_hash(home)[:12]}"
    with duckdb.connect(str(home.warehouse)) as con:
        leave_unfinished(con, archive)
        con.execute("update fit.numeric_bins set upper_edge = upper_edge + 1")
        con.execute("delete from fit.bpe")
    build(home, variables, select=FIT, refit=refit)
    assert tables(home, "fit", "tokens") == before
    assert archives(home) == []


@pytest.mark.slow
def test_a_refit_killed_before_its_tokens_were_made_is_undone(
    home: Home, variables: Mapping[str, Value]
) -> None:
    before, archive = tables(home, "fit", "tokens"), f"archive_{tokenizer_hash(home)[:12]}"
    with duckdb.connect(str(home.warehouse)) as con:
        leave_unfinished(con, archive)
        con.execute("update fit.tokenizer set tokenizer_hash = repeat('f', 64)")
    build(home, variables, select=FIT)
    assert tables(home, "fit", "tokens") == before
    assert archives(home) == []


def refuse_texts(texts: pa.Array, tokenizer: object) -> pa.Array:
    """In place of what encodes texts, so that the tokens fail once the fit is made."""
    raise PragmaError("no text can be encoded", "try again")


def test_a_refit_whose_tokens_fail_leaves_the_old_fit(
    home: Home, variables: Mapping[str, Value], monkeypatch: pytest.MonkeyPatch
) -> None:
    before = tables(home, "fit", "tokens")
    with monkeypatch.context() as broken:
        broken.setattr("pragma_sql.warehouse.functions.encode", refuse_texts)
        with pytest.raises(PragmaError, match="no text can be encoded"):
            build(home, {**variables, "bins": 4}, select=FIT, refit=True)
    assert tables(home, "fit") == {name: before[name] for name in before if name[:4] == "fit."}
    build(home, variables, select=FIT)
    assert tables(home, "fit", "tokens") == before


def test_a_key_that_turns_from_numbers_to_words_becomes_unknown_not_another_kind(
    home: Home, variables: Mapping[str, Value], workplace: Workplace
) -> None:
    words = [
        replace(event, event_id=f"new {n}", fields={"amount": "a lot"})
        for n, event in enumerate(datasets.toy_events())
    ]
    workplace.write(words)
    before = tables(home, "fit")
    build(home, variables, select=WITH_CONTRACT)
    assert tables(home, "fit") == before
    with duckdb.connect(str(home.warehouse), read_only=True) as con:
        values = con.execute(
            "select distinct value_ids[2:] from tokens.event_tokens where event_id ^@ 'new'"
        ).fetchall()
    assert values == [([2],)]


def tables_of_fit(con: duckdb.DuckDBPyConnection) -> list[str]:
    query = "select table_name from duckdb_tables() where schema_name = 'fit'"
    return [name for (name,) in con.execute(query).fetchall()]


@pytest.mark.slow
def test_a_first_build_that_failed_is_made_again_with_the_new_vars(
    workplace: Workplace, toy: Home
) -> None:
    home = workplace.home
    workplace.write()
    variables = workplace.variables()
    with pytest.raises(PragmaError, match="vocabulary_size is 270"):
        build(home, {**variables, "bins": 4, "vocabulary_size": 270}, select=WITH_CONTRACT)
    build(home, variables, select=WITH_CONTRACT)
    assert tables(home, "fit") == tables(toy, "fit")


def test_a_first_build_that_failed_after_its_fit_is_made_again_too_and_its_log_says_why(
    workplace: Workplace, toy: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A fit is frozen when the build that made it has made its tokens."""
    home = workplace.home
    workplace.write()
    variables = workplace.variables()
    with monkeypatch.context() as broken:
        broken.setattr("pragma_sql.warehouse.functions.encode", refuse_texts)
        with pytest.raises(PragmaError, match="no text can be encoded"):
            build(home, {**variables, "bins": 4}, select=WITH_CONTRACT)
    with duckdb.connect(str(home.warehouse), read_only=True) as con:
        assert con.execute("select count(*) from fit.tokenizer").fetchall() == [(1,)]
    assert "no text can be encoded" in (home.dbt / "logs" / "dbt.log").read_text()
    build(home, variables, select=WITH_CONTRACT)
    assert tables(home, "fit") == tables(toy, "fit")
    build(home, {**variables, "bins": 4}, select=FIT)
    assert tables(home, "fit") == tables(toy, "fit")
