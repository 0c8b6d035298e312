"""`pragma validate` looks at all rows, also where a warehouse was built before."""

from __future__ import annotations

import duckdb
from books import Event
from workplace import EVENTS, LABELS, PROFILES, Workplace

from pragma_sql.build import validate

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
