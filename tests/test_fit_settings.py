"""A frozen fit ignores settings that were changed since; each build says which, by name."""

from __future__ import annotations

import json
from io import StringIO
from pathlib import Path

import duckdb
import pytest
from dbt.adapters.duckdb.connections import DuckDBConnectionManager
from dbt.cli.main import dbtRunner
from rich.console import Console
from typer.testing import CliRunner
from workplace import Workplace

from pragma_sql.cli import app
from pragma_sql.formats.errors import PragmaError
from pragma_sql.formats.paths import DBT_PROJECT, Home
from pragma_sql.warehouse.build import build, validate
from pragma_sql.warehouse.fit_settings import asked_for, differences, made_with

EVENTS = ["+events"]


@pytest.fixture
def home(toy: Home, workplace: Workplace) -> Home:
    """A copy of the toy warehouse, whose fit was made with the toy's vars."""
    home = workplace.restore(toy.root)
    workplace.write()
    return home


def said_by(place: Workplace, **more: object) -> str:
    console = StringIO()
    build(
        place.home, place.variables(**more), select=EVENTS,
        progress=Console(file=console, width=400),
    )  # fmt: skip
    return console.getvalue()


def test_a_build_as_before_has_nothing_to_say(home: Home, workplace: Workplace) -> None:
    assert "warning" not in said_by(workplace, neighbours=3, drift_days=2)


def test_each_changed_var_is_named_with_both_values_and_the_command(
    home: Home, workplace: Workplace
) -> None:
    said = said_by(
        workplace, bins=4, fit_until="2024-06-01", calendar_tz="Europe/Prague", test_share=0.3,
        missing_words=["none"],
    )  # fmt: skip
    for line in (
        "warning: 5 settings of the fit would be others today, and are ignored",
        "bins: the fit was made with 8, asked for is 4",
        "fit_until: the fit was made with 2024-07-01, asked for is 2024-06-01",
        "calendar_tz: the fit was made with UTC, asked for is Europe/Prague",
        "test_share: the fit was made with 0.2, asked for is 0.3",
        "pragma build --refit",
    ):
        assert said.count(line) == 1
    assert 'asked for is ["none"]' in said


@pytest.mark.slow
def test_plain_dbt_names_each_as_well_and_nothing_where_all_is_as_it_was(
    home: Home, workplace: Workplace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PRAGMA_HOME", str(home.root))
    said: list[str] = []
    runner = dbtRunner(callbacks=[lambda event: said.append(getattr(event.data, "msg", ""))])
    for more in ({}, {"bins": 4, "missing_words": ["none"]}):
        said.clear()
        asked = json.dumps(workplace.variables(**more))
        folders = ["--project-dir", str(DBT_PROJECT), "--profiles-dir", str(DBT_PROJECT)]
        paths = ["--target-path", str(home.dbt / "target"), "--log-path", str(home.dbt / "logs")]
        try:
            command = ["build", "--select", "settings", "field_overrides", "--vars", asked]
            assert runner.invoke([*command, *folders, *paths]).success
        finally:
            DuckDBConnectionManager.close_all_connections()
        told = [line for line in said if line.startswith("warning")]
        assert [line.split(": ")[1] for line in told] == sorted(more)
    assert told[0] == (
        "warning: bins: the fit was made with 8, asked for is 4, which is ignored until "
        "`pragma build --refit`"
    )


def test_strict_makes_it_an_error_before_anything_is_built(
    home: Home, workplace: Workplace
) -> None:
    before = home.warehouse.stat().st_mtime_ns
    for run in (build, validate):
        with pytest.raises(PragmaError, match="bins: the fit was made with 8, asked for is 4"):
            run(home, workplace.variables(bins=4), strict=True)  # type: ignore[operator]
    assert home.warehouse.stat().st_mtime_ns == before
    told = ["--home", str(home.root), "--contract", str(workplace.dataset), "--var", "bins=4"]
    assert CliRunner().invoke(app, ["validate", "--strict", *told]).exit_code == 1


def test_vars_that_nobody_gives_again_are_those_of_the_fit(
    home: Home, workplace: Workplace
) -> None:
    """A folder of contract files has no place that would say them."""
    console = StringIO()
    told = {"dataset": "folder", "contract_dir": str(workplace.dataset)}
    build(home, told, select=EVENTS, progress=Console(file=console, width=400))
    assert "warning" not in console.getvalue()


def test_each_changed_override_is_named(tmp_path: Path) -> None:
    made = {
        "field_overrides.csv: mcc": "category",
        "field_overrides.csv: shop": "text, static",
        "bins": "64",
    }
    (tmp_path / "seeds").mkdir()
    (tmp_path / "seeds" / "field_overrides.csv").write_text(
        "key,kind,static,dataset\nmcc,numeric,,\nage,,true,mine\nshop,text,true,\nsex,drop,,other\n"
    )
    (tmp_path / "dbt_project.yml").write_text("vars: {dataset: mine}\n")
    assert differences(made, {}, tmp_path) == [
        "field_overrides.csv: age: the fit was made with nothing, asked for is static",
        "field_overrides.csv: mcc: the fit was made with category, asked for is numeric",
    ]


def test_the_file_of_overrides_is_read_as_the_seed_is(home: Home) -> None:
    made = made_with(home.warehouse)
    assert made is not None
    with duckdb.connect(str(home.warehouse), read_only=True) as con:
        seeds = con.execute("select key, coalesce(dataset, '') from fit.field_overrides").fetchall()
    for dataset in {dataset for _, dataset in seeds} | {"mine"}:
        asked = asked_for(made, {"dataset": dataset}, None)
        keys = {name.split(": ")[1] for name in asked if name.startswith("field_overrides")}
        assert keys == {key for key, of_dataset in seeds if of_dataset in ("", dataset)}
