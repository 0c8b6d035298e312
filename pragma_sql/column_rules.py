"""Rules that columns of one kind share: who, when, and maps of texts."""

from __future__ import annotations

from collections.abc import Sequence

from pragma_sql.limits import Limits
from pragma_sql.scans import Rule, Scan, is_blank, quoted


def blank(scan: Scan, column: str, fix: str) -> Rule:
    """A text that every row has."""
    return Rule(
        name=f"{scan.relation}_{column}_blank",
        scan=scan,
        column=column,
        condition=is_blank(column),
        problem="are null or blank",
        fix=fix,
    )


def moment(scan: Scan, column: str, limits: Limits) -> tuple[Rule, Rule]:
    """A moment that every row has, and that lies within the limits."""
    null = Rule(
        name=f"{scan.relation}_{column}_null",
        scan=scan,
        column=column,
        condition=f"{column} is null",
        problem="are null",
        fix="give the row its moment, or drop it",
    )
    outside = Rule(
        name=f"{scan.relation}_{column}_outside",
        scan=scan,
        column=column,
        condition=limits.outside(column),
        problem=f"lie outside {limits}",
        fix="mend the clock or its unit (seconds, milliseconds), or drop the row",
    )
    return null, outside


def texts(scan: Scan, column: str, limits: Limits, known_keys: Sequence[str]) -> tuple[Rule, ...]:
    """A map of texts; its keys are held against `known_keys` when there are any."""
    long = f"list_filter(map_keys({column}), lambda key: {limits.long(f'{column}[key]')})"
    rules = (
        Rule(
            name=f"{scan.relation}_{column}_key_empty",
            scan=scan,
            column=column,
            condition=f"list_contains(map_keys({column}), '')",
            problem="hold a value without a name: its key is empty",
            fix="name the field, or leave it out",
            also_shows={column: column},
        ),
        Rule(
            name=f"{scan.relation}_{column}_value_null",
            scan=scan,
            column=column,
            condition=f"list_position(map_values({column}), null) > 0",
            problem="hold a key whose value is null; it gives no token",
            fix="nothing, if null means not known; else fill it",
            severity="warn",
            also_shows={column: column},
        ),
        Rule(
            name=f"{scan.relation}_{column}_value_long",
            scan=scan,
            column=column,
            condition=f"len(list_filter(map_values({column}), "
            f"lambda text: {limits.long('text')})) > 0",
            problem=f"hold a value longer than {limits.value_bytes:,} bytes",
            fix="nothing, if such texts are meant; only their first tokens are read",
            severity="warn",
            also_shows={"long": long},
        ),
    )
    return (*rules, _unknown_key(scan, column, known_keys)) if known_keys else rules


def _unknown_key(scan: Scan, column: str, known_keys: Sequence[str]) -> Rule:
    # A cast looks each key up in a hash table, however many are known.
    known = f"enum({', '.join(quoted(key) for key in sorted(set(known_keys)))})"
    unknown = f"list_filter(map_keys({column}), lambda key: try_cast(key as {known}) is null)"
    return Rule(
        name=f"{scan.relation}_{column}_key_unknown",
        scan=scan,
        column=column,
        condition=f"list_position(try_cast(map_keys({column}) as {known}[]), null) > 0",
        problem="hold a key that the fit does not know; it gives no token",
        fix="nothing, if the key is not needed; else fit anew, with a `fit_until` after its first "
        "use: `pragma build --refit`",
        severity="warn",
        also_shows={"unknown": unknown},
    )
