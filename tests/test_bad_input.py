"""Bad input stops a build before anything is written, in one or two lines that say what to do."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import datasets
import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from workplace import Workplace

from pragma_sql import cli
from pragma_sql.formats.paths import Home
from pragma_sql.warehouse.dbt_project import readable

RELATIONS = ("fit.tokenizer", "tokens.event_tokens", "tokens.profile_tokens", "tokens.user_tokens")


def run(*arguments: str, monkeypatch: pytest.MonkeyPatch) -> int:
    """Exit code of `pragma ...` in this process."""
    monkeypatch.setattr("sys.argv", ["pragma", *arguments])
    with pytest.raises(SystemExit) as stop:
        cli.main()
    return int(stop.value.code or 0)


def contents(home: Home) -> list[list[tuple[object, ...]]]:
    with duckdb.connect(str(home.warehouse), read_only=True) as con:
        return [con.execute(f"from {name} order by all").fetchall() for name in RELATIONS]


def without_a_column(dataset: Path) -> None:
    path = dataset / "events.parquet"
    pq.write_table(pq.read_table(path).drop_columns(["ts"]), path)


def with_text_for_a_timestamp(dataset: Path) -> None:
    path = dataset / "events.parquet"
    events = pq.read_table(path)
    moments = pa.array([str(ts) for ts in events["ts"].to_pylist()])
    pq.write_table(events.set_column(1, "ts", moments), path)


def not_parquet(dataset: Path) -> None:
    (dataset / "events.parquet").write_bytes(b"PAR1 this is not what it says PAR1")


def cut_short(dataset: Path) -> None:
    path = dataset / "events.parquet"
    path.write_bytes(path.read_bytes()[:-200])


def with_a_part_cut_short(dataset: Path) -> None:
    (dataset / "events").mkdir()
    (dataset / "events.parquet").rename(dataset / "events" / "january.parquet")
    whole = (dataset / "events" / "january.parquet").read_bytes()
    (dataset / "events" / "february.parquet").write_bytes(whole[:-200])


def with_a_part_spoilt_inside(dataset: Path) -> None:
    """The footer is whole, the data are not."""
    (dataset / "events").mkdir()
    (dataset / "events.parquet").rename(dataset / "events" / "january.parquet")
    events = pq.read_table(dataset / "events" / "january.parquet")
    path = dataset / "events" / "february.parquet"
    pq.write_table(events, path, compression="zstd")
    content = bytearray(path.read_bytes())
    content[100:-3_000] = b"x" * len(content[100:-3_000])
    path.write_bytes(content)


def without_events(dataset: Path) -> None:
    (dataset / "events.parquet").unlink()


def in_whole_seconds(dataset: Path) -> None:
    path = dataset / "events.parquet"
    events = pq.read_table(path)
    seconds = pa.array([int(ts.timestamp()) for ts in events["ts"].to_pylist()])
    pq.write_table(events.set_column(1, "ts", seconds), path)


def with_structs_for_maps(dataset: Path) -> None:
    path = dataset / "events.parquet"
    events = pq.read_table(path)
    fields = pa.array([{"amount": "5"}] * events.num_rows)
    pq.write_table(events.set_column(3, "fields", fields), path)


def empty(dataset: Path) -> None:
    pq.write_table(datasets.EVENTS.empty_table(), dataset / "events.parquet")


def events_with(**changes: object) -> Callable[[Path], None]:
    """Have three events arrive changed; with their old ids they would be known already."""

    def write(dataset: Path) -> None:
        events = datasets.toy_events()
        rows = [event.row() for event in events[3:]]
        rows += [{**e.row(), "event_id": f"new {e.event_id}", **changes} for e in events[:3]]
        table = pa.Table.from_pylist(rows, schema=datasets.EVENTS)
        pq.write_table(table, dataset / "events.parquet")

    return write


def a_label_for_nobody(dataset: Path) -> None:
    stranger = replace(datasets.toy_labels()[0], user_id="nobody")
    datasets.write_dataset(
        dataset, datasets.toy_events(), datasets.toy_profiles(), [*datasets.toy_labels(), stranger]
    )


CASES: dict[str, tuple[Callable[[Path], None], tuple[str, ...]]] = {
    "missing column": (without_a_column, ("events.parquet", "ts", "user_id")),
    "wrong type": (with_text_for_a_timestamp, ("events.parquet", "ts", "VARCHAR", "TIMESTAMP")),
    "not parquet": (not_parquet, ("events.parquet",)),
    "truncated": (cut_short, ("events.parquet",)),
    "no rows": (empty, ("events.parquet", "empty")),
    "null user": (events_with(user_id=None), ("contract.events", "user_id", "3 of")),
    "blank user": (events_with(user_id=" "), ("contract.events", "user_id", "3 of")),
    "null moment": (events_with(ts=None), ("contract.events", "ts", "3 of", "user 00")),
    "year 9999": (
        events_with(ts=datetime(9999, 1, 1)),
        ("contract.events", "ts", "3 of", "9999", "user 00"),
    ),
    "year 1970": (
        events_with(ts=datetime(1970, 1, 1)),
        ("contract.events", "ts", "3 of", "1970", "user 00", "--quarantine"),
    ),
    "no maps": (events_with(fields=None), ("contract.events", "fields", "3 of", "null")),
    "empty key": (
        events_with(fields=[("", "5")]),
        ("contract.events", "fields", "3 of", "key is empty"),
    ),
    "truncated part": (with_a_part_cut_short, ("february.parquet",)),
    "spoilt part": (with_a_part_spoilt_inside, ("contract.events", "february.parquet")),
    "no events": (without_events, ("events.parquet", "there is no such file")),
    "whole seconds": (in_whole_seconds, ("events.parquet", "ts is BIGINT", "to_timestamp(ts)")),
    "structs for maps": (with_structs_for_maps, ("events.parquet", "fields is STRUCT", "MAP")),
    "label for nobody": (a_label_for_nobody, ("contract.labels", "1 of", "nobody")),
}


RARE = {"blank user", "null moment", "year 9999", "no maps", "empty key"}
"""Rules that stop a build as others here do; tests/test_rules.py tries each."""


@pytest.fixture
def dataset(workplace: Workplace) -> Path:
    return workplace.write()


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        pytest.param(*case, id=name, marks=[pytest.mark.slow] if name in RARE else [])
        for name, case in CASES.items()
    ],
)
def test_bad_input_stops_the_build_with_the_last_good_tables_in_place(
    spoil: Callable[[Path], None],
    words: tuple[str, ...],
    dataset: Path,
    toy: Home,
    workplace: Workplace,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    home = workplace.restore(toy.root)
    before = contents(home)
    workplace.write()
    spoil(dataset)
    variables = [
        word for name, value in datasets.TOY_VARS.items() for word in ("--var", f"{name}={value}")
    ]

    code = run(
        "build", "--home", str(home.root), "--contract", str(dataset), *variables,
        monkeypatch=monkeypatch,
    )  # fmt: skip

    said = capsys.readouterr().err
    lines = [line for line in said.splitlines() if not line.startswith("  ")]
    assert code == 1
    assert "Traceback" not in said
    assert lines[0].startswith("error: ")
    assert lines[-1].startswith("next: ")
    assert len(lines) <= 3
    for word in words:
        assert word in said
    assert contents(home) == before


ODD_KEYS = (
    '"; drop table contract.events; --',
    "it's",
    "two\nlines",
    "{{ 1 / 0 }}",
    "k" * 10_000,
)


@pytest.mark.slow
def test_fields_may_be_named_like_sql(workplace: Workplace) -> None:
    """From the contract to the features, through every statement that is made from names."""
    events = [
        replace(event, fields={**(event.fields or {}), **dict.fromkeys(ODD_KEYS, str(number % 3))})
        for number, event in enumerate(datasets.toy_events())
    ]
    workplace.write(events)
    for _ in range(2):
        home = workplace.build("+user_features", "+user_tokens")
    with duckdb.connect(str(home.warehouse), read_only=True) as con:
        known = {key for (key,) in con.execute("select key from fit.fields").fetchall()}
        broken = con.execute("select rule from contract.checks where not passed").fetchall()
        counted = con.execute("select count(*) from tokens.event_tokens").fetchall()
    assert set(ODD_KEYS) <= known
    assert broken == []
    assert counted == [(len(events),)]


@pytest.mark.slow
def test_a_clock_that_jumped_to_1970_is_dealt_with_by_setting_its_rows_aside(
    dataset: Path,
    workplace: Workplace,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    events_with(ts=datetime(1970, 1, 1))(dataset)
    place = ("--home", str(workplace.home.root), "--contract", str(dataset))
    fit = ("--var", "fit_until=2024-07-01", "--select", "+event_tokens")
    assert run("build", *place, *fit, monkeypatch=monkeypatch) == 1
    assert run("build", *place, *fit, "--quarantine", monkeypatch=monkeypatch) == 0
    assert "contract.rejected: events_ts_outside, rows: 3" in capsys.readouterr().err


@pytest.mark.slow
def test_validate_prints_each_rule_and_ends_with_an_error_when_one_is_broken(
    dataset: Path,
    workplace: Workplace,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    place = ("--home", str(workplace.home.root), "--contract", str(dataset))
    assert run("validate", *place, monkeypatch=monkeypatch) == 0
    assert "events_ts_outside" in capsys.readouterr().out
    events_with(ts=datetime(1970, 1, 1))(dataset)
    assert run("validate", *place, monkeypatch=monkeypatch) == 1
    told = capsys.readouterr()
    for word in ("events_ts_outside", "3 of 407", "1970-01-01", "fix: correct the clock"):
        assert word in told.out
    assert "Data Docs: " in told.err
    assert "--quarantine" in told.err
    assert run("validate", *place, "--json", monkeypatch=monkeypatch) == 1
    (first, *_) = json.loads(capsys.readouterr().out)
    assert (first["rule"], first["rows"], first["passed"]) == ("events_ts_outside", 3, False)


def test_a_file_that_cannot_be_read_leaves_no_trace_of_a_new_warehouse(
    dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    not_parquet(dataset)
    home = tmp_path / "home"
    assert (
        run("build", "--home", str(home), "--contract", str(dataset), monkeypatch=monkeypatch) == 1
    )
    assert not home.exists()


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (["build", "--contract", "/no/such/folder"], "/no/such/folder"),
        (["build", "--var", "dataset=purchase_cards", "--var", "bin=3"], "bins"),
        (["build", "--var", "dataset=purchase_cards", "--var", "bins"], "NAME=VALUE"),
        (["sql", "select 1", "--home", "/no/such/home"], "pragma build"),
        (["shards", "--home", "/no/such/home"], "pragma build"),
        (["register", "nothing"], "nothing"),
        (["probe", "--home", "/no/such/home"], "probe_examples.parquet"),
        (["plot", "--home", "/no/such/home"], "embedding_map.parquet"),
    ],
)
def test_a_wrong_word_on_the_command_line_is_answered_in_two_lines(
    arguments: list[str],
    word: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert run(*arguments, monkeypatch=monkeypatch) == 1
    said = capsys.readouterr().err
    assert word in said
    assert "Traceback" not in said
    assert len(said.splitlines()) <= 2


def test_a_query_with_a_mistake_says_what_there_is(
    toy: Home, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert (
        run(
            "sql",
            "select usr from contract.events",
            "--home",
            str(toy.root),
            monkeypatch=monkeypatch,
        )
        == 1
    )
    said = capsys.readouterr().err
    assert "user_id" in said
    assert "Traceback" not in said


def test_embed_before_any_model_says_what_to_run(
    toy: Home, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    query = "select embed(user_id) from contract.profiles limit 1"
    assert run("sql", query, "--home", str(toy.root), monkeypatch=monkeypatch) == 1
    said = capsys.readouterr().err
    assert "pragma register" in said
    assert len(said.splitlines()) == 2, "the sentence and the next step, not where it was raised"


def test_a_build_that_needs_more_memory_than_it_may_take_says_how_to_allow_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PRAGMA_MEMORY_LIMIT", raising=False)
    with duckdb.connect() as con:
        con.execute("set memory_limit = '20MB'; set temp_directory = ''")
        with pytest.raises(duckdb.OutOfMemoryException) as spent:
            con.execute("create table big as select range as i, hash(range) h from range(10000000)")
    told = readable(
        f"Runtime Error in model big (models/big.sql)\n  {spent.value}", Home.of(tmp_path)
    )
    assert str(told).startswith("model big needs more memory than the 2GB")
    assert "PRAGMA_MEMORY_LIMIT=4GB pragma build" in str(told)
