"""Source files are looked at before a build: each defect is named, with the file and a way out."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest

from pragma_sql.datasets.sources import check_source
from pragma_sql.formats.errors import PragmaError

CARDS = {"user_id": "VARCHAR", "ts": "TIMESTAMP", "fields": "MAP(VARCHAR, VARCHAR)"}
CARD = "select 'u1' as user_id, timestamp '2024-01-05' as ts, map {'amount': '5'} as fields"


@pytest.fixture
def con() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as connection:
        yield connection


def written(con: duckdb.DuckDBPyConnection, path: Path, query: str = CARD) -> Path:
    path.parent.mkdir(exist_ok=True)
    con.sql(query).write_parquet(str(path))
    return path


def refusal(
    con: duckdb.DuckDBPyConnection, path: Path, columns: dict[str, str] = CARDS
) -> PragmaError:
    with pytest.raises(PragmaError) as caught:
        check_source(con, path, columns)
    assert "\n" not in caught.value.what
    return caught.value


def test_a_file_with_the_columns_and_more_passes(
    con: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    check_source(con, written(con, tmp_path / "cards.parquet", f"{CARD}, 7 as extra"), CARDS)


def test_a_folder_and_a_pattern_of_files_pass(
    con: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    for year in (2023, 2024):
        written(con, tmp_path / str(year) / "cards.parquet")
    check_source(con, tmp_path, CARDS)
    check_source(con, tmp_path / "*" / "cards.parquet", CARDS)


def test_a_path_is_data_never_sql(con: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    check_source(con, written(con, tmp_path / "o'brien's [1] cards.parquet"), CARDS)


def test_a_missing_file_is_named_with_the_nearest_there_is(
    con: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    written(con, tmp_path / "cards.parquet")
    error = refusal(con, tmp_path / "card.parquet")
    assert f"{tmp_path / 'card.parquet'}: there is no such file" in error.what
    assert f"did you mean {tmp_path / 'cards.parquet'}?" in error.next_step


def test_a_folder_without_parquet_files_is_refused(
    con: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    assert "holds no *.parquet file" in refusal(con, tmp_path).what


@pytest.mark.parametrize("cut", [0, 3, 100])
def test_a_truncated_file_is_refused(
    con: duckdb.DuckDBPyConnection, tmp_path: Path, cut: int
) -> None:
    path = written(con, tmp_path / "cards.parquet")
    path.write_bytes(path.read_bytes()[:cut])
    error = refusal(con, path)
    assert f"{path} is not a whole parquet file" in error.what
    assert "export it, or copy it, again" in error.next_step


def test_one_broken_file_of_a_folder_is_the_one_named(
    con: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    written(con, tmp_path / "a.parquet")
    broken = tmp_path / "b.parquet"
    broken.write_text("user_id,ts\nu1,2024-01-05\n")
    assert str(broken) in refusal(con, tmp_path).what


def test_no_rows_in_any_file_is_refused(con: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    for name in ("a", "b"):
        written(con, tmp_path / f"{name}.parquet", f"{CARD} where false")
    assert "is empty: 0 rows in 2 files" in refusal(con, tmp_path).what


def test_an_empty_file_beside_a_full_one_passes(
    con: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    written(con, tmp_path / "a.parquet", f"{CARD} where false")
    written(con, tmp_path / "b.parquet")
    check_source(con, tmp_path, CARDS)


def test_a_missing_column_is_named_with_those_there_are_and_a_near_one(
    con: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    path = written(con, tmp_path / "cards.parquet", "select 'u1' as userid, current_date as day")
    error = refusal(con, path, {"user_id": "VARCHAR"})
    assert "lacks the column user_id; it has userid, day" in error.what
    assert "rename userid to user_id" in error.next_step


def test_upper_and_lower_case_are_the_same_column(
    con: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    path = written(con, tmp_path / "cards.parquet", "select 'u1' as User_ID")
    check_source(con, path, {"user_id": "VARCHAR"})


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        ("date '2024-01-05'", "TIMESTAMP"),
        ("timestamptz '2024-01-05'", "DATE"),
        ("timestamp_ns '2024-01-05'", "TIMESTAMP"),
        ("'a'::enum('a', 'b')", "VARCHAR"),
        ("1::bigint", "DOUBLE"),
        ("1.5::decimal(10, 2)", "DOUBLE"),
        ("1::utinyint", "INTEGER"),
        ("[{'key': 'k', 'ts': date '2024-01-05'}]", "STRUCT(key VARCHAR, ts TIMESTAMP)[]"),
    ],
)
def test_types_of_one_family_pass(
    con: duckdb.DuckDBPyConnection, tmp_path: Path, found: str, expected: str
) -> None:
    path = written(con, tmp_path / "cards.parquet", f"select {found} as value")
    check_source(con, path, {"value": expected})


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        ("'2024-01-05'", "TIMESTAMP"),
        ("1704412800", "TIMESTAMP"),
        ("7", "VARCHAR"),
        ("1.5::double", "BIGINT"),
        ("map {'amount': 5}", "MAP(VARCHAR, VARCHAR)"),
        ("{'amount': '5'}", "MAP(VARCHAR, VARCHAR)"),
        ("['k']", "STRUCT(key VARCHAR, ts TIMESTAMP)[]"),
    ],
)
def test_another_type_is_refused_with_both_named(
    con: duckdb.DuckDBPyConnection, tmp_path: Path, found: str, expected: str
) -> None:
    path = written(con, tmp_path / "cards.parquet", f"select {found} as value")
    what = refusal(con, path, {"value": expected}).what
    assert f"{path}: value is " in what
    assert what.endswith(f"expected {expected}")
