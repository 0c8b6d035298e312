"""The SQL functions serve every connection of a process, after a fork too, in bounded memory."""

from __future__ import annotations

import gc
import json
import subprocess
import sys
from pathlib import Path

import duckdb
import pytest

from pragma_sql.formats.paths import Home
from pragma_udfs.functions import register

USER = "select user_id, embed(user_id) from contract.profiles order by all limit 1"


@pytest.fixture
def home(trained: Home) -> Home:
    """The toy warehouse with a model and its SQL functions' macros; read only."""
    return trained


def opened(home: Home) -> duckdb.DuckDBPyConnection:
    con = duckdb.connect(str(home.warehouse), read_only=True)
    register(con)
    return con


def test_two_connections_of_a_process_are_given_the_functions(home: Home) -> None:
    with opened(home) as one, opened(home) as other:
        register(one)
        assert one.execute(USER).fetchall() == other.execute(USER).fetchall()


def test_the_functions_outlive_the_connection_that_was_given_them_first(home: Home) -> None:
    one = opened(home)
    expected = one.execute(USER).fetchall()
    other = opened(home)
    one.close()
    del one
    gc.collect()
    assert other.execute(USER).fetchall() == expected
    other.close()


def test_a_connection_that_was_given_nothing_is_told_what_to_do(home: Home) -> None:
    given = opened(home)
    other = duckdb.connect(str(home.warehouse), read_only=True)
    given.close()
    with pytest.raises(duckdb.Error, match=r"is closed(?s:.*)next: pragma_udfs.functions.register"):
        other.execute(USER)
    other.close()


def test_a_database_that_is_opened_again_is_given_the_functions_again(home: Home) -> None:
    found = []
    for _ in range(3):
        with opened(home) as con:
            found.append(con.execute(USER).fetchall())
    assert found[0] == found[1] == found[2]


FORK = """
import duckdb, os, sys
from pragma_sql.scoring.engines import OnnxEngine
from pragma_udfs.functions import register
OnnxEngine.token_budget = OnnxEngine.history_budget = 32  # many batches, so that threads share them
con = duckdb.connect(sys.argv[1], read_only=True, config={"threads": 1})
register(con)
query = "select sum(embed_at(user_id, $at::timestamp)[1]) from contract.profiles"
con.execute(query, {"at": "2024-01-20"}).fetchall()
child = os.fork()
if child == 0:
    con.execute(query, {"at": "2024-02-20"}).fetchall()
    os._exit(0)
_, status = os.waitpid(child, 0)
sys.exit(os.waitstatus_to_exitcode(status))
"""


def test_a_child_of_a_fork_embeds_many_users_as_its_parent_does(home: Home) -> None:
    ran = subprocess.run(
        [sys.executable, "-c", FORK, str(home.warehouse)],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        env={"PRAGMA_HOME": str(home.root), "PYTHONPATH": ":".join(sys.path)},
    )
    assert ran.returncode == 0, ran.stderr


MEMORY = """
import duckdb, json, re, sys
from pathlib import Path
from pragma_udfs.functions import register
con = duckdb.connect(sys.argv[1], read_only=True, config={"threads": 1, "memory_limit": "500MB"})
register(con)
con.execute("set enable_progress_bar = false")
record = Path(sys.argv[2]).read_text()
con.execute("select embed_records($record)", {"record": record}).fetchall()
peak = lambda: int(re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1]) / 1024
before = peak()
con.execute(
    "select count(embed_records($record || repeat(' ', i::int % 7))) from range($rows) as r(i)",
    {"record": record, "rows": int(sys.argv[3])},
).fetchall()
print(peak() - before)
"""


@pytest.mark.slow
def test_large_records_take_bounded_memory_however_many_are_asked_for(
    home: Home, tmp_path: Path
) -> None:
    event = {"ts": "2024-05-01", "source": "card", "fields": {"mcc": "5411", "shop": "x" * 100}}
    record = tmp_path / "record.json"
    record.write_text(json.dumps({"events": [event] * 1_000}))
    grown = []
    for rows in (96, 384):
        ran = subprocess.run(
            [sys.executable, "-c", MEMORY, str(home.warehouse), str(record), str(rows)],
            capture_output=True,
            text=True,
            check=True,
            env={"PRAGMA_HOME": str(home.root), "PYTHONPATH": ":".join(sys.path)},
        )
        grown.append(float(ran.stdout))
    more_text = (384 - 96) * record.stat().st_size / 2**20
    assert grown[1] - grown[0] < 5 * more_text, grown  # as objects of Python all took 9 times it
