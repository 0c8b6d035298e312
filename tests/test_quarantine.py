"""Rows that break an error-rule can be set aside: listed with the reason, out of the contract."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import books
import duckdb
import pytest
from clean_book import CLEAN_BOOK
from defects import DEFECTS, Defect

from pragma_sql.book import Variables, book_of
from pragma_sql.build import build
from pragma_sql.errors import PragmaError
from pragma_sql.home import Home
from pragma_sql.quarantine import REJECTED, set_aside
from pragma_sql.rules import contract_rules
from pragma_sql.scans import Rule
from pragma_sql.tallies import TALLIES, tally

RELATIONS = ("events", "profiles", "labels", "transfers")
ERRORS = {rule.name: rule for rule in contract_rules() if rule.severity == "error"}
SET_ASIDE = [defect for defect in DEFECTS[1:] if defect.rule in ERRORS]


@pytest.fixture
def book() -> Iterator[duckdb.DuckDBPyConnection]:
    """The clean book, its contract a set of views over schema `raw`, as dbt makes it."""
    with duckdb.connect() as con:
        con.execute(CLEAN_BOOK.replace("contract", "raw"))
        con.execute("create schema contract")
        for name in RELATIONS:
            con.execute(f"create view contract.{name} as with x as (from raw.{name}) from x")
        yield con


def contents(con: duckdb.DuckDBPyConnection) -> list[list[tuple[object, ...]]]:
    return [con.execute(f"from contract.{name} order by all").fetchall() for name in RELATIONS]


def broken_rules(con: duckdb.DuckDBPyConnection) -> Sequence[Rule]:
    tally(con, contract_rules())
    names = con.execute(f"select rule from {TALLIES} where rows > 0").fetchall()
    return [ERRORS[name] for (name,) in names if name in ERRORS]


def spoil(con: duckdb.DuckDBPyConnection, sql: str) -> None:
    con.execute(sql.replace("contract.", "raw."))


@pytest.mark.parametrize("defect", SET_ASIDE, ids=lambda defect: defect.rule)
def test_the_rows_of_a_broken_rule_are_listed_and_no_others_leave_the_contract(
    defect: Defect, book: duckdb.DuckDBPyConnection
) -> None:
    spoil(book, defect.sql)
    before = contents(book)
    rejected = set_aside(book, broken_rules(book))
    assert rejected[defect.rule] == defect.rows
    assert broken_rules(book) == []
    after = contents(book)
    gone = [len(rows) - len(left) for rows, left in zip(before, after, strict=True)]
    assert sum(gone) == sum(rejected.values())
    assert all(row in rows for rows, left in zip(before, after, strict=True) for row in left)


def test_labels_of_a_user_whose_events_are_all_set_aside_go_too(
    book: duckdb.DuckDBPyConnection,
) -> None:
    spoil(book, "update contract.events set source = '' where user_id = 'bob'")
    rejected = set_aside(book, broken_rules(book))
    assert rejected == {"events_source_blank": 1, "labels_user_unknown": 1}
    assert book.execute("select distinct user_id from contract.labels").fetchall() == [("ann",)]


def test_a_row_is_listed_once_for_each_rule_that_it_breaks_with_all_that_finds_it(
    book: duckdb.DuckDBPyConnection,
) -> None:
    spoil(book, "insert into contract.labels values ('churn', 'cleo', '1970-01-01', 'nan')")
    set_aside(book, broken_rules(book))
    listed = book.execute(f"select relation, rule, reason, content from {REJECTED}").fetchall()
    assert [(relation, rule) for relation, rule, _, _ in listed] == [
        ("labels", "labels_user_unknown"),
        ("labels", "labels_eval_ts_outside"),
        ("labels", "labels_label_not_finite"),
    ]
    assert listed[0][2] == "belong to users without events"
    assert {content for *_, content in listed} == {listed[0][3]}
    assert json.loads(listed[0][3]) == {
        "task": "churn",
        "user_id": "cleo",
        "eval_ts": "1970-01-01 00:00:00",
        "label": "nan",
    }


def test_of_repeated_keys_the_same_row_stays_in_whatever_order_they_come(
    book: duckdb.DuckDBPyConnection,
) -> None:
    kept = set()
    for first, second in (("gold", "plus"), ("plus", "gold")):
        book.execute("begin")
        for plan in (first, second):
            values = f"('bob', '2024-02-01', map {{'plan': '{plan}'}}, [])"
            book.execute(f"insert into raw.profiles values {values}")
        set_aside(book, broken_rules(book))
        query = "select attributes['plan'] from contract.profiles where as_of = '2024-02-01'"
        kept |= set(book.execute(f"{query} and user_id = 'bob'").fetchall())
        book.execute("rollback")
    assert kept == {("gold",)}


def test_events_stay_a_view(book: duckdb.DuckDBPyConnection) -> None:
    spoil(book, "insert into contract.events values (null, '2024-01-05', 'card', map {}, null)")
    set_aside(book, broken_rules(book))
    later = "('bob', '2024-03-01', 'app', map {}, null), ('  ', '2024-03-01', 'app', map {}, null)"
    book.execute(f"insert into raw.events values {later}")
    assert book.execute("select count(*) from contract.events").fetchall() == [(6,)]


def test_a_contract_that_is_made_of_tables_is_mended_too(tmp_path: Path) -> None:
    with duckdb.connect() as con:
        con.execute(CLEAN_BOOK)
        con.execute("insert into contract.events values (null, '2024-01-05', 'card', map {}, null)")
        set_aside(con, broken_rules(con))
        assert broken_rules(con) == []
        assert con.execute("select count(*) from contract.events").fetchall() == [(5,)]


def test_after_a_part_was_checked_older_bad_rows_stay_away_too(
    book: duckdb.DuckDBPyConnection,
) -> None:
    spoil(book, "insert into contract.events values ('ann', '1970-01-01', 'card', map {}, 'old')")
    spoil(book, "insert into contract.events values (null, '2024-03-02', 'card', map {}, 'new')")
    book.execute("create table contract.new_events as from contract.events where ts > '2024-03-01'")
    set_aside(book, [ERRORS["events_user_id_blank"]], events="contract.new_events")
    assert book.execute(f"select rule from {REJECTED}").fetchall() == [("events_user_id_blank",)]
    assert book.execute("select count(*) from contract.events").fetchall() == [(5,)]
    assert book.execute("select count(*) from contract.new_events").fetchall() == [(2,)]


def test_a_book_of_bad_rows_alone_is_refused(book: duckdb.DuckDBPyConnection) -> None:
    spoil(book, "update contract.events set source = ''")
    with pytest.raises(PragmaError, match="every row breaks a rule"):
        set_aside(book, broken_rules(book))


def test_nothing_broken_leaves_the_contract_as_it_is(book: duckdb.DuckDBPyConnection) -> None:
    views = "select sql from duckdb_views() where schema_name = 'contract' order by all"
    before = book.execute(views).fetchall()
    set_aside(book, [])
    assert book.execute(views).fetchall() == before
    assert book.execute(f"from {REJECTED}").fetchall() == []


@pytest.fixture(scope="module")
def bad_book(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The toy book with a jumped clock, a lost user, a label for nobody, a profile sent twice."""
    events = books.toy_events()
    events[3] = replace(events[3], day="1970-01-01")
    events[7] = replace(events[7], user_id=None)
    profiles = books.toy_profiles()
    labels = books.toy_labels()
    return books.write_book(
        tmp_path_factory.mktemp("bad_book"),
        events,
        [*profiles, profiles[4]],
        [*labels, replace(labels[0], user_id="nobody")],
    )


@pytest.fixture(scope="module")
def built(bad_book: Path, tmp_path_factory: pytest.TempPathFactory) -> Home:
    """A warehouse of the bad book: refused first, then built with its bad rows set aside."""
    home = Home.of(tmp_path_factory.mktemp("built"))
    with pytest.raises(PragmaError, match="1970-01-01"):
        build(home, variables(bad_book))
    build(home, {**variables(bad_book), "quarantine": True})
    return home


def variables(book: Path) -> Variables:
    return {**book_of(book, []), **books.TOY_VARS}


def query(home: Home, sql: str) -> list[tuple[object, ...]]:
    with duckdb.connect(str(home.warehouse), read_only=True) as con:
        return con.execute(sql).fetchall()


def test_a_build_goes_on_without_the_bad_rows(built: Home) -> None:
    whole = len(books.toy_events())
    assert query(built, "select count(*) from contract.events") == [(whole - 2,)]
    assert query(built, "select count(*) from tokens.event_tokens") == [(whole - 2,)]
    assert query(built, "select count(*) from contract.profiles") == [(40,)]
    assert query(built, "select count(*) from contract.labels where user_id = 'nobody'") == [(0,)]


def test_a_build_tells_what_it_set_aside(built: Home) -> None:
    assert query(built, "select rule from contract.rejected order by rule") == [
        ("events_ts_outside",),
        ("events_user_id_blank",),
        ("labels_user_unknown",),
        ("profiles_repeated",),
    ]
    assert query(
        built, "select rule, rejected from contract.checks where rejected > 0 order by rule"
    ) == [
        ("events_ts_outside", 1),
        ("events_user_id_blank", 1),
        ("labels_user_unknown", 1),
        ("profiles_repeated", 1),
    ]


def test_building_again_gives_the_same(built: Home, bad_book: Path) -> None:
    tables = "select * from contract.rejected order by all"
    tokens = "select * from tokens.user_tokens order by all"
    before = query(built, tables), query(built, tokens)
    build(built, {**variables(bad_book), "quarantine": True})
    assert (query(built, tables), query(built, tokens)) == before


def test_a_build_that_was_stopped_in_between_is_made_good_by_the_next(
    built: Home, bad_book: Path
) -> None:
    build(built, {**variables(bad_book), "quarantine": True}, select=["+checks"])
    build(built, {**variables(bad_book), "quarantine": True})
    whole = len(books.toy_events())
    assert query(built, "select count(*) from contract.events") == [(whole - 2,)]


def test_what_was_found_is_kept_when_a_build_stops(bad_book: Path, tmp_path: Path) -> None:
    home = Home.of(tmp_path)
    with pytest.raises(PragmaError):
        build(home, variables(bad_book))
    assert query(
        home,
        "select rule from contract.checks where severity = 'error' and not passed order by rule",
    ) == [
        ("events_ts_outside",),
        ("events_user_id_blank",),
        ("labels_user_unknown",),
        ("profiles_repeated",),
    ]
    tables = "select table_name from duckdb_tables() where schema_name = 'tokens'"
    assert query(home, f"{tables} and table_name ^@ 'built' = false") == []


def test_a_gate_that_fails_half_way_leaves_the_contract_as_it_was_received(tmp_path: Path) -> None:
    events = [replace(event, source=" ") for event in books.toy_events()]
    book = books.write_book(tmp_path / "book", events, books.toy_profiles(), books.toy_labels())
    home = Home.of(tmp_path / "home")
    with pytest.raises(PragmaError, match="every row breaks a rule"):
        build(home, {**variables(book), "quarantine": True})
    assert query(home, "select count(*) from contract.events") == [(len(events),)]
    assert query(home, "select max(rejected) from contract.checks") == [(0,)]
