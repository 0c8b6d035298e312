"""Each rule of the contract finds its own defect, in all rows, and leaves a clean dataset alone."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date

import duckdb
import pytest
from clean_dataset import CLEAN_DATASET, events
from defects import DEFECTS, UNKNOWN_KEYS, Defect

from pragma_sql.checks.limits import Limits
from pragma_sql.checks.rules import contract_rules
from pragma_sql.checks.violations import EXAMPLES, find_violations
from pragma_sql.formats.errors import PragmaError

KNOWN_KEYS = ("amount", "shop", "page", "plan")


@pytest.fixture
def dataset() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as con:
        con.execute(CLEAN_DATASET)
        yield con


def broken_rules(
    con: duckdb.DuckDBPyConnection, *, known_keys: Sequence[str] = (), part: str = "contract.events"
) -> list[tuple[str, int, str]]:
    found = find_violations(con, contract_rules(known_keys=known_keys), part).to_pylist()
    return [(row["rule"], row["rows"], row["example"]) for row in found if row["row"] == 1]


@pytest.mark.parametrize("defect", DEFECTS, ids=lambda defect: defect.rule)
def test_a_defect_breaks_its_rule_and_no_other(
    defect: Defect, dataset: duckdb.DuckDBPyConnection
) -> None:
    dataset.execute(defect.sql)
    assert broken_rules(dataset) == [(defect.rule, defect.rows, defect.example)]


def test_a_clean_dataset_breaks_no_rule(dataset: duckdb.DuckDBPyConnection) -> None:
    assert broken_rules(dataset) == []


def test_each_rule_has_a_defect_here() -> None:
    assert [defect.rule for defect in DEFECTS] == [rule.name for rule in contract_rules()]
    with_a_fit = {rule.name for rule in contract_rules(known_keys=KNOWN_KEYS)}
    assert {defect.rule for defect in (*DEFECTS, *UNKNOWN_KEYS)} == with_a_fit


@pytest.mark.parametrize("defect", UNKNOWN_KEYS, ids=lambda defect: defect.rule)
def test_a_key_that_the_fit_does_not_know_is_told(
    defect: Defect, dataset: duckdb.DuckDBPyConnection
) -> None:
    dataset.execute(defect.sql)
    assert broken_rules(dataset, known_keys=KNOWN_KEYS) == [(defect.rule, 1, defect.example)]


def test_known_keys_may_be_named_like_sql(dataset: duckdb.DuckDBPyConnection) -> None:
    odd = ("it's", '"; drop table contract.events; --', "two\nlines", "k" * 10_000)
    dataset.execute(
        "insert into contract.events values ('bob', '2024-02-11', 'card', map($keys, $keys), null)",
        {"keys": list(odd)},
    )
    assert broken_rules(dataset, known_keys=(*KNOWN_KEYS, *odd)) == []
    assert [rule for rule, _, _ in broken_rules(dataset, known_keys=KNOWN_KEYS)] == [
        "events_fields_key_unknown"
    ]


def test_a_rules_query_gives_the_rows_that_break_it(dataset: duckdb.DuckDBPyConnection) -> None:
    queries = {rule.name: rule.query for rule in contract_rules()}
    for defect in DEFECTS[1:]:
        dataset.execute("begin")
        dataset.execute(defect.sql)
        assert len(dataset.execute(queries[defect.rule]).fetchall()) == defect.rows, defect.rule
        dataset.execute("rollback")


def test_both_ends_of_the_allowed_moments_and_the_longest_value_pass(
    dataset: duckdb.DuckDBPyConnection,
) -> None:
    dataset.execute(events("'bob', '1990-01-01', 'card', map {'memo': repeat('x', 10000)}, null"))
    dataset.execute(events("'bob', '2100-01-01', 'card', map {}, null"))
    assert broken_rules(dataset) == []


def test_the_limits_can_be_set(dataset: duckdb.DuckDBPyConnection) -> None:
    rules = contract_rules(Limits(earliest=date(2024, 1, 1), value_bytes=5))
    found = find_violations(dataset, rules).to_pylist()
    assert {(row["rule"], row["rows"]) for row in found} == {
        ("events_fields_value_long", 2),
        ("profiles_milestone_ts_outside", 1),
    }


def test_of_many_rows_that_break_a_rule_the_smallest_are_kept_and_all_are_counted(
    dataset: duckdb.DuckDBPyConnection,
) -> None:
    dataset.execute("""
        insert into contract.events
        select format('user {:06}', i), '2024-01-05', '', map {}, i::varchar
        from range(300_000) as numbers(i) order by hash(i)
    """)
    found = []
    for threads in (1, 4):
        dataset.execute(f"set threads = {threads}")
        found.append(find_violations(dataset, contract_rules()))
    assert found[0].equals(found[1])
    assert found[0].to_pylist() == [
        {
            "rule": "events_source_blank",
            "row": number,
            "example": f"user_id user {number - 1:06}, ts 2024-01-05 00:00:00, source blank",
            "rows": 300_000,
        }
        for number in range(1, EXAMPLES + 1)
    ]


def test_every_row_is_looked_at(dataset: duckdb.DuckDBPyConnection) -> None:
    dataset.execute("""
        insert into contract.events
        select 'ann', '2024-01-05', if(i = 299_999, null, 'card'), map {}, i::varchar
        from range(300_000) as numbers(i)
    """)
    example = "user_id ann, ts 2024-01-05 00:00:00, source null"
    assert broken_rules(dataset) == [("events_source_blank", 1, example)]


def test_an_example_is_one_line_whatever_is_in_the_row(dataset: duckdb.DuckDBPyConnection) -> None:
    dataset.execute(events("e'two\\nlines\\x1b[31m', null, 'card', map {}, null"))
    assert broken_rules(dataset)[0][2] == "user_id two lines [31m, ts null, source card"


def test_a_relation_that_cannot_be_read_is_named(dataset: duckdb.DuckDBPyConnection) -> None:
    dataset.execute("drop table contract.labels")
    dataset.execute("create view contract.labels as select 'today'::timestamp as eval_ts")
    dataset.execute("drop table contract.transfers")
    with pytest.raises(PragmaError, match=r"^contract\.labels cannot be read: ") as caught:
        find_violations(dataset, contract_rules())
    assert "pragma validate" in caught.value.next_step


def test_a_part_of_the_events_is_checked_alone_but_users_are_known_from_all(
    dataset: duckdb.DuckDBPyConnection,
) -> None:
    dataset.execute(events("'ann', '1970-01-01', 'card', map {}, 'old'"))
    dataset.execute(
        "create view contract.new_events as from contract.events where ts >= '2024-02-01'"
    )
    assert broken_rules(dataset, part="contract.new_events") == []


def test_no_new_events_are_no_missing_events(dataset: duckdb.DuckDBPyConnection) -> None:
    dataset.execute("create view contract.new_events as from contract.events where false")
    assert broken_rules(dataset, part="contract.new_events") == []


def test_a_defect_among_the_new_events_is_found(dataset: duckdb.DuckDBPyConnection) -> None:
    dataset.execute("create table contract.new_events as from contract.events")
    dataset.execute(
        "insert into contract.new_events values (null, '2024-02-01', 'card', map {}, 'x')"
    )
    example = "user_id null, ts 2024-02-01 00:00:00, source card"
    assert broken_rules(dataset, part="contract.new_events") == [
        ("events_user_id_blank", 1, example)
    ]


def test_events_of_one_moment_are_no_repeats_while_something_differs(
    dataset: duckdb.DuckDBPyConnection,
) -> None:
    dataset.execute(events("'bob', '2024-02-10 12:00', 'card', map {'amount': '-3'}, null"))
    dataset.execute(events("'bob', '2024-02-10 12:00', 'card', map {'amount': '-4'}, null"))
    assert broken_rules(dataset) == []


def test_the_connection_is_left_as_it_was(dataset: duckdb.DuckDBPyConnection) -> None:
    dataset.execute("create temp table event_users as select 'mine' as owner")
    tables = "select database_name, schema_name, table_name from duckdb_tables() order by all"
    before = dataset.execute(tables).fetchall()
    find_violations(dataset, contract_rules())
    assert dataset.execute(tables).fetchall() == before
    assert dataset.execute("from event_users").fetchall() == [("mine",)]


def test_views_are_read_in_the_connections_time_zone(dataset: duckdb.DuckDBPyConnection) -> None:
    dataset.execute("set TimeZone = 'Asia/Tokyo'")
    dataset.execute("alter table contract.events rename to raw_events")
    dataset.execute("""
        create view contract.events as
        select * replace (('2024-01-05 00:00:00+00'::timestamptz)::timestamp as ts, '' as source)
        from contract.raw_events
    """)
    examples = {rule: example for rule, _, example in broken_rules(dataset)}
    assert "ts 2024-01-05 09:00:00" in examples["events_source_blank"]
