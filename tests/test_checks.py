"""The contract's gate: Great Expectations decides on each rule; a broken one stops a build."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import duckdb
import pytest
from checking import checked, store_violations, verdicts
from clean_dataset import CLEAN_DATASET, events, profiles

from pragma_sql.checks.gate import (
    CheckResult,
    count_rejected,
    data_docs_page,
    known_keys,
    raise_if_broken,
    raise_if_stopped,
    read_checks,
    to_arrow,
)
from pragma_sql.checks.rules import contract_rules
from pragma_sql.formats.errors import PragmaError
from pragma_sql.formats.paths import Home

TWO_WITHOUT_USER = events("null, '2024-01-09', 'card', map {}, 'x'") * 2
A_STRANGER = profiles("'cleo', '2024-01-01', map {}, []")
MARKUP = events("'ann', null, '<script>alert(1)</script>', map {}, null")


@dataclass(frozen=True)
class Gate:
    """One run of the gate: what it returned and the home that it wrote into."""

    results: list[CheckResult]
    home: Home

    @property
    def docs(self) -> Path:
        return self.home.data_docs

    @property
    def broken(self) -> dict[str, int]:
        return {result.rule.name: result.rows for result in self.results if not result.passed}


def gate(root: Path, spoiled: str = "") -> Gate:
    with duckdb.connect() as con:
        con.execute(CLEAN_DATASET + spoiled)
        return Gate(checked(con, root), Home(root))


@pytest.fixture(scope="module")
def clean(tmp_path_factory: pytest.TempPathFactory) -> Gate:
    return gate(tmp_path_factory.mktemp("clean"))


@pytest.fixture(scope="module")
def spoiled(tmp_path_factory: pytest.TempPathFactory) -> Gate:
    return gate(tmp_path_factory.mktemp("spoiled"), TWO_WITHOUT_USER + A_STRANGER + MARKUP)


@pytest.fixture
def dataset() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as con:
        con.execute(CLEAN_DATASET)
        yield con


def refusal(results: list[CheckResult]) -> PragmaError:
    with pytest.raises(PragmaError) as caught:
        raise_if_broken(results)
    return caught.value


def say_passed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let Great Expectations find no unexpected row, whatever there is."""
    from great_expectations.expectations.core import UnexpectedRowsExpectation

    def passed(*_: object, **__: object) -> dict[str, object]:
        return {"success": True, "result": {"observed_value": 0, "details": {}}}

    monkeypatch.setattr(UnexpectedRowsExpectation, "_validate", passed)


def test_a_clean_dataset_passes_every_rule(clean: Gate) -> None:
    assert clean.broken == {}
    assert [result.rule for result in clean.results] == list(contract_rules())
    assert {(result.rule.relation, result.total) for result in clean.results} == {
        ("events", 5),
        ("profiles", 3),
        ("labels", 3),
        ("transfers", 1),
    }
    raise_if_broken(clean.results)


def test_broken_rules_come_back_with_their_counts(spoiled: Gate) -> None:
    assert spoiled.broken == {
        "events_user_id_blank": 2,
        "events_ts_null": 1,
        "profiles_without_events": 1,
    }


def test_each_broken_error_rule_is_one_line_with_where_how_many_and_an_example(
    spoiled: Gate,
) -> None:
    error = refusal(spoiled.results)
    assert error.what.splitlines() == [
        "contract.events.user_id: 2 of 8 rows are null or blank, "
        "for example user_id null, ts 2024-01-09 00:00:00, source card",
        "contract.events.ts: 1 of 8 rows are null, "
        "for example user_id ann, ts null, source <script>alert(1)</script>",
    ]
    assert error.next_step == (
        "fix the rows or the mapping, then run `pragma validate`, or set the rows aside with "
        f"`pragma build --quarantine`; all checks: {data_docs_page(spoiled.docs)}"
    )


def test_one_broken_rule_says_how_to_fix_it(spoiled: Gate) -> None:
    only = [result for result in spoiled.results if result.rule.name == "events_user_id_blank"]
    assert refusal(only).next_step.startswith(
        "say whose event it is, or drop the row, then run `pragma validate`, or set the rows aside "
    )


def test_no_rows_at_all_are_said_plainly(clean: Gate) -> None:
    first = clean.results[0].rule
    empty = CheckResult(first, passed=False, rows=1, total=0, example="", page=Path("page.html"))
    assert refusal([empty]).what == "contract.events: there are no rows"


def test_a_warning_stops_nothing(spoiled: Gate) -> None:
    warnings = [result for result in spoiled.results if result.rule.severity == "warn"]
    assert not all(result.passed for result in warnings)
    raise_if_broken(warnings)


def test_the_page_shows_every_rule_with_its_count_and_examples(spoiled: Gate) -> None:
    page = data_docs_page(spoiled.docs).read_text()
    for rule in contract_rules():
        assert f"{rule.name} ({rule.severity}): no rows of {rule.where} " in page
    shown = " ".join(re.sub("<[^>]*>", " ", page).split())
    assert "2 unexpected values found. 25% of 8 total rows." in shown
    assert page.count("user_id null, ts 2024-01-09 00:00:00, source card") == 1


def test_what_is_in_a_row_is_never_markup_in_the_page(spoiled: Gate) -> None:
    page = data_docs_page(spoiled.docs).read_text()
    assert "source &lt;script&gt;alert(1)&lt;/script&gt;" in page
    assert "<script>alert(1)" not in page


def test_the_index_and_the_suite_lie_beside_the_page(clean: Gate) -> None:
    assert (clean.docs / "index.html").is_file()
    suite = (clean.docs / "expectations" / "contract.html").read_text()
    assert "All such rows: <code>select * from contract.events where ts is null</code>" in suite


def test_the_pages_are_replaced_whole(dataset: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    checked(dataset, tmp_path)
    (tmp_path / "data_docs" / "note.txt").touch()
    checked(dataset, tmp_path)
    assert not (tmp_path / "data_docs" / "note.txt").exists()
    assert len(list((tmp_path / "data_docs" / "validations").glob("**/*.html"))) == 1


def test_the_results_are_rows_for_the_warehouse(spoiled: Gate) -> None:
    rows = to_arrow(spoiled.results).to_pylist()
    assert len(rows) == len(contract_rules())
    assert rows[1] == {
        "rule": "events_user_id_blank",
        "relation": "events",
        "column_name": "user_id",
        "severity": "error",
        "rows": 2,
        "total": 8,
        "example": "user_id null, ts 2024-01-09 00:00:00, source card",
        "passed": False,
        "rejected": 0,
        "fix": "say whose event it is, or drop the row",
    }


def test_what_was_set_aside_is_counted(dataset: duckdb.DuckDBPyConnection, spoiled: Gate) -> None:
    dataset.register("found", to_arrow(spoiled.results))
    dataset.execute("create table contract.checks as from found")
    count_rejected(dataset, {"events_user_id_blank": 2, "labels_user_unknown": 1})
    query = "select rule, rejected from contract.checks where rejected > 0"
    assert dataset.execute(query).fetchall() == [
        ("events_user_id_blank", 2),
        ("labels_user_unknown", 1),
    ]


def test_what_was_found_can_be_read_back(
    dataset: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    dataset.execute(TWO_WITHOUT_USER)
    results = checked(dataset, tmp_path)
    dataset.register("found", to_arrow(results))
    dataset.execute("create table contract.checks as from found")
    assert read_checks(dataset, tmp_path / "data_docs") == results


def test_keys_count_as_known_when_the_fit_has_or_drops_them(
    dataset: duckdb.DuckDBPyConnection,
) -> None:
    assert known_keys(dataset) == []
    dataset.execute("create schema fit")
    dataset.execute("create table fit.fields as select unnest(['amount', 'source']) as key")
    dataset.execute("create table fit.field_overrides as select 'memo' as key, 'drop' as kind")
    assert sorted(known_keys(dataset)) == ["amount", "memo"]


def test_an_unknown_key_is_a_warning_in_the_gate(
    dataset: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    dataset.execute("create schema fit; create table fit.fields as select 'amount' as key")
    results = checked(dataset, tmp_path)
    broken = {result.rule.name: result.rule.severity for result in results if not result.passed}
    assert broken == {
        "events_fields_key_unknown": "warn",
        "profiles_attributes_key_unknown": "warn",
    }


def test_a_part_of_the_events_can_be_checked(
    dataset: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    dataset.execute("create view contract.new_events as from contract.events where user_id = 'bob'")
    results = checked(dataset, tmp_path, events="contract.new_events")
    assert {result.total for result in results if result.rule.relation == "events"} == {1}
    assert all(result.passed for result in results)


def test_a_validation_that_found_a_broken_rule_ends_in_an_error(spoiled: Gate) -> None:
    with pytest.raises(PragmaError, match=r"2 rules .* events_user_id_blank, events_ts_null"):
        raise_if_stopped(to_arrow(spoiled.results))
    warnings = [result for result in spoiled.results if result.rule.severity == "warn"]
    raise_if_stopped(to_arrow(warnings))


def test_the_connection_is_left_as_it_was_and_nothing_is_printed(
    dataset: duckdb.DuckDBPyConnection, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    store_violations(dataset)
    tables = "select database_name, schema_name, table_name from duckdb_tables() order by all"
    before = dataset.execute(tables).fetchall()
    verdicts(dataset, tmp_path)
    assert dataset.execute(tables).fetchall() == before
    assert capfd.readouterr() == ("", "")


def test_the_verdict_is_on_the_relation_of_violations(
    dataset: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    store_violations(dataset)
    dataset.execute("insert into contract.violations values ('events_ts_null', 1, 'planted', 3)")
    (broken,) = [result for result in verdicts(dataset, tmp_path) if not result.passed]
    assert refusal([broken]).what == (
        "contract.events.ts: 3 of 5 rows are null, for example planted"
    )
    dataset.execute(TWO_WITHOUT_USER + "delete from contract.violations")
    assert all(result.passed for result in verdicts(dataset, tmp_path))


def test_the_library_alone_decides(
    dataset: duckdb.DuckDBPyConnection, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dataset.execute(TWO_WITHOUT_USER)
    say_passed(monkeypatch)
    assert all(result.passed for result in checked(dataset, tmp_path))


def test_where_the_library_fails_no_rule_passes(
    dataset: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    checked(dataset, tmp_path)
    page = data_docs_page(tmp_path / "data_docs")
    dataset.execute("alter table contract.violations rename column rule to name")
    with pytest.raises(PragmaError, match=r"no verdict on events_missing: .*\"rule\" not found"):
        verdicts(dataset, tmp_path)
    assert page.is_file()


def test_a_rule_that_the_results_lack_does_not_pass(
    dataset: duckdb.DuckDBPyConnection, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from pragma_sql.checks import expectations

    every = expectations.contract_suite
    monkeypatch.setattr(expectations, "contract_suite", lambda rules: every(rules[:-1]))
    with pytest.raises(PragmaError, match="on transfers_user_unknown: its results lack the rule"):
        checked(dataset, tmp_path)


def test_pages_that_were_never_written_are_asked_for_by_their_command(tmp_path: Path) -> None:
    with pytest.raises(PragmaError) as caught:
        data_docs_page(tmp_path)
    assert "pragma validate" in caught.value.next_step


def test_the_library_is_not_imported_before_it_is_needed() -> None:
    script = "import sys, pragma_sql.checks.gate; print('great_expectations' in sys.modules)"
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert ran.stdout == "False\n"
