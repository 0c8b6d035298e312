"""A dataset of any size, made by SQL: six fields an event, four sources, 1,000 events a user."""

from __future__ import annotations

import shutil
from pathlib import Path

import duckdb

EVENTS_PER_USER = 1_000
EVENTS_PER_FILE = 5_000_000
DAYS = 730
FIRST_DAY = "2023-01-01"


def write_made_dataset(folder: Path, events: int) -> None:
    """Write a contract folder: `events/part-*.parquet`, in no order, and `profiles.parquet`."""
    (folder / "events").mkdir(parents=True)
    users = max(1, events // EVENTS_PER_USER)
    for part, start in enumerate(range(0, events, EVENTS_PER_FILE)):
        stop = min(events, start + EVENTS_PER_FILE)
        moment = f"date '{FIRST_DAY}' + to_seconds((hash(i, 1) % {DAYS * 86_400})::bigint)"
        _write_events(folder / "events" / f"part-{part:04d}.parquet", start, stop, users, moment)
    _copy(
        folder / "profiles.parquet",
        f"""
        select
            printf('user %08d', i) as user_id,
            date '{FIRST_DAY}'::timestamp as as_of,
            map {{
                'region': 'region ' || hash(i) % 12,
                'age': (18 + hash(i, 1) % 70)::varchar
            }} as attributes,
            [{{
                'key': 'first_login',
                'ts': date '{FIRST_DAY}' + to_days((hash(i, 2) % {DAYS})::integer)
            }}] as lifelong
        from range({users}) as t(i)
        """,  # noqa: S608 - our own text
    )


def add_a_day(folder: Path, events_before: int, events: int) -> None:
    """Add the file of the day after the dataset's last, with events of as many users."""
    users = max(1, events_before // EVENTS_PER_USER)
    moment = f"date '{FIRST_DAY}' + to_days({DAYS}) + to_seconds((hash(i, 1) % 86400)::bigint)"
    path = folder / "events" / "part-9999.parquet"
    _write_events(path, events_before, events_before + events, users, moment)


def rewrite(folder: Path) -> None:
    """Put copies of the same content in the place of all event files, as a nightly export does."""
    for path in sorted((folder / "events").glob("*.parquet")):
        copy = path.with_suffix(".copy")
        shutil.copy(path, copy)
        copy.replace(path)


def _write_events(path: Path, start: int, stop: int, users: int, moment: str) -> None:
    _copy(
        path,
        f"""
        select
            printf('user %08d', hash(i) % {users}) as user_id,
            ({moment})::timestamp as ts,
            ['card', 'card', 'transfer', 'app'][1 + (hash(i, 2) % 4)::integer] as source,
            map {{
                'amount': ((hash(i, 3) % 1000000) / 100)::varchar,
                'merchant': 'SHOP ' || hash(i, 4) % 20000,
                'category': 'category ' || hash(i, 5) % 40,
                'currency': ['GBP', 'EUR', 'USD'][1 + (hash(i, 6) % 3)::integer],
                'channel': 'channel ' || hash(i, 7) % 8,
                'mcc': (4000 + hash(i, 8) % 300)::varchar
            }} as fields,
            printf('%012d', i) as event_id
        from range({start}, {stop}) as t(i)
        """,  # noqa: S608 - our own text
    )


def _copy(path: Path, query: str) -> None:
    with duckdb.connect() as con:
        con.execute("set memory_limit = '1GB'; set preserve_insertion_order = false")
        con.execute(f"copy ({query}) to '{path}' (format parquet)")
