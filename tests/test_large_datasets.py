"""Datasets that are large in one direction; slow, run by `make test-slow`."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import duckdb
import pytest

pytestmark = pytest.mark.slow


def test_a_user_with_five_million_events_fits_into_a_small_memory(tmp_path: Path) -> None:
    dataset = tmp_path / "dataset"
    dataset.mkdir()
    with duckdb.connect() as con:
        con.execute(
            f"""
            copy (
                select
                    'one user' as user_id,
                    timestamp '2020-01-01' + to_seconds(i) as ts,
                    'card' as source,
                    map {{
                        'amount': (hash(i) % 100000 / 100)::varchar,
                        'shop': 'shop ' || hash(i, 1) % 5000
                    }} as fields,
                    i::varchar as event_id
                from range(5000000) as t(i)
            ) to '{dataset}/events.parquet'
            """
        )
        con.execute(
            f"""
            copy (
                select
                    'one user' as user_id, timestamp '2020-01-01' as as_of,
                    map {{'region': 'north'}} as attributes
            ) to '{dataset}/profiles.parquet'
            """
        )
    command = [sys.executable, "-m", "pragma_sql", "build", "--home", str(tmp_path / "home")]
    command += ["--contract", str(dataset), "--select", "+tokens", "--var", "fit_users=all"]
    subprocess.run(command, check=True, env={**os.environ, "PRAGMA_MEMORY_LIMIT": "500MB"})
    with duckdb.connect(str(tmp_path / "home" / "pragma.duckdb"), read_only=True) as con:
        count = con.execute("select count(*) from tokens.event_tokens").fetchall()
    assert count == [(5_000_000,)]
