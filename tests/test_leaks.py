"""What tells the answer, or what comes later, is no field, or is warned of."""

from __future__ import annotations

from io import StringIO
from pathlib import Path

import pytest
from own_tables import staged, write_table
from rich.console import Console

from pragma_sql.datasets.dataset import dataset_vars
from pragma_sql.datasets.init import Project, init, summary

LOANS = """
    select 'u' || (i % 9) as client, timestamp '2024-01-01' + interval (i) day as granted,
        date '2024-01-01' + (i + if(i % 3 = 0, 0, 30))::integer as closed, i as amount,
        i % 2 as is_fraud, strftime(date '2024-01-01' + (i + 5)::integer, '%d.%m.%Y') as paid,
        (date '2020-01-01' + i::integer)::varchar as opened
    from range(100) as t(i)
"""
EVENTS = "events: {loans: {files: loans.parquet, user: client, time: granted%s}}\n"
LABEL = "{files: loans.parquet, user: client, moment: granted, label: is_fraud}"


@pytest.fixture
def bank(tmp_path: Path) -> Path:
    write_table(tmp_path / "loans.parquet", LOANS)
    return tmp_path


def guessed(bank: Path) -> Project:
    return init(bank / "project", [f"loans={bank / 'loans.parquet'}"])


def test_a_guess_leaves_out_what_lies_after_the_row_or_is_called_as_an_answer(bank: Path) -> None:
    made = guessed(bank)
    assert "fields: [amount, opened]" in (bank / "project" / "mapping.yml").read_text()
    said = "\n".join(summary(made))
    for name in ("is_fraud is called as an answer is", "closed lies after", "paid lies after"):
        assert f"note: events.loans: {name}" in said
    assert "(66 of 100, such as 2024-02-01)" in said


def test_the_column_of_a_label_is_left_out_of_the_same_tables_fields_and_said(bank: Path) -> None:
    made = staged(bank, f"{EVENTS % ''}labels: {{fraud: {LABEL}}}")
    assert "is_fraud" not in made.fields()[0]
    assert any("is_fraud is the answer of labels.fraud, so it is left out" in n for n in made.notes)


def test_the_column_of_a_label_that_is_listed_is_warned_of(bank: Path) -> None:
    listed = EVENTS % ", fields: [amount, is_fraud]"
    made = staged(bank, f"{listed}labels: {{fraud: {LABEL}}}")
    assert "is_fraud" in made.fields()[0]
    assert "warning: events.loans.fields: is_fraud is the answer of labels.fraud" in made.notes[-1]


def test_an_attribute_that_is_a_label_is_left_out(bank: Path) -> None:
    profiles = "profiles: {files: loans.parquet, user: client, as_of: granted}\n"
    made = staged(bank, f"{EVENTS % ''}{profiles}labels: {{fraud: {LABEL}}}")
    assert "is_fraud" not in dict(made.profiles[0][2])  # type: ignore[call-overload]


def test_a_moment_after_the_rows_own_is_warned_of_by_init_and_by_a_build(bank: Path) -> None:
    guessed(bank)
    mapping = bank / "project" / "mapping.yml"
    mapping.write_text(mapping.read_text().replace("[amount, opened]", "[amount, closed, opened]"))
    said = "\n".join(summary(init(bank / "project")))
    warning = "warning: events.loans: closed lies after `time` (66 of 100, such as 2024-02-01"
    assert warning in said
    console = Console(file=StringIO())
    dataset_vars(None, ["fit_until=2024-03-01"], bank / "project", console)
    assert warning in console.file.getvalue()  # type: ignore[attr-defined]
    assert "opened lies" not in said


def test_a_column_that_lies_later_once_is_a_wrong_clock(tmp_path: Path) -> None:
    write_table(
        tmp_path / "loans.parquet",
        "select 'u' as client, timestamp '2024-01-01' + interval (i) day as granted,"
        " date '2024-01-01' + (if(i = 7, 999, i))::integer as booked from range(200) as t(i)",
    )
    assert staged(tmp_path, EVENTS % "").notes == ()
