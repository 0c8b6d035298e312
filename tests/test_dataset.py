"""A warehouse holds one dataset: it remembers which, builds that, and refuses another by name."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from io import StringIO
from pathlib import Path

import datasets
import duckdb
import pytest
from rich.console import Console
from typer.testing import CliRunner, Result
from workplace import Workplace

from pragma_sql.cli import app
from pragma_sql.datasets.dataset import dataset_of, dataset_vars
from pragma_sql.datasets.init import init
from pragma_sql.formats.errors import PragmaError
from pragma_sql.formats.paths import Home
from pragma_sql.warehouse.build import build

Value = str | int | float
CARDS = "user_id,ts,amount,shop\n" + "".join(
    f"u{n % 12},2024-0{1 + n % 9}-1{n % 10} 10:00:00,{n * 37 % 101}.50,shop {n % 4}\n"
    for n in range(240)
)


@pytest.fixture
def home(toy: Home, workplace: Workplace) -> Home:
    """A copy of the toy warehouse that has taken the workplace's dataset for its own."""
    home = workplace.restore(toy.root)
    workplace.write()
    workplace.build("+events")
    return home


def pragma(*words: str) -> Result:
    return CliRunner().invoke(app, list(words))


def events_of(home: Home) -> int:
    with duckdb.connect(str(home.warehouse), read_only=True) as con:
        return int(con.execute("select count(*) from contract.events").fetchall()[0][0])


def said_by(home: Home, variables: Mapping[str, Value], project: Path | None = None) -> str:
    printed = StringIO()
    console = Console(file=printed, width=400)
    build(home, variables, select=["+events"], project=project, progress=console)
    return printed.getvalue()


def test_a_build_that_names_no_dataset_builds_the_one_that_the_warehouse_holds(
    home: Home, workplace: Workplace
) -> None:
    built = pragma("build", "--home", str(home.root), "--select", "+events")
    assert built.exit_code == 0, built.exception
    held = dataset_of(home.warehouse)
    assert held is not None
    assert (held.kind, held.root) == ("folder", str(workplace.dataset))
    assert events_of(home) == len(datasets.toy_events())


@pytest.mark.parametrize("command", ["build", "validate"])
def test_a_new_warehouse_asks_which_dataset_it_is_to_hold(command: str, tmp_path: Path) -> None:
    asked = pragma(command, "--home", str(tmp_path / "new"))
    assert isinstance(asked.exception, PragmaError)
    for word in ("no dataset is named", "--contract", "--project", "pragma demo"):
        assert word in str(asked.exception)
    assert not (tmp_path / "new").exists()


def test_another_folder_is_refused_by_name_and_nothing_changes(home: Home, tmp_path: Path) -> None:
    other = datasets.write_dataset(
        tmp_path / "other", datasets.toy_events()[:9], datasets.toy_profiles()
    )
    before = events_of(home)
    with pytest.raises(PragmaError, match=r"holds the dataset it's a \[1\] dataset\? .*not other"):
        build(home, {**dataset_vars(other, []), **datasets.TOY_VARS})
    assert events_of(home) == before


def test_the_purchase_cards_are_not_built_into_another_dataset(home: Home) -> None:
    with pytest.raises(PragmaError, match="not purchase_cards") as refused:
        build(home, {"dataset": "purchase_cards"})
    assert "--home NEW" in refused.value.next_step


def test_a_folder_that_has_moved_is_said_and_read(
    home: Home, workplace: Workplace, tmp_path: Path
) -> None:
    moved = tmp_path / "elsewhere" / workplace.dataset.name
    moved.parent.mkdir()
    shutil.move(workplace.dataset, moved)
    asked = pragma("build", "--home", str(home.root))
    assert "is not there any more" in str(asked.exception)
    said = said_by(home, {**dataset_vars(moved, []), **datasets.TOY_VARS})
    assert f"is read from {moved} from now on" in said
    held = dataset_of(home.warehouse)
    assert held is not None
    assert held.root == str(moved)


def test_a_dataset_whose_first_build_failed_may_be_exchanged(
    workplace: Workplace, tmp_path: Path
) -> None:
    workplace.write()
    with pytest.raises(PragmaError):
        workplace.build("+events", fit_users="nobody", contract_dir=str(tmp_path / "no"))
    workplace.build("+events")
    held = dataset_of(workplace.home.warehouse)
    assert held is not None
    assert held.root == str(workplace.dataset)


@pytest.mark.slow
def test_what_init_writes_builds_as_it_stands_also_without_fit_until(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From a csv and no edit; then the mapping changes, and the dataset stays the same one."""
    monkeypatch.delenv("PRAGMA_HOME", raising=False)
    (tmp_path / "cards.csv").write_text(CARDS)
    project = tmp_path / "bank"
    init(project, [f"cards={tmp_path / 'cards.csv'}"])
    (project / "dbt_project.yml").unlink()
    init(project)
    assert 'fit_until: ""' in (project / "dbt_project.yml").read_text()

    home = Home.of(project=project)
    built = pragma("build", "--project", str(project), "--select", "+event_tokens")
    assert built.exit_code == 0, built.exception
    with duckdb.connect(str(home.warehouse), read_only=True) as con:
        assert con.execute("select count(*) from tokens.event_tokens").fetchall() == [(240,)]
        reason = con.execute("select reason from fit.population").fetchall()
    assert reason == [("just after the latest event and profile",)]

    mapping = project / "mapping.yml"
    mapping.write_text(mapping.read_text() + "\n# another day\n")
    init(project)
    said = said_by(home, dataset_vars(None, [], project), project)
    assert "the mapping.yml of bank has changed since the last build" in said
    assert said_by(home, dataset_vars(None, [], project), project).count("has changed") == 0
