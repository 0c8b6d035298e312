"""`pragma validate` looks at all rows, also where a warehouse was built before."""

from __future__ import annotations

import duckdb
import pytest
from datasets import Event
from workplace import EVENTS, LABELS, PROFILES, Workplace

from pragma_sql.formats.errors import PragmaError
from pragma_sql.formats.paths import Home
from pragma_sql.warehouse.build import validate

ODD = Event("user 03", "2024-02-02", {"amount": None, "mcc": "5411"}, event_id="odd")
LATE = Event("user 03", "2024-02-03", {"amount": "7.5", "mcc": "5411"}, event_id="late")

Found = dict[str, tuple[int, int]]


def validated(place: Workplace) -> Found:
    """Rule -> rows that break it, and all rows."""
    checks = validate(place.home, place.variables()).to_pylist()
    return {row["rule"]: (row["rows"], row["total"]) for row in checks}


def checked(place: Workplace) -> Found:
    """The same, as the last build left it."""
    query = "select rule, rows, total from contract.checks"
    with duckdb.connect(str(place.home.warehouse), read_only=True) as con:
        return {rule: (rows, total) for rule, rows, total in con.execute(query).fetchall()}


def test_validate_checks_all_rows_and_a_build_what_is_new(workplace: Workplace) -> None:
    null, events = "events_fields_value_null", [*EVENTS, ODD]
    workplace.write(events)
    workplace.build("+event_tokens")
    assert validated(workplace)[null] == (1, len(events))
    workplace.write([*events, LATE])
    found = validated(workplace)
    assert found[null] == (1, len(events) + 1)
    assert found["events_missing"] == (0, len(events) + 1)
    assert found["profiles_user_id_blank"] == (0, len(PROFILES))
    assert found["labels_user_unknown"] == (0, len(LABELS))
    workplace.build("+event_tokens")
    assert checked(workplace)[null] == (0, 1)


def event_tokens(home: Home) -> list[tuple[object, ...]]:
    with duckdb.connect(str(home.warehouse), read_only=True) as con:
        return con.execute("from tokens.event_tokens order by all").fetchall()


@pytest.mark.slow
def test_tokens_that_a_hand_wrote_are_found_by_validate_and_made_again_by_the_next_build(
    workplace: Workplace,
) -> None:
    workplace.write([*EVENTS, ODD])
    home = workplace.build("+event_tokens")
    tokens = event_tokens(home)
    with duckdb.connect(str(home.warehouse)) as con:
        con.execute(
            "update tokens.event_tokens set value_ids = list_reverse(value_ids)"
            " where event_id = 'odd'"
        )
    workplace.write([*EVENTS, ODD, LATE])
    validate(home, workplace.variables(tokens_checked=0))
    with pytest.raises(PragmaError) as found:
        validate(home, workplace.variables())
    assert found.value.what.splitlines()[0] == (
        "rows of tokens.event_tokens are not what contract.events says"
    )
    (said,) = found.value.what.splitlines()[1:]
    assert said.startswith("2024-02-02 (users of bucket ")
    assert said.endswith("): 1, for example user 03 at 2024-02-02 00:00:00")
    assert found.value.next_step.startswith("pragma build, which makes those days again; ")
    workplace.write([*EVENTS, ODD])
    workplace.build("+event_tokens")
    assert event_tokens(home) == tokens
    validate(home, workplace.variables())
