"""One defect a rule of the contract: what spoils the clean dataset, and what is said of it."""

from __future__ import annotations

from dataclasses import dataclass

from clean_dataset import events, labels, profiles, transfers


@dataclass(frozen=True)
class Defect:
    """What is done to the clean dataset, and what the one rule that minds says of it."""

    rule: str
    sql: str
    example: str
    rows: int = 1


DEFECTS = (
    Defect(
        "events_missing",
        "delete from contract.events; delete from contract.labels; delete from contract.profiles; "
        "delete from contract.transfers",
        "",
    ),
    Defect(
        "events_user_id_blank",
        events("null, '2024-01-09', 'card', map {}, 'x'")
        + events("'  ', '2024-01-10', 'card', map {}, 'x'"),
        "user_id blank, ts 2024-01-10 00:00:00, source card",
        rows=2,
    ),
    Defect(
        "events_ts_null",
        events("'ann', null, 'card', map {}, 'x'"),
        "user_id ann, ts null, source card",
    ),
    Defect(
        "events_ts_outside",
        "update contract.events set ts = '9999-01-01' where user_id = 'bob'",
        "user_id bob, ts 9999-01-01 00:00:00, source card",
    ),
    Defect(
        "events_source_blank",
        "update contract.events set source = '' where source = 'app'",
        "user_id ann, ts 2024-03-01 18:30:00, source blank",
        rows=2,
    ),
    Defect(
        "events_fields_null",
        "update contract.events set fields = null where user_id = 'bob'",
        "user_id bob, ts 2024-02-10 12:00:00, source card",
    ),
    Defect(
        "events_fields_key_empty",
        "update contract.events set fields = map {'': '5'} where user_id = 'bob'",
        "user_id bob, ts 2024-02-10 12:00:00, source card, fields {''=5}",
    ),
    Defect(
        "events_fields_value_null",
        "update contract.events set fields = map {'amount': '5', 'shop': null} "
        "where user_id = 'bob'",
        "user_id bob, ts 2024-02-10 12:00:00, source card, fields {amount=5, shop=NULL}",
    ),
    Defect(
        "events_fields_value_long",
        "update contract.events set fields = map {'a': '5', 'memo': repeat('x', 10001)} "
        "where user_id = 'bob'",
        "user_id bob, ts 2024-02-10 12:00:00, source card, long [memo]",
    ),
    Defect(
        "events_event_id_repeated",
        "update contract.events set event_id = 'e1'",
        "user_id ann, ts 2024-01-05 09:00:00, event_id e1",
        rows=2,
    ),
    Defect(
        "events_repeated",
        events("'ann', '2024-03-01 18:30', 'app', map {}, null") * 2,
        "user_id ann, ts 2024-03-01 18:30:00, source app",
        rows=2,
    ),
    Defect(
        "profiles_user_id_blank",
        profiles("null, '2024-01-01', map {}, []"),
        "user_id null, as_of 2024-01-01 00:00:00",
    ),
    Defect("profiles_as_of_null", profiles("'ann', null, map {}, []"), "user_id ann, as_of null"),
    Defect(
        "profiles_as_of_outside",
        profiles("'ann', '1970-01-01', map {}, []"),
        "user_id ann, as_of 1970-01-01 00:00:00",
    ),
    Defect(
        "profiles_attributes_key_empty",
        profiles("'bob', '2024-02-01', map {'': 'gold'}, []"),
        "user_id bob, as_of 2024-02-01 00:00:00, attributes {''=gold}",
    ),
    Defect(
        "profiles_attributes_value_null",
        profiles("'bob', '2024-02-01', map {'plan': null}, []"),
        "user_id bob, as_of 2024-02-01 00:00:00, attributes {plan=NULL}",
    ),
    Defect(
        "profiles_attributes_value_long",
        profiles("'bob', '2024-02-01', map {'note': repeat('x', 10001)}, []"),
        "user_id bob, as_of 2024-02-01 00:00:00, long [note]",
    ),
    Defect(
        "profiles_repeated",
        profiles("'bob', '2024-01-01', map {'plan': 'gold'}, []"),
        "user_id bob, as_of 2024-01-01 00:00:00",
    ),
    Defect(
        "profiles_without_events",
        profiles("'cleo', '2024-01-01', map {}, []"),
        "user_id cleo, as_of 2024-01-01 00:00:00",
    ),
    Defect(
        "profiles_milestone_unnamed",
        profiles("'bob', '2024-02-01', map {}, [{'key': ' ', 'ts': '2024-01-01'}]"),
        "user_id bob, as_of 2024-02-01 00:00:00, "
        "lifelong [{'key': ' ', 'ts': '2024-01-01 00:00:00'}]",
    ),
    Defect(
        "profiles_milestone_ts_null",
        profiles("'bob', '2024-02-01', map {}, [{'key': 'first_loan', 'ts': null}]"),
        "user_id bob, as_of 2024-02-01 00:00:00, lifelong [{'key': first_loan, 'ts': NULL}]",
    ),
    Defect(
        "profiles_milestone_ts_outside",
        profiles("'bob', '2024-02-01', map {}, [{'key': 'first_loan', 'ts': '1970-01-01'}]"),
        "user_id bob, as_of 2024-02-01 00:00:00, "
        "lifelong [{'key': first_loan, 'ts': '1970-01-01 00:00:00'}]",
    ),
    Defect(
        "labels_task_blank",
        labels("'', 'ann', '2024-02-01', 1"),
        "task blank, user_id ann, eval_ts 2024-02-01 00:00:00, label 1.0",
    ),
    Defect(
        "labels_user_id_blank",
        labels("'churn', null, '2024-02-01', 1"),
        "task churn, user_id null, eval_ts 2024-02-01 00:00:00, label 1.0",
    ),
    Defect(
        "labels_user_unknown",
        labels("'churn', 'cleo', '2024-02-01', 1"),
        "task churn, user_id cleo, eval_ts 2024-02-01 00:00:00, label 1.0",
    ),
    Defect(
        "labels_eval_ts_null",
        labels("'churn', 'ann', null, 1"),
        "task churn, user_id ann, eval_ts null, label 1.0",
    ),
    Defect(
        "labels_eval_ts_outside",
        labels("'churn', 'ann', '9999-12-31', 1"),
        "task churn, user_id ann, eval_ts 9999-12-31 00:00:00, label 1.0",
    ),
    Defect(
        "labels_before_events",
        labels("'churn', 'ann', '2024-01-05 08:59', 1"),
        "task churn, user_id ann, eval_ts 2024-01-05 08:59:00, label 1.0",
    ),
    Defect(
        "labels_after_events",
        labels("'churn', 'ann', '2024-03-01 18:31', 1"),
        "task churn, user_id ann, eval_ts 2024-03-01 18:31:00, label 1.0",
    ),
    Defect(
        "labels_label_not_finite",
        "update contract.labels set label = 'nan' where task = 'fraud'; "
        "update contract.labels set label = null where user_id = 'bob'",
        "task churn, user_id bob, eval_ts 2024-02-15 00:00:00, label null",
        rows=2,
    ),
    Defect(
        "labels_split_unknown",
        "update contract.labels set split = 'dev' where task = 'fraud'",
        "task fraud, user_id ann, eval_ts 2024-02-01 00:00:00, split dev",
    ),
    Defect(
        "labels_repeated",
        labels("'churn', 'ann', '2024-02-01', 1"),
        "task churn, user_id ann, eval_ts 2024-02-01 00:00:00",
    ),
    Defect(
        "transfers_from_user_blank",
        transfers("null, 'bob', '2024-02-01', 20"),
        "from_user null, to_user bob, ts 2024-02-01 00:00:00, amount 20.0",
    ),
    Defect(
        "transfers_to_user_blank",
        transfers("'ann', '', '2024-02-01', 20"),
        "from_user ann, to_user blank, ts 2024-02-01 00:00:00, amount 20.0",
    ),
    Defect(
        "transfers_ts_null",
        transfers("'ann', 'bob', null, 20"),
        "from_user ann, to_user bob, ts null, amount 20.0",
    ),
    Defect(
        "transfers_ts_outside",
        transfers("'ann', 'bob', '2100-01-02', 20"),
        "from_user ann, to_user bob, ts 2100-01-02 00:00:00, amount 20.0",
    ),
    Defect(
        "transfers_amount_not_positive",
        "".join(
            transfers(f"'ann', 'bob', '2024-02-01', {amount}")
            for amount in ("0", "-5", "'nan'", "'inf'", "null")
        ),
        "from_user ann, to_user bob, ts 2024-02-01 00:00:00, amount -5.0",
        rows=5,
    ),
    Defect(
        "transfers_user_unknown",
        transfers("'ann', 'cleo', '2024-02-01', 20") + transfers("'dan', 'bob', '2024-02-01', 5"),
        "from_user ann, to_user cleo, ts 2024-02-01 00:00:00, amount 20.0",
        rows=2,
    ),
)

UNKNOWN_KEYS = (
    Defect(
        "events_fields_key_unknown",
        "update contract.events set fields = map {'amount': '5', 'iban': 'x', 'source': 'y'} "
        "where user_id = 'bob'",
        "user_id bob, ts 2024-02-10 12:00:00, source card, unknown [iban, source]",
    ),
    Defect(
        "profiles_attributes_key_unknown",
        profiles("'bob', '2024-02-01', map {'height': '180'}, []"),
        "user_id bob, as_of 2024-02-01 00:00:00, unknown [height]",
    ),
)
"""Defects that show once there is a fit, which knows the keys `amount`, `shop`, `page`, `plan`."""
