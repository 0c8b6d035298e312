"""What had another name before is still read, such as a dataset that was called a book."""

from __future__ import annotations

import io
from pathlib import Path

import duckdb
import pytest
from older_warehouse import with_older_names
from rich.console import Console
from typer.testing import CliRunner
from workplace import Workplace

from pragma_sql.cli import app
from pragma_sql.datasets.dataset import dataset_vars
from pragma_sql.datasets.init import init
from pragma_sql.datasets.mapping_file import parse_mapping
from pragma_sql.datasets.user_project import project_vars
from pragma_sql.formats.paths import Home

Tables = dict[str, list[tuple[object, ...]]]

MAPPING = """
events:
    card: {files: cards.csv, user: user, time: day, fields: [amount, shop]}
profiles: {files: people.csv, user: user, as_of: %s, attributes: [town]}
"""


def test_a_var_of_the_old_name_is_the_var_of_the_new_one() -> None:
    assert dataset_vars(None, ["book=purchase_cards"]) == {"dataset": "purchase_cards"}


def test_a_var_of_the_old_name_is_noted() -> None:
    told = io.StringIO()
    dataset_vars(None, ["book=purchase_cards"], console=Console(file=told))
    assert told.getvalue() == "note: --var book is called dataset now\n"


def test_a_mapping_of_the_old_word_is_the_same_mapping() -> None:
    old, new = (parse_mapping(MAPPING % word) for word in ("book_end", "dataset_end"))
    assert old == new
    assert old.digest == new.digest


def tables(home: Home, name: str) -> Tables:
    """All tables of a name."""
    with duckdb.connect(str(home.warehouse), read_only=True) as con:
        query = "select schema_name from duckdb_tables() where table_name = $name order by all"
        schemas = [schema for (schema,) in con.execute(query, {"name": name}).fetchall()]
        return {schema: con.execute(f"from {schema}.{name}").fetchall() for schema in schemas}


def test_tables_of_an_older_version_are_renamed_and_nothing_is_fitted_again(
    toy: Home, workplace: Workplace
) -> None:
    home = workplace.restore(toy.root)
    workplace.write()
    earlier = f"fit_{'0' * 12}"
    (home.bundles / "of-0000").mkdir(parents=True)
    (home.bundles / "of-0000" / "manifest.json").write_text(f'{{"tokenizer_hash": "{"0" * 64}"}}')
    with duckdb.connect(str(home.warehouse)) as con:
        for schema in (earlier, "fit_next"):
            con.execute(f"create schema {schema}")
            for name in ("tokenizer", "source_keys"):
                con.execute(f"create table {schema}.{name} as from fit.{name}")
    fits, keys, texts = (tables(home, name) for name in ("tokenizer", "source_keys", "text_tokens"))
    with_older_names(home)
    assert tables(home, "schemas") == keys
    for selected in ("fit", "tokens"):
        workplace.build(selected, bins=4)
        assert tables(home, "tokenizer") == fits
        assert tables(home, "source_keys") == keys
        assert tables(home, "next_text_tokens") == texts
        assert tables(home, "text_tokens").keys() == {"tokens"}
        assert [tables(home, name) for name in ("schemas", "texts", "next_texts")] == [{}, {}, {}]
    assert set(keys) == {"fit", earlier, "fit_next"}
    with duckdb.connect(str(home.warehouse), read_only=True) as con:
        assert con.execute("from fit.schemas").fetchall() == keys["fit"]


@pytest.mark.slow
def test_a_project_that_sets_the_old_names_builds_as_it_is(
    workplace: Workplace, tmp_path: Path
) -> None:
    project = tmp_path / "bank"
    (tmp_path / "cards.csv").write_text(
        "user,day,amount,shop\n"
        + "".join(f"u{n % 9},2024-01-{1 + n % 28:02},{n}.5,shop {n % 4}\n" for n in range(200))
    )
    init(project, [f"cards={tmp_path / 'cards.csv'}"])
    settings = project / "dbt_project.yml"
    settings.write_text(
        settings.read_text()
        .replace("    dataset: bank\n", "    book: bank\n")
        .replace("dataset: varchar", "book: varchar")
    )
    assert "    book: bank\n" in settings.read_text()
    (project / "seeds" / "field_overrides.csv").write_text(
        "key,kind,static,book\namount,category,,bank\nshop,drop,,another\n"
    )
    assert project_vars(project)["dataset"] == "bank"
    home = str(workplace.home.root)
    words = ["build", "--project", str(project), "--home", home, "--select", "+tokenizer"]
    ran = CliRunner().invoke(app, words)
    assert ran.exit_code == 0, ran.output
    told = " ".join(ran.output.split())
    assert "dbt_project.yml: book is called dataset now" in told
    assert "field_overrides.csv: book is called dataset now" in told
    with duckdb.connect(str(workplace.home.warehouse), read_only=True) as con:
        kinds = dict(con.execute("select key, kind from fit.fields").fetchall())
    assert kinds["amount"] == "category"
    assert "shop" in kinds
