"""The rules of the contract as data: what a relation must not hold, and how to fix it."""

from __future__ import annotations

from collections.abc import Sequence

from pragma_sql.checks.limits import Limits
from pragma_sql.checks.rule import (
    EVENT_COUNT,
    EVENTS,
    IDENTIFIED_EVENTS,
    LABEL_MOMENTS,
    LABEL_SPLITS,
    LABELS,
    OTHER_EVENTS,
    PROFILE_MOMENTS,
    PROFILES,
    TRANSFERS,
    Rule,
    Scan,
    is_blank,
    sql_literal,
)


def blank(scan: Scan, column: str, fix: str) -> Rule:
    """The rule that every row has a text in this column."""
    return Rule(
        name=f"{scan.relation}_{column}_blank",
        scan=scan,
        column=column,
        condition=is_blank(column),
        problem="are null or blank",
        fix=fix,
    )


def moment(scan: Scan, column: str, limits: Limits) -> tuple[Rule, Rule]:
    """The rules that every row has a moment in this column, and that it is within the limits."""
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
        fix="correct the clock or its unit (seconds, milliseconds), or drop the row",
    )
    return null, outside


def texts(scan: Scan, column: str, limits: Limits, known_keys: Sequence[str]) -> tuple[Rule, ...]:
    """The rules of a map of texts; its keys are compared with `known_keys` if there are any."""
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
    # A cast to an enum looks each key up in a hash table, however many keys are known.
    known = f"enum({', '.join(sql_literal(key) for key in sorted(set(known_keys)))})"
    unknown = f"list_filter(map_keys({column}), lambda key: try_cast(key as {known}) is null)"
    return Rule(
        name=f"{scan.relation}_{column}_key_unknown",
        scan=scan,
        column=column,
        condition=f"list_position(try_cast(map_keys({column}) as {known}[]), null) > 0",
        problem="hold a key that the fit does not know; it gives no token",
        fix="nothing, if the key is not needed; else fit again, with a `fit_until` after its first "
        "use: `pragma build --refit`",
        severity="warn",
        also_shows={"unknown": unknown},
    )


def contract_rules(
    limits: Limits | None = None, known_keys: Sequence[str] = ()
) -> tuple[Rule, ...]:
    """All rules, in the order in which they are reported.

    Args:
        limits: the moments and lengths that are allowed.
        known_keys: the keys of the frozen fit; if empty, keys are not checked.
    """
    limits = limits or Limits()
    return (
        *_event_rules(limits, known_keys),
        *_profile_rules(limits, known_keys),
        *_milestone_rules(limits),
        *_label_rules(limits),
        *_transfer_rules(limits),
    )


def _event_rules(limits: Limits, known_keys: Sequence[str]) -> tuple[Rule, ...]:
    redelivered = (
        "nothing, if events are delivered more than once: tokens take each once; "
        "else give events that did happen twice ids of their own"
    )
    return (
        Rule(
            name="events_missing",
            scan=EVENT_COUNT,
            column="",
            condition="events = 0",
            problem="are missing: there are none at all",
            fix="give the dataset a source with events in it",
        ),
        blank(EVENTS, "user_id", "say whose event it is, or drop the row"),
        *moment(EVENTS, "ts", limits),
        blank(EVENTS, "source", "name the stream that the event came from"),
        Rule(
            name="events_fields_null",
            scan=EVENTS,
            column="fields",
            condition="fields is null",
            problem="are null",
            fix="give an event without fields an empty map",
        ),
        *texts(EVENTS, "fields", limits, known_keys),
        Rule(
            name="events_event_id_repeated",
            scan=IDENTIFIED_EVENTS,
            column="event_id",
            condition="copy > 1",
            problem="repeat an event that the user has at that moment already",
            fix=redelivered,
            severity="warn",
        ),
        Rule(
            name="events_repeated",
            scan=OTHER_EVENTS,
            column="",
            condition="copy > 1",
            problem="have no event_id and repeat another in all columns",
            fix=redelivered,
            severity="warn",
        ),
    )


def _profile_rules(limits: Limits, known_keys: Sequence[str]) -> tuple[Rule, ...]:
    return (
        blank(PROFILES, "user_id", "say whose profile it is, or drop the row"),
        *moment(PROFILES, "as_of", limits),
        *texts(PROFILES, "attributes", limits, known_keys),
        Rule(
            name="profiles_repeated",
            scan=PROFILE_MOMENTS,
            column="as_of",
            condition="copy > 1",
            problem="tell of a moment of which a profile that was delivered later tells too",
            fix="keep one profile a user and moment (in mapping.yml, `latest: COLUMN`); set aside, "
            "all but the last delivered, by file name and then by row, are left out",
        ),
        Rule(
            name="profiles_without_events",
            scan=PROFILES,
            column="user_id",
            condition=f"without_events and not {is_blank('user_id')}",
            problem="belong to users without events, of whom the profile alone is known",
            fix="nothing, if such users are expected: their vectors are made of attributes alone; "
            "else look for a mismatch of user ids",
            severity="warn",
        ),
    )


def _milestone_rules(limits: Limits) -> tuple[Rule, ...]:
    def some(condition: str) -> str:
        return f"len(list_filter(lifelong, lambda milestone: {condition})) > 0"

    shown = {"lifelong": "lifelong"}
    return (
        Rule(
            name="profiles_milestone_unnamed",
            scan=PROFILES,
            column="lifelong",
            condition=some(is_blank("milestone.key")),
            problem="hold a milestone whose key is null or blank",
            fix="name the milestone, or leave it out",
            also_shows=shown,
        ),
        Rule(
            name="profiles_milestone_ts_null",
            scan=PROFILES,
            column="lifelong",
            condition=some("milestone.ts is null"),
            problem="hold a milestone whose ts is null",
            fix="leave out milestones that have not happened",
            also_shows=shown,
        ),
        Rule(
            name="profiles_milestone_ts_outside",
            scan=PROFILES,
            column="lifelong",
            condition=some(limits.outside("milestone.ts")),
            problem=f"hold a milestone whose ts lies outside {limits}",
            fix="correct the clock or its unit, or leave the milestone out",
            also_shows=shown,
        ),
    )


def _label_rules(limits: Limits) -> tuple[Rule, ...]:
    possible = f"not ({limits.outside('eval_ts')})"
    return (
        blank(LABELS, "task", "name the task"),
        blank(LABELS, "user_id", "say whose label it is, or drop the row"),
        Rule(
            name="labels_user_unknown",
            scan=LABELS,
            column="user_id",
            condition=f"without_events and not {is_blank('user_id')}",
            problem="belong to users without events",
            fix="look for a mismatch of user ids, or drop labels of users without a history",
        ),
        *moment(LABELS, "eval_ts", limits),
        Rule(
            name="labels_before_events",
            scan=LABELS,
            column="eval_ts",
            condition=f"eval_ts < first_ts and {possible}",
            problem="are asked before the first event of the dataset",
            fix="ask when there is a history to answer from, or add the older events",
        ),
        Rule(
            name="labels_after_events",
            scan=LABELS,
            column="eval_ts",
            condition=f"eval_ts > last_ts and {possible}",
            problem="are asked after the last event of the dataset",
            fix="nothing, if the history ends shortly before; else add the newer events",
            severity="warn",
        ),
        Rule(
            name="labels_label_not_finite",
            scan=LABELS,
            column="label",
            condition="label is null or not isfinite(label)",
            problem="are null, NaN or infinite",
            fix="drop rows whose outcome is not known",
        ),
        Rule(
            name="labels_split_unknown",
            scan=LABEL_SPLITS,
            column="split",
            condition="split not in ('train', 'validation', 'test')",
            problem="are none of train, validation and test",
            fix="name the split so, or leave the column out: a hash of the user decides then",
        ),
        Rule(
            name="labels_repeated",
            scan=LABEL_MOMENTS,
            column="eval_ts",
            condition="copy > 1",
            problem="repeat a task, user and moment",
            fix="keep one label a task, user and moment",
        ),
    )


def _transfer_rules(limits: Limits) -> tuple[Rule, ...]:
    return (
        blank(TRANSFERS, "from_user", "say who paid, or drop the row"),
        blank(TRANSFERS, "to_user", "say who was paid, or drop the row"),
        *moment(TRANSFERS, "ts", limits),
        Rule(
            name="transfers_amount_not_positive",
            scan=TRANSFERS,
            column="amount",
            condition="amount is null or not isfinite(amount) or amount <= 0",
            problem="are null, not finite or not above zero",
            fix="turn a negative transfer round, and drop those without an amount",
        ),
        Rule(
            name="transfers_user_unknown",
            scan=TRANSFERS,
            column="",
            condition=f"(from_stranger and not {is_blank('from_user')}) "
            f"or (to_stranger and not {is_blank('to_user')})",
            problem="name a user without events",
            fix="nothing, if partners outside the dataset are expected; else look for a mismatch "
            "of user ids",
            severity="warn",
        ),
    )
