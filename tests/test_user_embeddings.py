"""vectors.user_embeddings pays for what is due, and ends as if it had been made again."""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

import datasets
import duckdb
import numpy as np
import pyarrow.parquet as pq
import pytest
from datasets import Event, Label, Profile
from older_warehouse import with_state_of_hooks
from workplace import EVENTS, LABELS, PROFILES, Workplace

from pragma_sql.formats.bundle import BundleManifest, open_bundle, seal
from pragma_sql.formats.errors import PragmaError
from pragma_sql.formats.histories import Histories, Int
from pragma_sql.formats.packing import Float
from pragma_sql.formats.paths import Home
from pragma_sql.scoring.scorer import Scorer
from pragma_sql.warehouse.registry import register_bundle
from pragma_udfs.functions import register

pytest.importorskip("torch", reason="the `train` extra is not installed")


Key = tuple[str, str, datetime]
Scored = list[tuple[str, datetime]]


@pytest.fixture(scope="module")
def first(embedded: Home, place: Workplace, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A warehouse with a model and all its vectors, built from the dataset of the place."""
    place.restore(embedded.root)
    place.write()
    place.build("+user_embeddings")
    return place.keep(tmp_path_factory.mktemp("vectors") / "first")


@dataclass(frozen=True)
class Vectors:
    """The place, and what was scored in it."""

    place: Workplace
    scored: Scored

    def build(self, *select: str, full_refresh: bool = False, **more: object) -> dict[Key, Float]:
        """Build and read the table; `scored` is then of this build."""
        self.scored.clear()
        self.place.build(*select, full_refresh=full_refresh, **more)
        return table(self.place.home)

    def users(self) -> set[str]:
        return {user for user, _ in self.scored}


@pytest.fixture
def vectors(workplace: Workplace, first: Path, monkeypatch: pytest.MonkeyPatch) -> Vectors:
    """That warehouse in the workplace, its dataset as it was."""
    workplace.restore(first)
    workplace.write()
    scored: Scored = []
    score = Scorer.score

    def counting(self: Scorer, histories: Histories, moments: Int) -> Float:
        moments_of = np.asarray(moments).astype("datetime64[us]").tolist()
        scored.extend(zip(histories.user_ids, moments_of, strict=True))
        return score(self, histories, moments)

    monkeypatch.setattr(Scorer, "score", counting)
    return Vectors(workplace, scored)


def table(home: Home) -> dict[Key, Float]:
    with duckdb.connect(str(home.warehouse), read_only=True) as con:
        rows = con.execute(
            "select model_id, user_id, as_of, embedding from vectors.user_embeddings"
        ).fetchall()
    found = {(model, user, as_of): np.asarray(vector) for model, user, as_of, vector in rows}
    assert len(found) == len(rows), "no vector is there twice"
    return found


def assert_same(found: dict[Key, Float], expected: dict[Key, Float]) -> None:
    assert found.keys() == expected.keys()
    for key, vector in expected.items():
        np.testing.assert_allclose(found[key], vector, atol=1e-5, err_msg=str(key))


def all_again(vectors: Vectors) -> dict[Key, Float]:
    return vectors.build("user_embeddings", full_refresh=True)


def test_everyone_has_a_vector_at_each_label_and_after_all_that_is_known(vectors: Vectors) -> None:
    home = vectors.place.home
    asked = {(label.user_id, datetime.fromisoformat(label.day)) for label in LABELS}
    moments = {(user, as_of) for _, user, as_of in table(home)}
    assert moments > asked
    assert {user for user, _ in moments - asked} == {label.user_id for label in LABELS}
    with duckdb.connect(str(home.warehouse), read_only=True) as con:
        register(con)
        rows = con.execute(
            "select embedding, embed(user_id) from vectors.latest_embeddings"
        ).fetchall()
    assert len(rows) == 40
    for kept, asked_now in rows:
        np.testing.assert_allclose(kept, asked_now, atol=1e-5)


def test_a_build_in_which_nothing_arrived_scores_nobody(vectors: Vectors) -> None:
    before = table(vectors.place.home)
    assert_same(vectors.build(), before)
    assert vectors.scored == []


def with_event(event: Event) -> Callable[[Workplace], object]:
    return lambda place: place.write([*EVENTS, event])


def with_profile(profile: Profile) -> Callable[[Workplace], object]:
    return lambda place: place.write(profiles=[*PROFILES, profile])


def with_label(label: Label) -> Callable[[Workplace], object]:
    return lambda place: place.write(labels=[*LABELS, label])


def without_a_label(place: Workplace) -> None:
    place.write(labels=LABELS[1:])


def with_all_of_it(place: Workplace) -> None:
    place.write([*EVENTS, LATE, NEW], [*PROFILES, CHANGED], [*LABELS, ASKED])


def corrected(place: Workplace) -> None:
    place.write([replace(event, fields={}) if event == BETWEEN else event for event in EVENTS])


def withdrawn(place: Workplace) -> None:
    place.write([event for event in EVENTS if event != BETWEEN])


def named_otherwise(place: Workplace) -> None:
    place.write([replace(event, event_id=f"other {event.event_id}") for event in EVENTS])


def with_edited_profile(**changes: object) -> Callable[[Workplace], object]:
    return lambda place: place.write(
        profiles=[
            replace(profile, **changes) if profile.user_id == "user 03" else profile  # type: ignore[arg-type]
            for profile in PROFILES
        ]
    )


def without_a_profile(place: Workplace) -> None:
    place.write(profiles=[profile for profile in PROFILES if profile.user_id != "user 03"])


def without_a_user(place: Workplace) -> None:
    place.write(
        [event for event in EVENTS if event.user_id != "user 03"],
        [profile for profile in PROFILES if profile.user_id != "user 03"],
        [label for label in LABELS if label.user_id != "user 03"],
    )


BETWEEN = next(
    event
    for event in EVENTS
    if event.user_id == "user 03" and event.day and "2024-07" < event.day < "2024-10"
)
LATE = Event("user 03", "2024-08-02", {"amount": "7.5", "mcc": "5411"}, event_id="late")
VERY_LATE = Event("user 03", "2024-02-02", {"amount": "7.5", "mcc": "5411"}, event_id="very late")
NEXT = Event("user 03", "2025-02-02", {"amount": "7.5", "mcc": "5411"}, event_id="next")
NEW = Event("a new user", "2024-09-09", {"amount": "5", "mcc": "5411"}, event_id="new")
CHANGED = Profile("user 05", "2024-08-01", {"region": "north", "age": "99"})
ASKED = Label("late", "user 07", "2024-11-01", 1.0)


QUICK = {
    "a deleted event": (withdrawn, {"user 03"}, 2),
    "a deleted user": (without_a_user, set(), 0),
    "all of it": (with_all_of_it, {"user 03", "user 05", "user 07", "a new user"}, 7),
}
MORE = {
    "an edited attribute": (with_edited_profile(attributes={"region": "north"}), {"user 03"}, 3),
    "a late event between two labels": (with_event(LATE), {"user 03"}, 2),
    "a label that is gone": (without_a_label, set(), 0),
    "an event after all": (with_event(NEXT), {"user 03"}, 1),
    "a late event before both labels": (with_event(VERY_LATE), {"user 03"}, 3),
    "a new user": (with_event(NEW), {"a new user"}, 1),
    "a changed profile": (with_profile(CHANGED), {"user 05"}, 3),
    "a new label": (with_label(ASKED), {"user 07"}, 1),
    "a corrected event": (corrected, {"user 03"}, 2),
    "other ids of the same events": (named_otherwise, set(), 0),
    "a profile of another day": (with_edited_profile(day="2024-02-01"), {"user 03"}, 3),
    "a milestone of another day": (
        with_edited_profile(lifelong={"first_login": "2024-05-05"}),
        {"user 03"},
        3,
    ),
    "a deleted profile": (without_a_profile, {"user 03"}, 3),
}


@pytest.mark.parametrize(
    ("change", "users", "moments"),
    [
        *(pytest.param(*case, id=name) for name, case in QUICK.items()),
        *(pytest.param(*case, id=name, marks=pytest.mark.slow) for name, case in MORE.items()),
    ],
)
def test_only_what_is_due_is_scored_and_the_table_is_as_if_made_anew(
    change: Callable[[Workplace], object], users: set[str], moments: int, vectors: Vectors
) -> None:
    change(vectors.place)
    found = vectors.build("+user_embeddings")
    assert vectors.users() == users
    assert len(vectors.scored) == moments
    assert_same(found, all_again(vectors))
    assert len(vectors.scored) == len(found)


@pytest.mark.slow
def test_tokens_that_were_built_without_vectors_are_made_up_for_later(vectors: Vectors) -> None:
    with_event(LATE)(vectors.place)
    vectors.build("+tokens")
    assert vectors.scored == []
    with_event(NEXT)(vectors.place)
    vectors.build("+tokens")
    found = vectors.build()
    assert vectors.users() == {"user 03"}
    assert_same(found, all_again(vectors))


def another_model(home: Home, folder: Path, **changes: object) -> BundleManifest:
    """A bundle of the same graphs that goes by another id."""
    current = home.bundles / (home.bundles / "current").read_text().strip()
    shutil.copytree(current, folder)
    with (folder / "bpe.json").open("ab") as file:
        file.write(b" ")
    manifest = open_bundle(current).manifest
    fields = {**vars(manifest), **changes}
    return seal(folder, BundleManifest(**fields)).manifest


def test_a_new_models_vectors_stand_beside_the_olds(vectors: Vectors, tmp_path: Path) -> None:
    home = vectors.place.home
    old = table(home)
    other = another_model(home, tmp_path / "other")
    register_bundle(open_bundle(tmp_path / "other"), home.warehouse)
    both = vectors.build("models+")
    assert {model for model, _, _ in both} == {other.model_id, *(model for model, _, _ in old)}
    assert_same({key: vector for key, vector in both.items() if key[0] != other.model_id}, old)
    assert len(both) == 2 * len(old)
    examples = pq.read_table(home.root / "probe_examples.parquet")
    assert examples["model_id"].unique().to_pylist() == [other.model_id]
    asked = set(zip(*(examples[name].to_pylist() for name in ("user_id", "eval_ts")), strict=True))
    others = pq.read_table(home.root / "probe_vectors.parquet").to_pylist()
    assert {(row["model_id"], row["user_id"], row["eval_ts"]) for row in others} == {
        key for key in old if key[1:] in asked
    }


@pytest.mark.slow
def test_an_old_model_that_comes_back_has_its_vectors_brought_up_to_date(
    vectors: Vectors, tmp_path: Path
) -> None:
    home = vectors.place.home
    (old,) = {model for model, _, _ in table(home)}
    other = another_model(home, tmp_path / "other")
    register_bundle(open_bundle(tmp_path / "other"), home.warehouse)
    with_event(NEXT)(vectors.place)
    vectors.build("+user_embeddings")
    register_bundle(open_bundle(home.bundles / old), home.warehouse)
    found = vectors.build("models+")
    assert vectors.users() == {"user 03"}
    latest = {key[1:]: vector for key, vector in found.items() if key[0] == old}
    twin = {key[1:]: vector for key, vector in found.items() if key[0] == other.model_id}
    assert latest.keys() == twin.keys()
    for key, vector in latest.items():
        np.testing.assert_allclose(vector, twin[key], atol=1e-5)


def test_vectors_of_another_length_are_refused_while_there_are_others(
    vectors: Vectors, tmp_path: Path
) -> None:
    home = vectors.place.home
    before = table(home)
    another_model(home, tmp_path / "wide", embedding_size=96)
    register_bundle(open_bundle(tmp_path / "wide"), home.warehouse)
    with pytest.raises(PragmaError) as refusal:
        vectors.build("models+")
    width = len(next(iter(before.values())))
    assert f"vectors.user_embeddings holds FLOAT[{width}] of 1 model" in refusal.value.what
    assert "gives FLOAT[96]" in refusal.value.what
    assert "pragma build --select user_embeddings+ --full-refresh" in refusal.value.next_step
    assert_same(table(home), before)


def test_a_full_refresh_makes_no_new_tokenizer_whatever_the_vars_say(vectors: Vectors) -> None:
    before = table(vectors.place.home)
    assert_same(vectors.build(full_refresh=True, bins=5), before)


@pytest.mark.slow
def test_vectors_of_an_older_warehouse_are_not_computed_again(vectors: Vectors) -> None:
    before = table(vectors.place.home)
    with_state_of_hooks(vectors.place.home)
    assert_same(vectors.build(), before)
    assert vectors.scored == []


def test_an_older_warehouse_answers_before_it_is_built_again(vectors: Vectors) -> None:
    home = vectors.place.home
    with duckdb.connect(str(home.warehouse), read_only=True) as con:
        kept = con.execute("from vectors.latest_embeddings order by user_id limit 1").fetchall()
    with_state_of_hooks(home)
    with duckdb.connect(str(home.warehouse), read_only=True) as con:
        register(con)
        asked = con.execute("select embed($user)", {"user": kept[0][0]}).fetchall()
    np.testing.assert_allclose(asked[0][0], kept[0][-1], atol=1e-5)


@pytest.mark.slow
def test_plain_dbt_is_told_which_length_the_model_gives(vectors: Vectors) -> None:
    width = len(next(iter(table(vectors.place.home).values())))
    refusal = f"gives vectors of {width} numbers, but the var embedding_s"
    with pytest.raises(PragmaError, match=refusal):
        vectors.place.build("models+", embedding_size=32)


def test_a_build_that_was_killed_goes_on_after_the_last_whole_batch(vectors: Vectors) -> None:
    home = vectors.place.home
    expected = all_again(vectors)
    with duckdb.connect(str(home.warehouse)) as con:
        con.execute("delete from vectors.user_embeddings; delete from vectors._embedding_state")
    variables = {**vectors.place.variables(), "embedding_batch_events": 40}
    build = [sys.executable, "-m", "pragma_sql", "build", "--home", str(home.root)]
    build += ["--contract", str(vectors.place.dataset), "--select", "user_embeddings"]
    build += [
        f"--var={name}={variables[name]}" for name in (*datasets.TOY_VARS, "embedding_batch_events")
    ]
    process = subprocess.Popen(build, stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    for line in process.stderr:
        if line.strip().startswith("vectors: batch 2 of"):
            break
    else:
        pytest.fail("the build never said that two batches were done")
    process.kill()
    assert process.wait() == -signal.SIGKILL
    done = table(home)
    assert 0 < len(done) < len(expected)
    found = vectors.build("user_embeddings", embedding_batch_events=40)
    assert_same(found, expected)
    assert len(vectors.scored) == len(expected) - len(done), "what was there is not scored again"
