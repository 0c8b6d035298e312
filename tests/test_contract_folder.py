"""A folder of contract files is read as any other program wrote it; sorting is our job."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from io import StringIO
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from rich.console import Console
from workplace import Workplace

from pragma_sql.datasets.dataset import dataset_vars
from pragma_sql.formats.errors import PragmaError
from pragma_sql.warehouse.build import build

Rows = list[tuple[object, ...]]


@pytest.fixture
def dataset(workplace: Workplace) -> Path:
    """The toy dataset in a folder whose name is full of what SQL and patterns are made of."""
    assert workplace.dataset.name == "it's a [1] dataset?"
    return workplace.write()


def contract(place: Workplace) -> dict[str, Rows]:
    """The four relations, read in a time zone far from UTC."""
    names = ("events", "profiles", "labels", "transfers")
    home = place.build(*(f"+{name}" for name in names))
    with duckdb.connect(str(home.warehouse), read_only=True) as con:
        con.execute("set TimeZone = 'Asia/Tokyo'")
        return {
            name: con.execute(f"from contract.{name} order by all").fetchall() for name in names
        }


@pytest.fixture(scope="module")
def plain(place: Workplace) -> dict[str, Rows]:
    place.clear()
    place.write()
    return contract(place)


def rewrite(path: Path, change: Callable[[pa.Table], pa.Table]) -> None:
    pq.write_table(change(pq.read_table(path)), path, row_group_size=50)


def shuffled(table: pa.Table) -> pa.Table:
    order = list(range(table.num_rows))
    random.Random(0).shuffle(order)
    return table.take(order)


def with_column(table: pa.Table, name: str, values: pa.ChunkedArray | pa.Array) -> pa.Table:
    return table.set_column(table.schema.get_field_index(name), name, values)


def moments_as(kind: pa.DataType) -> Callable[[pa.Table], pa.Table]:
    def change(events: pa.Table) -> pa.Table:
        return with_column(events, "ts", events["ts"].cast(kind))

    return change


def dictionaries(events: pa.Table) -> pa.Table:
    for name in ("user_id", "source", "event_id"):
        events = with_column(events, name, pc.dictionary_encode(events[name]))
    return events


def large_strings(events: pa.Table) -> pa.Table:
    for name in ("user_id", "source", "event_id"):
        events = with_column(events, name, events[name].cast(pa.large_string()))
    large = pa.map_(pa.large_string(), pa.large_string())
    fields = pa.array(events["fields"].to_pylist(), large)
    return with_column(events, "fields", fields)


REWRITES: dict[str, Callable[[pa.Table], pa.Table]] = {
    "unsorted": shuffled,
    "seconds": moments_as(pa.timestamp("s")),
    "milliseconds": moments_as(pa.timestamp("ms")),
    "nanoseconds": moments_as(pa.timestamp("ns")),
    "seconds UTC": moments_as(pa.timestamp("s", "UTC")),
    "nanoseconds UTC": moments_as(pa.timestamp("ns", "UTC")),
    "microseconds with a zone": moments_as(pa.timestamp("us", "America/New_York")),
    "dictionaries": dictionaries,
    "large strings": large_strings,
    "more columns in another order": lambda events: events.append_column(
        "country", pa.array(["GB"] * events.num_rows)
    ).select(["country", "fields", "event_id", "source", "ts", "user_id"]),
}


RARE = {"seconds", "milliseconds", "nanoseconds", "seconds UTC"}


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(change, id=name, marks=[pytest.mark.slow] if name in RARE else [])
        for name, change in REWRITES.items()
    ],
)
def test_events_are_the_same_however_they_were_written(
    change: Callable[[pa.Table], pa.Table],
    plain: dict[str, Rows],
    dataset: Path,
    workplace: Workplace,
) -> None:
    rewrite(dataset / "events.parquet", change)
    assert contract(workplace) == plain


def test_every_file_may_be_a_folder_of_parts_at_any_depth(
    plain: dict[str, Rows], dataset: Path, workplace: Workplace
) -> None:
    for name in ("events", "profiles"):
        whole = pq.read_table(dataset / f"{name}.parquet")
        (dataset / f"{name}.parquet").unlink()
        halves = (whole.slice(0, 20), whole.slice(20))
        for number, half in enumerate(halves):
            folder = dataset / name / f"ts={number}"
            folder.mkdir(parents=True)
            columns = half.schema.names[::-1] if number else half.schema.names
            pq.write_table(half.select(columns), folder / "part.parquet")
    assert contract(workplace) == plain


def test_parts_may_differ_in_the_unit_of_time_and_in_what_is_optional(
    plain: dict[str, Rows], dataset: Path, workplace: Workplace
) -> None:
    whole = pq.read_table(dataset / "events.parquet")
    (dataset / "events.parquet").unlink()
    (dataset / "events").mkdir()
    first, second = whole.slice(0, 20), whole.slice(20)
    pq.write_table(moments_as(pa.timestamp("ms"))(first), dataset / "events" / "a.parquet")
    pq.write_table(second.drop_columns(["event_id"]), dataset / "events" / "b.parquet")
    read = contract(workplace)["events"]
    assert sorted(row[:3] for row in read) == sorted(row[:3] for row in plain["events"])
    assert sum(row[4] is not None for row in read) == 20


def test_milestones_may_have_a_zone_or_be_absent(
    plain: dict[str, Rows], dataset: Path, workplace: Workplace
) -> None:
    path = dataset / "profiles.parquet"
    zoned = pa.list_(pa.struct({"key": pa.string(), "ts": pa.timestamp("ms", "UTC")}))
    rewrite(path, lambda p: with_column(p, "lifelong", p["lifelong"].cast(zoned)))
    assert contract(workplace) == plain
    rewrite(path, lambda p: p.drop_columns(["lifelong"]))
    profiles = contract(workplace)["profiles"]
    assert [row[:3] for row in profiles] == [row[:3] for row in plain["profiles"]]
    assert {row[3] for row in profiles} == {None}


def test_transfers_are_read_with_more_columns(dataset: Path, workplace: Workplace) -> None:
    rows = [("user 00", "user 01", 5, "GBP")]
    columns = ["from_user", "to_user", "amount", "currency"]
    table = pa.table({name: [row[i] for row in rows] for i, name in enumerate(columns)})
    moment = pa.array(
        [pq.read_table(dataset / "events.parquet")["ts"][0].as_py()], pa.timestamp("ms")
    )
    pq.write_table(table.append_column("ts", moment), dataset / "transfers.parquet")
    ((payer, payee, _, amount),) = contract(workplace)["transfers"]
    assert (payer, payee, amount) == ("user 00", "user 01", 5.0)


def write_labels(
    dataset: Path,
    task: str,
    labels: Sequence[int | float | bool | str],
    moment: str = "eval_ts",
    **more: str,
) -> None:
    (dataset / "labels").mkdir(exist_ok=True)
    start = pq.read_table(dataset / "labels.parquet")["eval_ts"][0].as_py()
    columns = {
        "user_id": [f"user {number:02d}" for number in range(len(labels))],
        moment: pa.array([start] * len(labels), pa.timestamp("ms", "UTC")),
        "label": labels,
        **{name: [text] * len(labels) for name, text in more.items()},
    }
    pq.write_table(pa.table(columns), dataset / "labels" / f"{task}.parquet")


def test_label_files_are_tasks_beside_a_file_of_all_tasks(
    plain: dict[str, Rows], dataset: Path, workplace: Workplace
) -> None:
    write_labels(dataset, "whole_numbers", [0, 1])
    write_labels(dataset, "yes_or_no", [True, False], profit="12")
    write_labels(dataset, "it's 100%", [0.5, 2.5], moment="observed_through")
    (dataset / "labels" / "in_parts").mkdir()
    (dataset / "labels" / "yes_or_no.parquet").rename(dataset / "labels" / "in_parts" / "1.parquet")
    labels = contract(workplace)["labels"]
    assert [row for row in labels if row[0] == "late"] == plain["labels"]
    assert [(task, user, label) for task, user, _, label, _ in labels if task != "late"] == [
        ("in_parts", "user 00", 1.0),
        ("in_parts", "user 01", 0.0),
        ("it's 100%", "user 00", 0.5),
        ("it's 100%", "user 01", 2.5),
        ("whole_numbers", "user 00", 0.0),
        ("whole_numbers", "user 01", 1.0),
    ]
    assert {row[2] for row in labels} == {row[2] for row in plain["labels"]}


def test_labels_of_another_kind_are_left_out_and_said_to_be(
    plain: dict[str, Rows], dataset: Path, workplace: Workplace
) -> None:
    write_labels(dataset, "fraud", ["yes", "no"], moment="ts")
    write_labels(dataset, "scores", ["yes", "no"])
    renamed = ["customer", "eval_ts", "score"]
    rewrite(dataset / "labels" / "scores.parquet", lambda labels: labels.rename_columns(renamed))
    said = StringIO()
    progress = Console(file=said, width=400)
    # The check before dbt would refuse a text as a label, if it took these for label files.
    build(workplace.home, workplace.variables(), select=["+labels"], progress=progress)
    assert [line for line in said.getvalue().splitlines() if "is not read" in line] == [
        f"{dataset}/labels/fraud.parquet is not read: it lacks eval_ts (or observed_through)",
        f"{dataset}/labels/scores.parquet is not read: it lacks user_id and label",
    ]
    assert contract(workplace)["labels"] == plain["labels"]


def test_a_file_of_all_tasks_must_have_every_column_at_either_door(
    dataset: Path, workplace: Workplace
) -> None:
    variables = workplace.variables()
    rewrite(dataset / "labels.parquet", lambda labels: labels.drop_columns(["task", "label"]))
    lacks = f"{dataset}/labels.parquet lacks the column task and label"
    assert refusal(dataset).what.startswith(lacks)
    with pytest.raises(PragmaError) as caught:
        build(workplace.home, variables, select=["+labels"])
    assert (caught.value.what, caught.value.next_step) == (
        lacks,
        "add what is missing to the export",
    )


def test_a_label_file_may_say_whose_split_is_which(
    plain: dict[str, Rows], dataset: Path, workplace: Workplace
) -> None:
    write_labels(dataset, "fraud", [0, 1], split="test")
    labels = contract(workplace)["labels"]
    assert {row[-1] for row in labels if row[0] == "fraud"} == {"test"}
    assert [row for row in labels if row[0] != "fraud"] == plain["labels"]
    assert {row[-1] for row in plain["labels"]} == {None}


def test_a_label_of_no_known_split_stops_the_build(dataset: Path, workplace: Workplace) -> None:
    write_labels(dataset, "fraud", [0, 1], split="set-a")
    with pytest.raises(PragmaError, match=r"labels\.split: 2 of .* are none of train, val"):
        workplace.build("+rejected")


def test_all_is_read_where_it_lies(dataset: Path, workplace: Workplace) -> None:
    contract(workplace)
    with duckdb.connect(str(workplace.home.warehouse), read_only=True) as con:
        copies = (
            "select table_name from duckdb_columns()"
            " join duckdb_tables() using (schema_name, table_name)"
            " where schema_name in ('contract', 'staging')"
            " and column_name in ('fields', 'attributes', 'label', 'amount')"
        )
        assert con.execute(copies).fetchall() == []


def refusal(dataset: Path) -> PragmaError:
    with pytest.raises(PragmaError) as caught:
        dataset_vars(dataset, [])
    return caught.value


def test_a_profile_without_its_moment_is_refused(dataset: Path) -> None:
    rewrite(dataset / "profiles.parquet", lambda profiles: profiles.drop_columns(["as_of"]))
    error = refusal(dataset)
    assert "profiles.parquet lacks the column as_of" in error.what
    assert "what was known" in error.next_step


def test_a_file_beside_a_folder_of_parts_is_refused(dataset: Path) -> None:
    (dataset / "events").mkdir()
    error = refusal(dataset)
    assert "has both events.parquet and events/" in error.what
    assert error.next_step == "keep one of them"


def test_a_folder_without_events_is_refused(dataset: Path) -> None:
    (dataset / "events.parquet").unlink()
    assert "events.parquet: there is no such file" in refusal(dataset).what
    (dataset / "events").mkdir()
    assert "holds no *.parquet file" in refusal(dataset).what


def test_a_broken_part_is_the_one_named(dataset: Path) -> None:
    (dataset / "events").mkdir()
    (dataset / "events.parquet").rename(dataset / "events" / "a.parquet")
    (dataset / "events" / "b.parquet").write_bytes(b"PAR1 not whole")
    error = refusal(dataset)
    assert "b.parquet is not a whole parquet file" in error.what
    assert "a.parquet" not in error.what


def test_text_for_a_label_is_refused(dataset: Path) -> None:
    write_labels(dataset, "late2", ["yes", "no"])
    assert "label is VARCHAR, expected DOUBLE or BOOLEAN" in refusal(dataset).what


def test_moments_in_whole_numbers_are_refused_with_a_way_out(dataset: Path) -> None:
    rewrite(
        dataset / "events.parquet",
        lambda events: with_column(events, "ts", events["ts"].cast(pa.int64())),
    )
    error = refusal(dataset)
    assert "events.parquet: ts is BIGINT, expected TIMESTAMP" in error.what
    assert "to_timestamp(ts)" in error.next_step
