"""Files that nobody wrote to are not read again; whatever is not certain is."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import duckdb
import pyarrow.parquet as pq
import pytest
from own_tables import write_table
from test_corrections import counts, write_parts
from workplace import EVENTS, PROFILES, Workplace

from pragma_sql.formats.paths import Home
from pragma_sql.warehouse import source_files

ROWS = "select i::varchar as user_id, timestamp '2024-01-01' as ts, i as n from range(9) t(i)"


@pytest.fixture
def con(tmp_path: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    write_table(tmp_path / "a.parquet", ROWS)
    write_table(tmp_path / "b.csv", ROWS)
    with duckdb.connect(str(tmp_path / "w.duckdb")) as con:
        con.execute("create schema contract; create table contract.t as select 1 as n")
        yield con


CERTAIN = {
    "a file": "select * from read_parquet('{folder}/a.parquet')",
    "a pattern": "select * from read_parquet('{folder}/*.parquet', union_by_name = true)",
    "a list": "select * from read_parquet(['{folder}/a.parquet'])",
    "a csv": "select * from read_csv('{folder}/b.csv', all_varchar = true, header = true)",
    "steps": "with a as (select user_id::varchar as u, n from read_parquet('{folder}/a.parquet')),"
    " b as (select u, row_number() over (partition by md5(u)) as k, case when n > 1 then"
    " list_transform([n], lambda x: x + 1) end as l from a) select *, u in ('a', 'b') as m"
    " from b union all by name select u, struct_pack(k := 1) as s from a",
}
UNCERTAIN = {
    "a table": "select * from contract.t",
    "a table beside a file": "select n from contract.t union all"
    " select n from read_parquet('{folder}/a.parquet')",
    "a file beside what changes": "select *, random() as r from read_parquet('{folder}/a.parquet')",
    "today": "select *, current_date as r from read_parquet('{folder}/a.parquet')",
    "now": "select *, now() as r from read_parquet('{folder}/a.parquet')",
    "a setting": "select *, getvariable('x') as r from read_parquet('{folder}/a.parquet')",
    "some rows": "select * from read_parquet('{folder}/a.parquet') limit 3",
    "a sample": "select * from read_parquet('{folder}/a.parquet') using sample 3 rows",
    "a function of the user's": "select own(n) as m from read_parquet('{folder}/a.parquet')",
    "another reader": "select * from glob('{folder}/*')",
    "a name alone": "select * from '{folder}/a.parquet'",
    "numbers": "select * from range(3)",
}


@pytest.mark.parametrize("query", CERTAIN.values(), ids=CERTAIN)
def test_files_that_a_view_reads_are_found(
    query: str, con: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    con.execute(f"create view contract.inner_view as {query.format(folder=tmp_path)}")
    con.execute("create view contract.v as with x as (from contract.inner_view) from x")
    found = source_files.source_files(con, "contract.v", by_file=False).to_pylist()
    name = "b.csv" if "b.csv" in query else "a.parquet"
    assert [row["path"] for row in found] == [str(tmp_path / name)]
    assert found[0]["inode"] == os.stat(tmp_path / name).st_ino


@pytest.mark.parametrize("query", UNCERTAIN.values(), ids=UNCERTAIN)
def test_where_anything_is_not_certain_nothing_is_said(
    query: str, con: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    con.execute("create macro own(x) as x + 1")
    con.execute(f"create view contract.v as {query.format(folder=tmp_path)}")
    assert source_files.source_files(con, "contract.v", by_file=False).num_rows == 0


@pytest.fixture
def settled(monkeypatch: pytest.MonkeyPatch) -> None:
    """Trust times that are of a moment ago, as a test has no two seconds to wait."""
    monkeypatch.setattr(source_files, "SETTLED_NS", -1)


PARTS = [list(EVENTS[part::3]) for part in range(3)]


@pytest.fixture(scope="module")
def first(place: Workplace, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A first build of a dataset in three files, remembered."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(source_files, "SETTLED_NS", -1)
        place.clear()
        write_parts(place, PARTS, PROFILES)
        place.build("+event_tokens")
    return place.keep(tmp_path_factory.mktemp("files") / "first")


def remembered(home: Home) -> list[tuple[object, ...]]:
    with duckdb.connect(str(home.warehouse), read_only=True) as con:
        return con.execute(
            "select split_part(read_as, '/', -1), sum(events)::integer, min(checksum)"
            " from contract.file_partitions group by all order by all"
        ).fetchall()


def event_tokens(home: Home) -> list[tuple[object, ...]]:
    with duckdb.connect(str(home.warehouse), read_only=True) as con:
        return con.execute("from tokens.event_tokens order by all").fetchall()


def spoil_memory(home: Home) -> None:
    with duckdb.connect(str(home.warehouse)) as con:
        con.execute("update contract.file_partitions set checksum = 0")


def test_only_files_that_are_not_known_are_read(
    place: Workplace, first: Path, settled: None
) -> None:
    place.restore(first)
    write_parts(place, PARTS, PROFILES)
    home = place.build("+event_tokens")  # the first build of these files
    spoil_memory(home)
    late = replace(EVENTS[0], event_id="late", day="2024-03-03 10:00")
    events = place.dataset / "events"
    shutil.copy(events / "1.parquet", events / "9.parquet")
    (events / "1.parquet").unlink()
    place.build("source_files", "file_partitions")
    sums = {name: (events, checksum) for name, events, checksum in remembered(home)}
    events_of_new, checksum_of_new = sums.pop("9.parquet")
    assert events_of_new == len(PARTS[1])
    assert checksum_of_new != 0
    assert sums == {"0.parquet": (len(PARTS[0]), 0), "2.parquet": (len(PARTS[2]), 0)}
    write_parts(place, [*PARTS, [late]], PROFILES)
    place.build("+event_tokens")
    assert counts(home) == (len(EVENTS) + 1, len(EVENTS) + 1)


def test_a_file_rewritten_in_place_with_its_old_time_is_read(
    place: Workplace, first: Path, settled: None
) -> None:
    home = place.restore(first)
    write_parts(place, PARTS, PROFILES)
    path = place.dataset / "events" / "0.parquet"
    pq.write_table(pq.read_table(path), path, compression="none", use_dictionary=False)
    place.build("+event_tokens")
    before, status, content = event_tokens(home), os.stat(path), path.read_bytes()
    amounts = [str(event.fields["amount"]) for event in PARTS[0] if event.fields]
    amount = next(one for one in amounts if len(one) > 4 and content.count(one.encode()) == 1)
    with path.open("r+b") as file:
        file.seek(content.index(amount.encode()))
        file.write(b"7" * len(amount))
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    after = os.stat(path)
    assert (after.st_size, after.st_ino, after.st_mtime_ns) == (
        status.st_size,
        status.st_ino,
        status.st_mtime_ns,
    )
    place.build("+event_tokens")
    assert event_tokens(home) != before
    assert counts(home) == (len(EVENTS), len(EVENTS))
