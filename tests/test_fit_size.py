"""A key with a million distinct values: bounded memory, a bounded corpus."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import datasets
import duckdb
import pytest

from pragma_sql.formats.paths import Home

ROWS = 1_000_000

MANY = f"""
select
    'user ' || (i % 1000) as user_id,
    make_timestamp(1700000000000000 + i) as ts,
    'card' as source,
    i::varchar as event_id,
    map {{'reference': md5(i::varchar), 'terminal': (100000 + i % 900000)::varchar}} as fields
from range({ROWS}) as numbers(i)
"""

BUILD = """
import resource, sys
from pathlib import Path
from pragma_sql.datasets.dataset import dataset_vars
from pragma_sql.warehouse.build import build
from pragma_sql.formats.paths import Home
home, dataset = map(Path, sys.argv[1:])
variables = {**dataset_vars(dataset, []), "fit_users": "all", "text_sample": 5000}
build(Home.of(home), variables, select=["+tokenizer"])
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)
"""


@pytest.mark.slow
def test_a_million_distinct_strings_fit_into_little_memory(tmp_path: Path) -> None:
    dataset = datasets.write_dataset(
        tmp_path / "dataset",
        [datasets.Event("user", "2024-01-01")],
        [datasets.Profile("user", "2024-01-01")],
    )
    (dataset / "labels.parquet").unlink()
    duckdb.sql(MANY).write_parquet(str(dataset / "events.parquet"))
    home = Home.of(tmp_path / "home")

    ran = subprocess.run(
        [sys.executable, "-c", BUILD, str(home.root), str(dataset)],
        env={"PRAGMA_MEMORY_LIMIT": "500MB", "PYTHONPATH": ":".join(sys.path)},
        capture_output=True,
        text=True,
        check=False,
    )

    assert ran.returncode == 0, ran.stderr[-2000:]
    assert int(ran.stdout.split()[-1]) < 1_500
    with duckdb.connect(str(home.warehouse), read_only=True) as con:
        kinds = dict(con.execute("select key, kind from fit.fields").fetchall())
        assert (kinds["reference"], kinds["terminal"]) == ("text", "text")
        assert con.execute("select count(*) from fit.bpe_texts").fetchall() == [(5_000,)]
        assert con.execute("select vocabulary_size <= 28000 from fit.tokenizer").fetchall() == [
            (True,)
        ]
