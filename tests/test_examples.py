"""The worked examples: they build as they are, and their SQL is what `pragma init` makes."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import duckdb
import pytest

from pragma_sql import cli
from pragma_sql.datasets.dataset import dataset_vars
from pragma_sql.datasets.init import init
from pragma_sql.formats.paths import DATA, DBT_PROJECT, Home
from pragma_sql.warehouse.build import build

EXAMPLES = DATA / "examples"
CREDIT = EXAMPLES / "credit_default"
CZECH = EXAMPLES / "czech_bank"
CZECH_DATA = DATA.parent / "shared" / "data" / "czech_bank"

needs_czech_data = pytest.mark.skipif(
    not CZECH_DATA.is_dir(),
    reason=f"{CZECH_DATA} is absent: the data have no stated licence, so they are not shipped",
)
BOTH = [CREDIT, pytest.param(CZECH, marks=needs_czech_data)]


@pytest.fixture(autouse=True)
def no_home(monkeypatch: pytest.MonkeyPatch) -> None:
    """Builds of other tests leave their folder in the environment."""
    monkeypatch.delenv("PRAGMA_HOME", raising=False)


def query(home: Home, sql: str) -> list[tuple[object, ...]]:
    with duckdb.connect(str(home.warehouse), read_only=True) as con:
        return con.execute(sql).fetchall()


def built(example: Path, folder: Path) -> Home:
    home = Home.of(folder)
    build(home, dataset_vars(None, [], example), project=example)
    return home


@pytest.mark.parametrize("example", BOTH, ids=lambda path: path.name)
def test_the_staging_models_are_as_made_from_the_mapping(example: Path) -> None:
    assert {entry.fate for entry in init(example).entries} == {"unchanged"}


@pytest.mark.parametrize("example", [CREDIT, CZECH], ids=lambda path: path.name)
def test_an_example_is_a_short_mapping_and_what_init_writes_beside_it(example: Path) -> None:
    assert (example / "profiles.yml").read_text() == (DBT_PROJECT / "profiles.yml").read_text()
    lines = (example / "mapping.yml").read_text().splitlines()
    assert len([line for line in lines if line.strip() and not line.startswith("#")]) <= 45


@pytest.mark.slow
def test_credit_default_asks_after_every_statement_and_before_the_month_asked_about(
    tmp_path: Path,
) -> None:
    home = built(CREDIT, tmp_path)
    assert query(
        home, "select count(*), min(ts)::varchar, max(ts)::varchar from contract.events"
    ) == [(180_000, "2005-04-30 00:00:00", "2005-09-30 00:00:00")]
    assert query(home, "select distinct eval_ts::varchar from contract.labels") == [
        ("2005-10-01 00:00:00",)
    ]
    assert query(home, "select count(*), round(avg(label), 4) from contract.labels") == [
        (30_000, 0.2212)
    ]
    # The outcome is no attribute, and every client's statements and attributes are tokens.
    attributes = "select distinct unnest(map_keys(attributes)) from contract.profiles order by 1"
    assert query(home, attributes) == [
        ("age",), ("credit_limit",), ("education",), ("marriage",), ("sex",),
    ]  # fmt: skip
    assert query(home, "select kind from fit.fields where key = 'credit_limit'") == [("numeric",)]
    assert query(home, "select count(*), min(len(event_lengths)) from tokens.user_tokens") == [
        (30_000, 6)
    ]


@pytest.mark.slow
@needs_czech_data
def test_czech_bank_asks_of_each_loan_what_came_before_it(tmp_path: Path) -> None:
    home = built(CZECH, tmp_path)
    sources = "select source, count(*) from contract.events group by all order by all"
    assert query(home, sources) == [
        ("card_issued", 180), ("transaction", 66_805),
    ]  # fmt: skip
    assert query(home, "select count(*), sum(label) from contract.labels") == [(328, 46.0)]
    assert query(home, "select count(distinct user_id), count(*) from contract.profiles") == [
        (4_500, 4_500)
    ]
    # Nothing of a profile is older than the account, and each loan has a history before it.
    assert query(
        home,
        "select count(*) from contract.labels as l where not exists (select 1 from contract.events"
        " as e where e.user_id = l.user_id and e.ts < l.eval_ts)",
    ) == [(0,)]
    assert query(
        home,
        "select count(*) from contract.profiles where as_of > (select max(ts) from contract.events"
        " as e where e.user_id = profiles.user_id)",
    ) == [(0,)]


@pytest.mark.slow
def test_the_page_on_own_tables_says_what_works(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    page = (DATA / "docs" / "own_tables.md").read_text()
    blocks = re.findall(r"^```(\w*)\n(.*?)^```", page, re.S | re.M)
    (mapping,) = [text for language, text in blocks if language == "yaml"]
    commands = [
        shlex.split(line)
        for language, text in blocks
        for line in text.splitlines()
        if not language and line.startswith("pragma ")
    ]
    assert [words[1] for words in commands] == ["init", "init", "validate", "build"]
    (tmp_path / "examples").symlink_to(EXAMPLES)
    monkeypatch.chdir(tmp_path)
    for number, words in enumerate(commands):
        monkeypatch.setattr("sys.argv", words)
        with pytest.raises(SystemExit) as stop:
            cli.main()
        assert not stop.value.code, capsys.readouterr().err
        if number == 0:
            (tmp_path / "my_bank" / "mapping.yml").write_text(mapping)
    found = query(
        Home.of(tmp_path / "my_bank" / "warehouse"), "select count(*) from contract.labels"
    )
    assert found == [(30_000,)]
