"""A refit while nobody is served: the new fit is made beside the old one and then replaces it."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from dataclasses import replace
from io import StringIO
from pathlib import Path

import datasets
import duckdb
import pyarrow as pa
import pytest
from rich.console import Console
from workplace import Workplace

from pragma_sql.formats.errors import PragmaError
from pragma_sql.formats.paths import Home
from pragma_sql.warehouse.build import build
from pragma_sql.warehouse.promote import schema_of
from pragma_sql.warehouse.refit import refit

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
            " and table_name not in ('text_tokens', 'recounted_days', 'changed_partitions',"
            " 'new_events', 'new_tokens', 'changed_histories')"
            " order by all",
            {"schemas": list(schemas)},
        ).fetchall()
        return {name: con.execute(f"from {name} order by all").fetchall() for (name,) in names}


def old_fits(home: Home) -> list[str]:
    """The schemas of earlier tokenizers, and of candidates."""
    with duckdb.connect(str(home.warehouse), read_only=True) as con:
        query = (
            "select schema_name from duckdb_schemas() where schema_name like 'fit\\__%' escape '\\'"
        )
        return sorted({name for (name,) in con.execute(query).fetchall()})


def without_state(found: Tables) -> Tables:
    """Without what a build remembers of the builds before it."""
    return {name: rows for name, rows in found.items() if "._" not in name}


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
    asked = {**variables, "bins": 4, "fit_until": "2024-03-01"}
    said = StringIO()
    console = Console(file=said, width=400)
    build(home, asked, select=FIT, full_refresh=True, progress=console)
    assert tables(home, "fit") == before
    assert "the tokenizer stays as it is under --full-refresh" in said.getvalue()
    assert old_fits(home) == []


@pytest.mark.slow
def test_a_refit_to_the_same_hash_keeps_everything_as_it_was(
    home: Home, variables: Mapping[str, Value]
) -> None:
    before = tables(home, "fit", "tokens")
    refit(home, variables)
    assert without_state(tables(home, "fit", "tokens")) == without_state(before)
    assert old_fits(home) == []


def test_an_old_tokenizer_stays_as_long_as_a_registered_model_is_of_it(
    home: Home, variables: Mapping[str, Value]
) -> None:
    old_hash = tokenizer_hash(home)
    old = {name.split(".")[1]: rows for name, rows in tables(home, "fit").items()}
    bundle = register_model_of(home, old_hash)
    place = f"fit_{old_hash[:12]}"

    refit(home, {**variables, "bins": 4})
    assert tokenizer_hash(home) != old_hash
    assert old_fits(home) == [place]
    kept = tables(home, place)
    assert {name.split(".")[1]: rows for name, rows in kept.items()} == old

    shutil.rmtree(bundle)
    build(home, {**variables, "bins": 4}, select=FIT)
    assert old_fits(home) == []


def test_a_refit_gives_what_a_first_build_would(
    home: Home, variables: Mapping[str, Value], tmp_path: Path
) -> None:
    refit(home, {**variables, "bins": 4})
    fresh = Home.of(tmp_path / "fresh")
    build(fresh, {**variables, "bins": 4}, select=WITH_CONTRACT)
    found, expected = (without_state(tables(place, "fit", "tokens")) for place in (home, fresh))
    assert found == expected
    assert old_fits(home) == [], "no model is registered, so none needs the old one"


@pytest.mark.slow
def test_going_back_to_an_old_tokenizer_by_a_refit_gives_its_tokens_again(
    home: Home, variables: Mapping[str, Value]
) -> None:
    old_hash = tokenizer_hash(home)
    register_model_of(home, old_hash)
    before = without_state(tables(home, "fit", "tokens"))
    refit(home, {**variables, "bins": 4})
    refit(home, variables)
    assert tokenizer_hash(home) == old_hash
    assert without_state(tables(home, "fit", "tokens")) == before
    assert old_fits(home) == []


def test_a_refit_that_fails_half_way_leaves_the_old_fit_whole(
    home: Home, variables: Mapping[str, Value]
) -> None:
    before = tables(home, "fit", "tokens")
    with pytest.raises(PragmaError, match="vocabulary_size is 270"):
        refit(home, {**variables, "bins": 4, "vocabulary_size": 270})
    assert tables(home, "fit", "tokens") == before
    build(home, variables, select=FIT)
    assert old_fits(home) == []


@pytest.mark.slow
def test_a_refit_that_an_older_version_left_half_done_is_undone_by_the_next_build(
    home: Home, variables: Mapping[str, Value]
) -> None:
    before = tables(home, "fit", "tokens")
    archive = f"archive_{tokenizer_hash(home)[:12]}"
    with duckdb.connect(str(home.warehouse)) as con:
        copy_fit(con, archive)
        con.execute(f"create table {archive}.unfinished as select now() as since")
        con.execute("update fit.numeric_bins set upper_edge = upper_edge + 1")
        con.execute("delete from fit.bpe")
    build(home, variables, select=FIT)
    assert tables(home, "fit", "tokens") == before
    assert old_fits(home) == []


def test_an_old_tokenizer_of_an_older_version_is_kept_for_its_model(
    home: Home, variables: Mapping[str, Value]
) -> None:
    register_model_of(home, "0" * 64)
    with duckdb.connect(str(home.warehouse)) as con:
        copy_fit(con, f"archive_{'0' * 12}")
    kept = tables(home, f"archive_{'0' * 12}")
    assert schema_of(home.warehouse, tokenizer_hash(home)) is None
    build(home, variables, select=FIT)
    assert old_fits(home) == [f"fit_{'0' * 12}"]
    assert list(tables(home, f"fit_{'0' * 12}").values()) == list(kept.values())


def test_tables_of_the_user_that_are_named_like_ours_stay(
    home: Home, variables: Mapping[str, Value]
) -> None:
    with duckdb.connect(str(home.warehouse)) as con:
        for name in OWN:
            con.execute(f"create schema if not exists {name.partition('.')[0]}")
            con.execute(f"create table {name} as select 1 as mine")
    refit(home, {**variables, "bins": 4})
    with duckdb.connect(str(home.warehouse), read_only=True) as con:
        for name in OWN:
            assert con.execute(f"from {name}").fetchall() == [(1,)], name


OWN = (
    "archive_2024.tokenizer",
    f"archive_{'a' * 12}.events",
    f"fit_{'a' * 12}.events",
    f"fit_{'a' * 12}.schemas",
    "fit_old.tokenizer",
    "tokens.next_month",
    "tokens.next_texts",
)


def copy_fit(con: duckdb.DuckDBPyConnection, schema: str) -> None:
    con.execute(f"create schema {schema}")
    for name in tables_of_fit(con):
        con.execute(f"create table {schema}.{name} as from fit.{name}")


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
            refit(home, {**variables, "bins": 4})
    held = tables(home, "fit", "tokens")
    assert {name: held[name] for name in before} == before
    build(home, variables, select=FIT)
    assert tables(home, "fit", "tokens") == before
    assert old_fits(home) == []


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


@pytest.mark.slow
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
