"""The fit on difficult data: dirty numbers, codes, caps, keys that look like SQL, overrides."""

from __future__ import annotations

import io
import json
import shutil
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import datasets
import duckdb
import pytest
from rich.console import Console
from workplace import Workplace

from pragma_sql.datasets.dataset import dataset_vars
from pragma_sql.formats.errors import PragmaError
from pragma_sql.formats.packing import EVT, MASK, PAD, UNK, USR
from pragma_sql.formats.paths import DBT_PROJECT, MACROS, Home
from pragma_sql.warehouse.build import build
from pragma_sql.warehouse.render import load_macros

NASTY = [
    'amount"; drop table fit.fields; --',
    "o'brien\n{{ refuse('no') }} {% raw %}",
    "k" * 10_000,
    "寿司 🍣",
    " ",
]

OVERRIDES = """key,kind,static,dataset
note,text_embed,,
device,category,,
secret,drop,,
born,,true,
amonut,numeric,,
elsewhere,numeric,,another_dataset
"""

CAP = 1_000


def amount(number: int) -> str:
    """Two decimals; in a thousand a few are written otherwise, or not at all."""
    odd = {0: "N/A", 1: "", 2: "1e400", 3: f"{number},50", 4: f"€ {number}.25", 5: "1,234.50"}
    return odd.get(number % 200, f"{number / 7:.2f}")


def difficult_events() -> list[datasets.Event]:
    """2,000 events of 40 users before July 2024, one after it."""
    events = []
    for number in range(2_000):
        fields: dict[str, str | None] = {
            "amount": amount(number),
            "mcc": "N/A" if number % 100 == 7 else str(5_000 + number % 300),
            "postcode": f"{number % 400:05d}",
            "terminal": str(1_000 + number % 250),
            "age": str(number % 900),
            "device": f"device {number % (CAP + 50)}",
            "note": f"note {number}",
            "secret": "yes",
            "nothing": None,
            "shop": "x" * 10_000 + str(number) if number % 100 == 0 else f"shop {number}",
        }
        if number % 10 == 0:
            fields |= dict.fromkeys(NASTY, "a")
        day = f"2024-{1 + number % 6:02d}-{1 + number % 28:02d}"
        events.append(datasets.Event(f"user {number % 40:02d}", day, fields, event_id=str(number)))
    return [*events, datasets.Event("user 01", "2024-08-01", {"later": "1", "amount": "9"})]


def without_labels(dataset: Path) -> Path:
    (dataset / "labels.parquet").unlink()
    return dataset


@pytest.fixture(scope="module")
def console() -> io.StringIO:
    """What the build below said."""
    return io.StringIO()


@pytest.fixture(scope="module")
def difficult(
    tmp_path_factory: pytest.TempPathFactory, console: io.StringIO
) -> Iterator[duckdb.DuckDBPyConnection]:
    """The fit of the difficult dataset, with overrides of its own."""
    root = tmp_path_factory.mktemp("difficult")
    profiles = [
        datasets.Profile("user 01", "2024-01-01", {"region": "north", "born": "1980"}),
        datasets.Profile("user 02", "2024-09-01", {"mood": "good", "born": "1990"}),
    ]
    dataset = without_labels(datasets.write_dataset(root / "dataset", difficult_events(), profiles))
    shutil.copytree(DBT_PROJECT, root / "dbt_project")
    shutil.copytree(MACROS, root / "macros")
    (root / "dbt_project" / "seeds" / "field_overrides.csv").write_text(OVERRIDES)
    home = Home.of(root / "home")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("pragma_sql.warehouse.build.DBT_PROJECT", root / "dbt_project")
        build(
            home,
            {**dataset_vars(dataset, []), "fit_until": "2024-07-01", "fit_users": "all"},
            select=["+tokenizer"],
            progress=Console(file=console, width=200),
        )
    with duckdb.connect(str(home.warehouse), read_only=True) as con:
        yield con


def field(con: duckdb.DuckDBPyConnection, key: str) -> dict[str, object]:
    """The row of fit.fields."""
    rows = con.execute("from fit.fields where key = $key", {"key": key}).to_arrow_table()
    (row,) = rows.to_pylist()
    return dict(row)


def test_a_few_dirty_values_leave_an_amount_numeric_and_are_counted(
    difficult: duckdb.DuckDBPyConnection,
) -> None:
    row = field(difficult, "amount")
    assert (row["kind"], row["missing"], row["unparsed"]) == ("numeric", 20, 10)
    distinct = len({amount(number) for number in range(2_000)})
    assert row["reason"] == (
        "a quantity (85.8% with decimals, named like a quantity): "
        f"99.4% of 1,980 values are numbers, {distinct:,} distinct, "
        "besides 20 that say nothing"
    )


def test_codes_that_look_like_numbers_are_categories_and_say_why(
    difficult: duckdb.DuckDBPyConnection,
) -> None:
    reasons = {key: field(difficult, key) for key in ("mcc", "postcode", "terminal")}
    assert {row["kind"] for row in reasons.values()} == {"category"}
    assert "named like a code, all of 4 digits" in str(reasons["mcc"]["reason"])
    assert "2,000 with a leading zero" in str(reasons["postcode"]["reason"])
    assert "all of 4 digits" in str(reasons["terminal"]["reason"])


def test_whole_numbers_with_many_values_stay_a_quantity(
    difficult: duckdb.DuckDBPyConnection,
) -> None:
    assert field(difficult, "age")["kind"] == "numeric"


def test_values_beyond_the_cap_are_counted(difficult: duckdb.DuckDBPyConnection) -> None:
    row = field(difficult, "device")
    assert (row["distinct_values"], row["capped_values"]) == (CAP + 50, 50)
    own = difficult.execute("select count(*), sum(n) from fit.categories where key = 'device'")
    assert own.fetchall() == [(CAP, 2_000 - int(str(row["capped_n"])))]


def test_a_key_that_is_null_or_dropped_or_too_late_has_no_token(
    difficult: duckdb.DuckDBPyConnection,
) -> None:
    keys = {key for (key,) in difficult.execute("select key from fit.vocabulary").fetchall()}
    assert not keys & {"nothing", "secret", "later", "mood"}
    assert "region" in keys


def test_keys_that_look_like_sql_or_jinja_are_keys_like_any_other(
    difficult: duckdb.DuckDBPyConnection,
) -> None:
    (spec,) = difficult.execute("select spec from fit.tokenizer").fetchall()[0]
    assert set(NASTY) <= {entry["key"] for entry in json.loads(spec)["fields"]}


def test_a_text_embed_key_has_one_token_that_the_spec_names(
    difficult: duckdb.DuckDBPyConnection,
) -> None:
    (spec,) = difficult.execute("select spec from fit.tokenizer").fetchall()[0]
    (entry,) = [entry for entry in json.loads(spec)["fields"] if entry["key"] == "note"]
    assert entry["kind"] == "text_embed"
    tokens = difficult.execute(
        "select token_id, value from fit.vocabulary where kind = 'text_embed'"
    )
    assert tokens.fetchall() == [(entry["first_id"], "[TEXT]")]
    assert difficult.execute("from fit.bpe_texts where value like 'note%'").fetchall() == []


def test_a_static_attribute_is_fitted_whenever_its_snapshot_was_taken(
    difficult: duckdb.DuckDBPyConnection,
) -> None:
    born = field(difficult, "born")
    assert (born["n"], born["static"], field(difficult, "region")["static"]) == (2, True, False)
    (spec,) = difficult.execute("select spec from fit.tokenizer").fetchall()[0]
    statics = [entry["key"] for entry in json.loads(spec)["fields"] if entry["static"]]
    assert statics == ["born"]


def test_an_override_of_a_key_that_never_occurs_is_said(
    difficult: duckdb.DuckDBPyConnection, console: io.StringIO
) -> None:
    (line,) = [line for line in console.getvalue().splitlines() if "never occur" in line]
    assert "1 of its keys never occurs" in line
    assert "amonut" in line


def test_long_texts_are_cut_for_training_and_still_encode(
    difficult: duckdb.DuckDBPyConnection,
) -> None:
    longest = difficult.execute("select max(length(value)) from fit.bpe_texts").fetchall()
    assert longest == [(128,)]


def test_ids_have_no_gaps_and_kinds_follow_each_other(
    difficult: duckdb.DuckDBPyConnection,
) -> None:
    rows = difficult.execute(
        "select token_id, kind from fit.vocabulary order by token_id"
    ).fetchall()
    assert [token for token, _ in rows] == list(range(len(rows)))
    runs = [kind for i, (_, kind) in enumerate(rows) if i == 0 or rows[i - 1][1] != kind]
    assert runs == ["special", "key", "category", "number", "text_embed", "text"]
    assert len(rows) <= 28_000


def test_the_special_tokens_have_the_same_ids_in_sql_and_in_the_model(
    difficult: duckdb.DuckDBPyConnection,
) -> None:
    query = "select value, token_id from fit.vocabulary where kind = 'special'"
    ids = {"[PAD]": PAD, "[MASK]": MASK, "[UNK]": UNK, "[USR]": USR, "[EVT]": EVT}
    assert dict(difficult.execute(query).fetchall()) == ids
    assert int(load_macros()["unk_id"]()) == UNK


@pytest.fixture
def small(workplace: Workplace) -> Path:
    """A dataset of ten users in 2024, without labels."""
    events = [
        datasets.Event(f"user {n}", f"2024-0{1 + n % 6}-01", {"amount": f"{n}.5"})
        for n in range(10)
    ]
    profiles = [datasets.Profile("user 1", "2024-07-01")]
    return without_labels(workplace.write(events, profiles))


def population(home: Home) -> tuple[object, ...]:
    with duckdb.connect(str(home.warehouse), read_only=True) as con:
        return con.execute("select fit_until, reason from fit.population").fetchall()[0]


def test_without_labels_the_fit_sees_all_there_is_and_says_so(
    small: Path, workplace: Workplace
) -> None:
    console, home = io.StringIO(), workplace.home
    progress = Console(file=console, width=200)
    build(home, dataset_vars(small, []), select=["+population"], progress=progress)
    until = datetime(2024, 7, 1, 0, 0, 0, 1)
    assert population(home) == (until, "just after the latest event and profile")
    assert f"fit: training users, before {until}" in console.getvalue()


def test_with_labels_the_fit_ends_before_the_first_of_them(workplace: Workplace) -> None:
    events = [datasets.Event(f"user {n}", "2024-01-01") for n in range(10)]
    labels = [datasets.Label("t", "user 1", day, 1.0) for day in ("2024-05-01", "2024-03-01")]
    profiles = [datasets.Profile("user 1", "2024-07-01")]
    home = workplace.home
    build(home, dataset_vars(workplace.write(events, profiles, labels), []), select=["+population"])
    assert population(home) == (datetime(2024, 3, 1), "the earliest moment of a label")


@pytest.mark.parametrize(
    ("pairs", "words"),
    [
        (["fit_until=2016-07-01"], ("2016-07-01", "2024-01-01", "2024-06-01", "fit_until")),
        (["fit_until=yesterday"], ("yesterday", "2024-01-31")),
        (["fit_users=test"], ("'test'", "train or all")),
    ],
)
def test_a_population_that_makes_no_sense_is_refused_in_a_sentence(
    pairs: list[str], words: tuple[str, ...], small: Path, workplace: Workplace
) -> None:
    with pytest.raises(PragmaError) as refusal:
        build(workplace.home, dataset_vars(small, pairs), select=["+population"])
    said = str(refusal.value)
    assert all(word in said for word in words)
    assert "next: " in said
    assert len(said.splitlines()) == 2


def test_a_vocabulary_too_small_for_its_categories_is_refused(
    small: Path, workplace: Workplace
) -> None:
    with pytest.raises(PragmaError, match=r"needs \d+ ids at least .* vocabulary_size is 7"):
        build(workplace.home, dataset_vars(small, ["vocabulary_size=7"]), select=["+tokenizer"])
