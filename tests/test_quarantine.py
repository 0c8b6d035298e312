"""Rows that break an error-rule can be set aside: listed with the reason, out of the contract."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence

import duckdb
import pytest
from clean_dataset import CLEAN_DATASET
from defects import DEFECTS, Defect

from pragma_sql.checks.quarantine import REJECTED, set_aside
from pragma_sql.checks.rule import Rule
from pragma_sql.checks.rules import contract_rules
from pragma_sql.checks.violations import find_violations
from pragma_sql.formats.errors import PragmaError

RELATIONS = ("events", "profiles", "labels", "transfers")
ERRORS = {rule.name: rule for rule in contract_rules() if rule.severity == "error"}
SET_ASIDE = [defect for defect in DEFECTS[1:] if defect.rule in ERRORS]


@pytest.fixture
def dataset() -> Iterator[duckdb.DuckDBPyConnection]:
    """The clean dataset, its contract a set of views over schema `raw`, as dbt makes it."""
    with duckdb.connect() as con:
        con.execute(CLEAN_DATASET.replace("contract", "raw"))
        con.execute("create schema contract")
        for name in RELATIONS:
            con.execute(f"create view contract.{name} as with x as (from raw.{name}) from x")
        yield con


def contents(con: duckdb.DuckDBPyConnection) -> list[list[tuple[object, ...]]]:
    return [con.execute(f"from contract.{name} order by all").fetchall() for name in RELATIONS]


def broken_rules(con: duckdb.DuckDBPyConnection) -> Sequence[Rule]:
    found = dict.fromkeys(find_violations(con, contract_rules())["rule"].to_pylist())
    return [ERRORS[name] for name in found if name in ERRORS]


def spoil(con: duckdb.DuckDBPyConnection, sql: str) -> None:
    con.execute(sql.replace("contract.", "raw."))


@pytest.mark.parametrize("defect", SET_ASIDE, ids=lambda defect: defect.rule)
def test_the_rows_of_a_broken_rule_are_listed_and_no_others_leave_the_contract(
    defect: Defect, dataset: duckdb.DuckDBPyConnection
) -> None:
    spoil(dataset, defect.sql)
    before = contents(dataset)
    rejected = set_aside(dataset, broken_rules(dataset))
    assert rejected[defect.rule] == defect.rows
    assert broken_rules(dataset) == []
    after = contents(dataset)
    gone = [len(rows) - len(left) for rows, left in zip(before, after, strict=True)]
    assert sum(gone) == sum(rejected.values())
    assert all(row in rows for rows, left in zip(before, after, strict=True) for row in left)


def test_labels_of_a_user_whose_events_are_all_set_aside_go_too(
    dataset: duckdb.DuckDBPyConnection,
) -> None:
    spoil(dataset, "update contract.events set source = '' where user_id = 'bob'")
    rejected = set_aside(dataset, broken_rules(dataset))
    assert rejected == {"events_source_blank": 1, "labels_user_unknown": 1}
    assert dataset.execute("select distinct user_id from contract.labels").fetchall() == [("ann",)]


def test_a_row_is_listed_once_for_each_rule_that_it_breaks_with_all_that_finds_it(
    dataset: duckdb.DuckDBPyConnection,
) -> None:
    spoil(
        dataset, "insert into contract.labels values ('churn', 'cleo', '1970-01-01', 'nan', null)"
    )
    set_aside(dataset, broken_rules(dataset))
    listed = dataset.execute(f"select relation, rule, reason, content from {REJECTED}").fetchall()
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
        "split": None,
    }


@pytest.mark.parametrize("answers", [(0, 1), (1, 0)])
def test_of_repeated_labels_the_same_row_stays_in_whatever_order_they_come(
    answers: tuple[int, int], dataset: duckdb.DuckDBPyConnection
) -> None:
    for answer in answers:
        dataset.execute(
            "insert into raw.labels by name select 'new' as task, 'bob' as user_id,"
            f" '2024-02-01' as eval_ts, {answer} as label"
        )
    set_aside(dataset, broken_rules(dataset))
    kept = dataset.execute("select label from contract.labels where task = 'new'").fetchall()
    assert kept == [(0.0,)]


@pytest.mark.parametrize("plans", [("gold", "plus", "basic"), ("plus", "basic", "gold")])
def test_of_profiles_of_one_moment_the_last_delivered_stays_and_the_others_are_listed(
    plans: tuple[str, str, str], dataset: duckdb.DuckDBPyConnection
) -> None:
    for plan in plans:
        values = f"('bob', '2024-02-01', map {{'plan': '{plan}'}}, [])"
        dataset.execute(f"insert into raw.profiles values {values}")
    set_aside(dataset, broken_rules(dataset))
    query = "select attributes['plan'] from contract.profiles where as_of = '2024-02-01'"
    assert dataset.execute(f"{query} and user_id = 'bob'").fetchall() == [(plans[-1],)]
    listed = dataset.execute(
        f"select content ->> '$.attributes.plan', reason from {REJECTED} order by all"
    ).fetchall()
    assert sorted(plan for plan, _ in listed) == sorted(plans[:-1])
    assert "delivered later" in listed[0][1]


def test_events_stay_a_view(dataset: duckdb.DuckDBPyConnection) -> None:
    spoil(dataset, "insert into contract.events values (null, '2024-01-05', 'card', map {}, null)")
    set_aside(dataset, broken_rules(dataset))
    later = "('bob', '2024-03-01', 'app', map {}, null), ('  ', '2024-03-01', 'app', map {}, null)"
    dataset.execute(f"insert into raw.events values {later}")
    assert dataset.execute("select count(*) from contract.events").fetchall() == [(6,)]


def test_a_contract_that_is_made_of_tables_is_cleaned_too() -> None:
    with duckdb.connect() as con:
        con.execute(CLEAN_DATASET)
        con.execute("insert into contract.events values (null, '2024-01-05', 'card', map {}, null)")
        set_aside(con, broken_rules(con))
        assert broken_rules(con) == []
        assert con.execute("select count(*) from contract.events").fetchall() == [(5,)]


def test_after_a_part_was_checked_older_bad_rows_stay_away_too(
    dataset: duckdb.DuckDBPyConnection,
) -> None:
    spoil(
        dataset, "insert into contract.events values ('ann', '1970-01-01', 'card', map {}, 'old')"
    )
    spoil(dataset, "insert into contract.events values (null, '2024-03-02', 'card', map {}, 'new')")
    dataset.execute(
        "create table contract.new_events as from contract.events where ts > '2024-03-01'"
    )
    set_aside(dataset, [ERRORS["events_user_id_blank"]], events="contract.new_events")
    assert dataset.execute(f"select rule from {REJECTED}").fetchall() == [("events_user_id_blank",)]
    assert dataset.execute("select count(*) from contract.events").fetchall() == [(5,)]
    assert dataset.execute("select count(*) from contract.new_events").fetchall() == [(2,)]


def test_a_dataset_of_bad_rows_alone_is_refused(dataset: duckdb.DuckDBPyConnection) -> None:
    spoil(dataset, "update contract.events set source = ''")
    with pytest.raises(PragmaError, match="every row breaks a rule"):
        set_aside(dataset, broken_rules(dataset))


def test_nothing_broken_leaves_the_contract_as_it_is(dataset: duckdb.DuckDBPyConnection) -> None:
    views = "select sql from duckdb_views() where schema_name = 'contract' order by all"
    before = dataset.execute(views).fetchall()
    set_aside(dataset, [])
    assert dataset.execute(views).fetchall() == before
    assert dataset.execute(f"from {REJECTED}").fetchall() == []
