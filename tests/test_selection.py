"""`pragma build --select`: words as dbt takes them, with what they need."""

from __future__ import annotations

import datasets
import pytest
from typer.testing import CliRunner, Result
from workplace import Workplace

from pragma_sql.cli import app

VARS = [word for name, value in datasets.TOY_VARS.items() for word in ("--var", f"{name}={value}")]


def select(place: Workplace, *words: str) -> Result:
    where = ["--home", str(place.home.root), "--contract", str(place.write())]
    return CliRunner().invoke(app, ["build", *where, *VARS, *words])


@pytest.mark.slow
def test_several_words_are_taken_as_dbt_takes_them(workplace: Workplace) -> None:
    ran = select(workplace, "--select", "contract", "fit", "texts", "--select", "event_tokens")
    assert ran.exit_code == 0, ran.output
    for model in ("contract.checks", "fit.tokenizer", "tokens.event_tokens"):
        assert model in ran.output
    assert "token_drift" not in ran.output


def test_a_selection_that_lacks_what_it_reads_says_so(workplace: Workplace) -> None:
    ran = select(workplace, "--select", "fit")
    assert ran.exit_code == 1
    said = "source_values reads events, which this warehouse does not have yet"
    assert said in str(ran.exception)
    assert "pragma build --select +fit" in str(ran.exception)


def test_a_word_that_names_nothing_is_refused(workplace: Workplace) -> None:
    ran = select(workplace, "--select", "fitt", "tokns")
    assert "--select fitt tokns: there is nothing to build of that name" in str(ran.exception)


def test_a_word_without_select_is_refused(workplace: Workplace) -> None:
    ran = select(workplace, "my_bank")
    assert "what is meant by my_bank?" in str(ran.exception)
