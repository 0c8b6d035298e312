"""What had another name before is still read: a dataset was called a book."""

from __future__ import annotations

import io
from pathlib import Path

import duckdb
import pytest
from rich.console import Console
from typer.testing import CliRunner
from workplace import Workplace

from pragma_sql.cli import app
from pragma_sql.datasets.dataset import dataset_vars
from pragma_sql.datasets.init import init
from pragma_sql.datasets.mapping_file import parse_mapping
from pragma_sql.datasets.user_project import project_vars

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
