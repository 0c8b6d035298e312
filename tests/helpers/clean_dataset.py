"""A tiny dataset in schema `contract` that breaks no rule, and SQL that adds a row to it."""

from __future__ import annotations

CLEAN_DATASET = """
    create schema contract;

    create table contract.events (
        user_id varchar, ts timestamp, source varchar, fields map(varchar, varchar),
        event_id varchar
    );
    insert into contract.events values
        ('ann', '2024-01-05 09:00', 'card', map {'amount': '12.50', 'shop': 'bakery'}, 'e1'),
        ('ann', '2024-01-05 09:00', 'card', map {'amount': '12.50', 'shop': 'bakery'}, 'e2'),
        ('ann', '2024-03-01 18:30', 'app', map {}, null),
        ('ann', '2024-03-01 18:30', 'app', map {'page': 'home'}, null),
        ('bob', '2024-02-10 12:00', 'card', map {'amount': '-3'}, 'e1');

    create table contract.profiles (
        user_id varchar, as_of timestamp, attributes map(varchar, varchar),
        lifelong struct(key varchar, ts timestamp)[]
    );
    insert into contract.profiles values
        ('ann', '2024-01-01', map {'plan': 'free'}, [{'key': 'first_top_up', 'ts': '2023-12-24'}]),
        ('ann', '2024-02-01', map {'plan': 'gold'}, []),
        ('bob', '2024-01-01', null, null);

    create table contract.labels (
        task varchar, user_id varchar, eval_ts timestamp, label double, split varchar
    );
    insert into contract.labels values
        ('churn', 'ann', '2024-02-01', 0, 'test'), ('churn', 'bob', '2024-02-15', 1, null),
        ('fraud', 'ann', '2024-02-01', 0, null);

    create table contract.transfers (
        from_user varchar, to_user varchar, ts timestamp, amount double
    );
    insert into contract.transfers values ('ann', 'bob', '2024-02-01', 20);
"""


def events(values: str) -> str:
    """One more event: user_id, ts, source, fields, event_id."""
    return f"insert into contract.events values ({values});"


def profiles(values: str) -> str:
    """One more profile: user_id, as_of, attributes, lifelong."""
    return f"insert into contract.profiles values ({values});"


def labels(values: str) -> str:
    """One more label: task, user_id, eval_ts, label."""
    return f"insert into contract.labels values ({values}, null);"


def transfers(values: str) -> str:
    """One more transfer: from_user, to_user, ts, amount."""
    return f"insert into contract.transfers values ({values});"
