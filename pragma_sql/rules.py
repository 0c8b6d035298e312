"""The rules of the contract, as data: what may not be in a relation, and what to do when it is."""

from __future__ import annotations

from pragma_sql.scans import (
    EVENT_COUNT,
    EVENTS,
    LABELS,
    PROFILES,
    TRANSFERS,
    Limits,
    Rule,
    Scan,
    is_blank,
    repeats,
)


def contract_rules(limits: Limits | None = None) -> tuple[Rule, ...]:
    """All rules, in the order in which they are reported."""
    limits = limits or Limits()
    return (
        *_event_rules(limits),
        *_profile_rules(limits),
        *_milestone_rules(limits),
        *_label_rules(limits),
        *_transfer_rules(limits),
    )


def _event_rules(limits: Limits) -> tuple[Rule, ...]:
    return (
        Rule(
            name="events_missing",
            scan=EVENT_COUNT,
            column="",
            condition="events = 0",
            problem="are missing: there are none at all",
            fix="give the book a source with events in it",
        ),
        _blank(EVENTS, "user_id", "say whose event it is, or drop the row"),
        *_moment(EVENTS, "ts", limits),
        _blank(EVENTS, "source", "name the stream that the event came from"),
        Rule(
            name="events_fields_null",
            scan=EVENTS,
            column="fields",
            condition="fields is null",
            problem="are null",
            fix="give an event without fields an empty map",
        ),
        _empty_key(EVENTS, "fields"),
        _long_value(EVENTS, "fields", limits),
        Rule(
            name="events_event_id_repeated",
            scan=repeats("events", "user_id", "ts", "event_id"),
            column="event_id",
            condition="copy > 1",
            problem="repeat an event that the user has at that moment already",
            fix="keep one copy of an event that was delivered twice, or give equal events ids of "
            "their own",
        ),
    )


def _profile_rules(limits: Limits) -> tuple[Rule, ...]:
    return (
        _blank(PROFILES, "user_id", "say whose profile it is, or drop the row"),
        *_moment(PROFILES, "as_of", limits),
        _empty_key(PROFILES, "attributes"),
        _long_value(PROFILES, "attributes", limits),
        Rule(
            name="profiles_repeated",
            scan=repeats("profiles", "user_id", "as_of"),
            column="as_of",
            condition="copy > 1",
            problem="repeat a moment that the user has a profile for already",
            fix="keep one profile a user and moment",
        ),
        Rule(
            name="profiles_without_events",
            scan=PROFILES,
            column="user_id",
            condition=f"without_events and not {is_blank('user_id')}",
            problem="belong to users without events, who get no tokens",
            fix="nothing, if such users are expected; else look for a mismatch of user ids",
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
            fix="mend the clock or its unit, or leave the milestone out",
            also_shows=shown,
        ),
    )


def _label_rules(limits: Limits) -> tuple[Rule, ...]:
    possible = f"not ({limits.outside('eval_ts')})"
    return (
        _blank(LABELS, "task", "name the task"),
        _blank(LABELS, "user_id", "say whose label it is, or drop the row"),
        Rule(
            name="labels_user_unknown",
            scan=LABELS,
            column="user_id",
            condition=f"without_events and not {is_blank('user_id')}",
            problem="belong to users without events",
            fix="look for a mismatch of user ids, or drop labels of users without a history",
        ),
        *_moment(LABELS, "eval_ts", limits),
        Rule(
            name="labels_before_events",
            scan=LABELS,
            column="eval_ts",
            condition=f"eval_ts < first_ts and {possible}",
            problem="are asked before the first event of the book",
            fix="ask when there is a history to answer from, or add the older events",
        ),
        Rule(
            name="labels_after_events",
            scan=LABELS,
            column="eval_ts",
            condition=f"eval_ts > last_ts and {possible}",
            problem="are asked after the last event of the book",
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
            name="labels_repeated",
            scan=repeats("labels", "task", "user_id", "eval_ts"),
            column="eval_ts",
            condition="copy > 1",
            problem="repeat a task, user and moment",
            fix="keep one label a task, user and moment",
        ),
    )


def _transfer_rules(limits: Limits) -> tuple[Rule, ...]:
    return (
        _blank(TRANSFERS, "from_user", "say who paid, or drop the row"),
        _blank(TRANSFERS, "to_user", "say who was paid, or drop the row"),
        *_moment(TRANSFERS, "ts", limits),
        Rule(
            name="transfers_amount_not_positive",
            scan=TRANSFERS,
            column="amount",
            condition="amount is null or not isfinite(amount) or amount <= 0",
            problem="are null, not finite or not above zero",
            fix="turn a negative transfer round, and drop those without an amount",
        ),
    )


def _blank(scan: Scan, column: str, fix: str) -> Rule:
    return Rule(
        name=f"{scan.relation}_{column}_blank",
        scan=scan,
        column=column,
        condition=is_blank(column),
        problem="are null or blank",
        fix=fix,
    )


def _moment(scan: Scan, column: str, limits: Limits) -> tuple[Rule, Rule]:
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


def _empty_key(scan: Scan, column: str) -> Rule:
    return Rule(
        name=f"{scan.relation}_{column}_key_empty",
        scan=scan,
        column=column,
        condition=f"map_contains({column}, '')",
        problem="hold a value without a name: its key is empty",
        fix="name the field, or leave it out",
        also_shows={column: column},
    )


def _long_value(scan: Scan, column: str, limits: Limits) -> Rule:
    long_keys = limits.long_keys(column)
    return Rule(
        name=f"{scan.relation}_{column}_value_long",
        scan=scan,
        column=column,
        condition=f"len({long_keys}) > 0",
        problem=f"hold a value longer than {limits.characters:,} characters",
        fix="nothing, if such texts are meant; only their first tokens are read",
        severity="warn",
        also_shows={"long": long_keys},
    )
