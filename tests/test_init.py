"""`pragma init`: what it makes, what it leaves alone, and what dbt makes of it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import duckdb
import pytest
import yaml
from own_tables import write_table

from pragma_sql import cli
from pragma_sql.datasets.dataset import dataset_vars
from pragma_sql.datasets.init import init
from pragma_sql.datasets.mapping_file import read_mapping
from pragma_sql.formats.errors import PragmaError
from pragma_sql.formats.paths import Home
from pragma_sql.warehouse.build import build, validate

EVENTS = """
    select 'user ' || (i % 20) as client_id, timestamp '2024-01-01' + interval (i * 7) hour as ts,
        i as event_id, round(i * 1.37 % 200, 2) as amount, 'shop ' || (i % 5) as "{{ shop }} ""of""
 two", ['a'] as tags
    from range(1000) as t(i)
"""
CLIENTS = """
    select 'user ' || i as client_id, if(i % 2 = 0, 'north', 'south') as region
    from range(20) as t(i)
"""
LABELS = """
labels:
    late: {files: ../clients.csv, user: client_id, moment: 2024-08-01, label: region = 'north'}
"""


@pytest.fixture(autouse=True)
def no_home(monkeypatch: pytest.MonkeyPatch) -> None:
    """Builds of other tests leave their folder in the environment."""
    monkeypatch.delenv("PRAGMA_HOME", raising=False)


@pytest.fixture
def tables(tmp_path: Path) -> Path:
    write_table(tmp_path / "cards.parquet", EVENTS)
    write_table(tmp_path / "clients.csv", CLIENTS)
    return tmp_path


@pytest.fixture
def project(tables: Path) -> Path:
    """A project whose mapping was guessed from two tables."""
    folder = tables / "My bank"
    init(folder, [f"cards={tables / 'cards.parquet'}", f"clients={tables / 'clients.csv'}"])
    return folder


def files(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): path.read_text()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def run(*arguments: str, monkeypatch: pytest.MonkeyPatch) -> int:
    """Exit code of `pragma ...` in this process."""
    monkeypatch.setattr("sys.argv", ["pragma", *arguments])
    with pytest.raises(SystemExit) as stop:
        cli.main()
    return int(stop.value.code or 0)


def test_a_mapping_is_guessed_from_columns(project: Path) -> None:
    mapping = read_mapping(project / "mapping.yml")
    (cards,) = mapping.events
    assert (cards.source, cards.user, cards.time.value, cards.id) == (
        "cards", "client_id", "ts", "event_id",
    )  # fmt: skip
    assert cards.rows.files == ("../cards.parquet",)
    # Neither the list of tags, which is no single value, nor what has a part to play.
    assert list(cards.fields.listed or {}) == ["amount", '{{ shop }} "of"\n two']
    assert mapping.profiles.user == "client_id"
    assert list(mapping.profiles.attributes.listed or {}) == ["region"]


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ("1704456000 + i", {"column": "time", "unit": "s"}),
        ("1704456000000 + i", {"column": "time", "unit": "ms"}),
        ("930101 + i", {"column": "time", "format": "%y%m%d"}),
        ("'2024-01-0' || (1 + i)", "time"),
        ("(13 + i) || '/05/2024'", {"column": "time", "format": "%d/%m/%Y"}),
        # A month is known when it ends.
        ("'2024-0' || (1 + i)", "last_day(strptime(\"time\", '%Y-%m'))"),
        # Day before month or month before day: not to be guessed.
        ("'0' || (1 + i) || '/05/2024'", "CHOOSE"),
        ("'soon'", "CHOOSE"),
    ],
)
def test_the_kind_of_time_is_guessed_only_where_one_fits(
    values: str, expected: object, tmp_path: Path
) -> None:
    write_table(
        tmp_path / "x.parquet", f"select 'u' as user_id, {values} as time from range(5) t(i)"
    )
    init(tmp_path / "bank", [f"x={tmp_path / 'x.parquet'}"])
    written = yaml.safe_load((tmp_path / "bank" / "mapping.yml").read_text())
    assert written["events"]["x"]["time"] == expected


def test_a_guess_cuts_the_fit_at_four_fifths_of_the_time(project: Path) -> None:
    settings = yaml.safe_load((project / "dbt_project.yml").read_text())
    assert settings["vars"] == {
        "dataset": "my_bank",
        "fit_until": "2024-08-21",
        "calendar_tz": "UTC",
    }


def test_without_tables_a_documented_mapping_is_left_to_fill_in(tmp_path: Path) -> None:
    made = init(tmp_path / "bank")
    assert made.models == []
    text = (tmp_path / "bank" / "mapping.yml").read_text()
    for key in ("zone", "unit", "format", "as_of", "lifelong", "moment", "except", "distinct"):
        assert f"{key}:" in text
    assert [events.source for events in read_mapping(tmp_path / "bank" / "mapping.yml").events] == [
        "transactions"
    ]


def test_every_key_that_the_guide_shows_is_accepted(tmp_path: Path) -> None:
    from pragma_sql.datasets.mapping_file import parse_mapping
    from pragma_sql.datasets.scaffold import GUIDE

    lines = [line.removeprefix("# ").removeprefix("#") for line in GUIDE.splitlines()]
    start = next(n for n, line in enumerate(lines) if line.startswith("events:"))
    end = next(n for n, line in enumerate(lines) if line.startswith("transfers:"))
    # What stands to the right of two spaces explains; `fields` and `except` are alternatives.
    shown = [line[:4] + line[4:].split("  ")[0] if line[:8].strip() else line[:8]
             + line[8:].split("  ")[0] for line in lines[start:end]]  # fmt: skip
    plain = [line.split(" [")[0] for line in shown if ": " in line or line.rstrip().endswith(":")]
    text = "\n".join(line for line in plain if "{column" not in line and "fields:" not in line)
    mapping = parse_mapping(text)
    assert (mapping.labels[0].task, mapping.events[0].source) == ("default", "transactions")
    assert [milestone.key for milestone in mapping.profiles.lifelong] == ["joined", "first_refund"]


@pytest.mark.parametrize("there", ["dbt_project.yml", "README.md", "seeds/field_overrides.csv"])
def test_a_file_in_the_way_is_not_overwritten_and_nothing_is_written(
    there: str, tables: Path
) -> None:
    folder = tables / "bank"
    (folder / there).parent.mkdir(parents=True)
    (folder / there).write_text("mine")
    with pytest.raises(PragmaError, match=there):
        init(folder, [f"cards={tables / 'cards.parquet'}"])
    assert files(folder) == {there: "mine"}


@pytest.mark.parametrize(
    "table", ["cards=no.parquet", "cards", "cards=cards.xls", "cards=no.duckdb:main.cards"]
)
def test_a_table_that_is_not_there_leaves_no_folder_behind(table: str, tmp_path: Path) -> None:
    with pytest.raises(PragmaError):
        init(tmp_path / "deep" / "bank", [table])
    assert not (tmp_path / "deep").exists()


def test_staging_follows_the_mapping_until_it_is_edited(project: Path) -> None:
    events = project / "models" / "staging" / "my_bank_events.sql"
    profiles = project / "models" / "staging" / "my_bank_profiles.sql"
    assert {entry.fate for entry in init(project).models} == {"unchanged"}
    profiles.write_text(profiles.read_text().replace("'north'", "'n'") + "-- mine\n")
    mine = profiles.read_text()
    mapping = project / "mapping.yml"
    mapping.write_text(
        mapping.read_text().replace("fields: [amount, ", "fields: [{euros: amount}, ")
    )

    made = {entry.path.name: entry.fate for entry in init(project).models}

    assert made == {
        "my_bank_events.sql": "made again",
        "my_bank_profiles.sql": "left alone",
        "my_bank_labels.sql": "made again",
        "my_bank_transfers.sql": "made again",
    }
    assert "'euros'" in events.read_text()
    assert profiles.read_text() == mine


def test_what_is_missing_beside_a_mapping_is_added(project: Path) -> None:
    before = files(project)
    for name in before:
        if name not in ("mapping.yml", "dbt_project.yml"):
            (project / name).unlink()
    init(project)
    assert files(project) == before


def test_line_ends_of_another_system_are_no_edit(project: Path) -> None:
    events = project / "models" / "staging" / "my_bank_events.sql"
    events.write_bytes(events.read_bytes().replace(b"\n", b"\r\n"))
    assert "left alone" not in {entry.fate for entry in init(project).models}


def test_the_command_shows_the_sql_and_says_what_it_left_alone(
    project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    labels = project / "models" / "staging" / "my_bank_labels.sql"
    labels.write_text("select 1")
    assert run("init", str(project), monkeypatch=monkeypatch) == 0
    said = capsys.readouterr()
    assert f"-- {project / 'models/staging/my_bank_events.sql'}" in said.out
    assert "map_from_entries" in said.out
    assert "my_bank_labels.sql" not in said.out
    assert "edited by hand, so left alone: models/staging/my_bank_labels.sql" in said.err
    assert "no label sees them" in said.err
    assert run("init", str(project), "--json", monkeypatch=monkeypatch) == 0
    fates = {entry["path"]: entry["fate"] for entry in json.loads(capsys.readouterr().out)}
    assert fates["models/staging/my_bank_labels.sql"] == "left alone"


def test_a_second_table_belongs_into_the_mapping(project: Path) -> None:
    with pytest.raises(PragmaError, match=r"mapping\.yml is there already"):
        init(project, ["more=../cards.parquet"])


def test_a_build_gives_contract_fit_and_tokens_as_for_the_demo(project: Path) -> None:
    with (project / "mapping.yml").open("a") as mapping:
        mapping.write(LABELS)
    init(project)
    home = Home.of(project=project)
    assert home.root == project / "warehouse"

    build(home, dataset_vars(None, [], project), project=project)

    with duckdb.connect(str(home.warehouse), read_only=True) as con:

        def count(name: str) -> int:
            return int(con.execute(f"select count(*) from {name}").fetchall()[0][0])

        assert count("contract.events") == count("staging.my_bank_events") == 1000
        assert count("tokens.event_tokens") == 1000
        assert count("contract.labels") == count("contract.profiles") == 20
        assert count("tokens.user_tokens") == 20
        schemas = con.execute(
            "select distinct table_schema from information_schema.tables order by all"
        ).fetchall()
        assert [name for (name,) in schemas] == [
            "contract", "fit", "staging", "tokens", "vectors", "views",
        ]  # fmt: skip
        keys = con.execute("select key from fit.fields order by key").fetchall()
        assert [key for (key,) in keys] == ["amount", "source", '{{ shop }} "of"\n two']
    checks = validate(home, dataset_vars(None, [], project), project=project)
    assert all(row["passed"] or row["severity"] == "warn" for row in checks.to_pylist())


@pytest.mark.slow
def test_plain_dbt_builds_the_same_without_a_warning(project: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": str(Path(cli.__file__).parent.parent)}
    first = ["--warn-error", "build", "--show-all-deprecations"]
    # A later build also warns of what the fit never saw.
    for command in (["deps"], first, ["build", "--full-refresh"]):
        done = subprocess.run(
            [Path(sys.executable).parent / "dbt", *command],
            cwd=project, env=environment, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout[-3000:]
        assert "deprecat" not in done.stdout.lower()
    with duckdb.connect(str(project / "warehouse" / "pragma.duckdb"), read_only=True) as con:
        assert con.execute("select count(*) from tokens.event_tokens").fetchall() == [(1000,)]


@pytest.mark.slow
def test_tables_of_an_attached_database_are_built_from_anywhere(tables: Path) -> None:
    with duckdb.connect(str(tables / "core.duckdb")) as con:
        con.execute(f"create table cards as {EVENTS}")
    init(tables / "bank", [f"cards={tables / 'core.duckdb'}:main.cards"])
    home = Home.of(tables / "elsewhere")
    build(
        home, dataset_vars(None, [], tables / "bank"), select=["+events"], project=tables / "bank"
    )
    with duckdb.connect(str(home.warehouse), read_only=True) as con:
        assert con.execute("select count(*) from contract.events").fetchall() == [(1000,)]


def spoil_mapping(project: Path) -> None:
    mapping = project / "mapping.yml"
    mapping.write_text(mapping.read_text().replace("event_id", "amount"))


def spoil_cut(project: Path) -> None:
    settings = project / "dbt_project.yml"
    settings.write_text(settings.read_text().replace("2024-08-21", "soon"))


def spoil_source(project: Path) -> None:
    (project.parent / "cards.parquet").unlink()


def spoil_package(project: Path) -> None:
    (project / "packages.yml").write_text("packages:\n    - local: /no/such/place\n")


def spoil_project(project: Path) -> None:
    (project / "dbt_project.yml").unlink()


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (spoil_mapping, ("mapping.yml has changed", "pragma init")),
        (spoil_cut, ("fit_until", "choose")),
        (spoil_source, ("cards.parquet", "events.cards")),
        (spoil_package, ("packages.yml", "/no/such/place")),
        (spoil_project, ("dbt_project.yml", "pragma init")),
    ],
    ids=lambda case: getattr(case, "__name__", ""),
)
def test_a_build_that_cannot_work_is_refused_in_two_lines(
    spoil: object,
    words: tuple[str, ...],
    project: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert callable(spoil)
    spoil(project)
    assert run("build", "--project", str(project), monkeypatch=monkeypatch) == 1
    said = capsys.readouterr().err
    assert len(said.splitlines()) == 2
    for word in words:
        assert word in said
    assert not (project / "warehouse" / "pragma.duckdb").exists()
