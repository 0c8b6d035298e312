"""The same rows give the same tables, bit for bit."""

from __future__ import annotations

import random
from dataclasses import replace
from pathlib import Path

import datasets
import duckdb
import pytest
from workplace import EVENTS, Workplace

from pragma_sql.datasets.dataset import dataset_vars
from pragma_sql.formats.paths import Home
from pragma_sql.warehouse.build import build

pytestmark = pytest.mark.long

RELATIONS = (
    "fit.population",
    "fit.field_values",
    "fit.field_stats",
    "fit.number_shapes",
    "fit.field_evidence",
    "fit.field_rules",
    "fit.fields",
    "fit.bpe_texts",
    "fit.numeric_bins",
    "fit.categories",
    "fit.bpe",
    "fit.vocabulary",
    "fit.tokenizer",
    "tokens.event_tokens",
    "tokens.profile_tokens",
    "tokens.user_tokens",
    "tokens.token_counts",
    "tokens.usual_weeks",
    "tokens.weekly_drift",
)


def contents(home: Home) -> dict[str, list[tuple[object, ...]]]:
    with duckdb.connect(str(home.warehouse), read_only=True) as con:
        return {name: con.execute(f"from {name} order by all").fetchall() for name in RELATIONS}


def tokenizer(home: Home) -> list[tuple[object, ...]]:
    with duckdb.connect(str(home.warehouse), read_only=True) as con:
        return con.execute("from fit.tokenizer").fetchall()


def test_shuffled_rows_and_another_number_of_threads_give_identical_tables(
    toy: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shuffle = random.Random(7).sample
    events, profiles, labels = datasets.toy_events(), datasets.toy_profiles(), datasets.toy_labels()
    dataset = datasets.write_dataset(
        tmp_path / "dataset",
        shuffle(events, len(events)),
        shuffle(profiles, len(profiles)),
        shuffle(labels, len(labels)),
    )
    monkeypatch.setenv("PRAGMA_THREADS", "1")
    home = Home.of(tmp_path / "one_thread")
    build(home, {**dataset_vars(dataset, []), **datasets.TOY_VARS})

    expected, found = contents(toy), contents(home)
    for relation in RELATIONS:
        assert found[relation] == expected[relation], relation


@pytest.mark.slow
def test_a_build_on_new_rows_keeps_every_token_id(toy: Home, workplace: Workplace) -> None:
    workplace.restore(toy.root)
    yacht = datasets.Event("user 01", "2024-02-03", {"category": "yachts", "amount": "1"})
    late = [replace(yacht, event_id=str(number)) for number in range(50)]
    workplace.write([*EVENTS, *late])
    found = contents(workplace.build())
    assert found["fit.tokenizer"] == contents(toy)["fit.tokenizer"]
    assert len(found["tokens.event_tokens"]) == len(EVENTS) + 50


@pytest.mark.slow
def test_a_refit_is_asked_for_by_name(workplace: Workplace, toy: Home) -> None:
    workplace.write(EVENTS[::2])
    before = tokenizer(workplace.build("+fit"))
    workplace.write(EVENTS)
    assert tokenizer(workplace.build("+fit")) == before
    after = tokenizer(workplace.refit())
    assert after != before
    assert after == tokenizer(toy)
