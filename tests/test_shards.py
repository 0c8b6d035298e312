"""Shards that are damaged, or disagree with their manifest, are refused in one sentence."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from histories_fixture import CUT, DAY, TEXT, Event, User, shoppers, write_shards

from pragma_model.training.data import ReaderPosition, SplitReader
from pragma_sql.formats import shards as module
from pragma_sql.formats.errors import PragmaError
from pragma_sql.formats.files import sha256
from pragma_sql.formats.shards import Shards, open_shards

Manifest = dict[str, object]


@pytest.fixture
def shards(tmp_path: Path) -> Shards:
    return write_shards(tmp_path / "s", {"train": shoppers(6)})


def sealed_again(shards: Shards, change: Callable[[dict[str, object]], None]) -> None:
    """Change the manifest, and have its hashes be those of the files as they are now."""
    path = shards.path / "manifest.json"
    content = json.loads(path.read_text())
    for shard in content["shards"]:
        shard["sha256"] = sha256(shards.path / shard["file"])
    for name in content["tokenizer_files"]:
        content["tokenizer_files"][name] = sha256(shards.path / "tokenizer" / name)
    change(content)
    path.write_text(json.dumps(content))


def nothing(_: dict[str, object]) -> None:
    """Only the hashes change."""


def first_batch(folder: Path) -> object:
    return next(SplitReader(open_shards(folder), "train", 512).epoch(0, 0))


@pytest.mark.parametrize("share", [0.0, 0.4, 0.99])
def test_an_empty_or_truncated_shard_is_refused(shards: Shards, share: float) -> None:
    file = shards.path / "train-00000.arrow"
    content = file.read_bytes()
    file.write_bytes(content[: int(share * len(content))])
    with pytest.raises(PragmaError, match="content differs from its manifest"):
        open_shards(shards.path)
    sealed_again(shards, nothing)
    with pytest.raises(PragmaError, match=r"(?s)train-00000.arrow is no whole Arrow.*next: write"):
        first_batch(shards.path)


@pytest.mark.parametrize("what", ["users", "events", "tokens"])
def test_a_manifest_that_counts_otherwise_than_its_files_is_refused(
    shards: Shards, what: str
) -> None:
    def one_more(content: dict[str, object]) -> None:
        shard = content["shards"][0]  # type: ignore[index]
        shard[what] += 1

    sealed_again(shards, one_more)
    with pytest.raises(PragmaError, match=rf"holds \d+ {what}, its manifest says \d+"):
        first_batch(shards.path)


def test_a_shard_without_a_column_is_refused_by_name(shards: Shards) -> None:
    path = shards.path / "train-00000.arrow"
    table = shards.open(shards.files("train")[0]).drop_columns(["positions"])
    rewritten = pa.ipc.new_file(str(path.with_suffix(".new")), table.schema)
    rewritten.write_table(table)
    rewritten.close()
    path.with_suffix(".new").replace(path)
    sealed_again(shards, nothing)
    with pytest.raises(PragmaError, match=r"train-00000.arrow has no column positions"):
        first_batch(shards.path)


def test_a_vocabulary_with_more_tokens_than_the_manifest_says_is_refused(shards: Shards) -> None:
    vocabulary = pa.table({"token_id": [5, 50], "kind": ["key"] * 2, "key": ["source", "more"]})
    pq.write_table(vocabulary, shards.tokenizer / "vocabulary.parquet")
    with pytest.raises(PragmaError, match="content differs from its manifest"):
        open_shards(shards.path)
    sealed_again(shards, nothing)
    with pytest.raises(PragmaError, match=r"ends at token id 50, and the manifest says.*50"):
        open_shards(shards.path)


def test_a_missing_shard_is_refused_by_name(shards: Shards) -> None:
    (shards.path / "train-00000.arrow").unlink()
    with pytest.raises(PragmaError, match=r"train-00000.arrow is missing"):
        open_shards(shards.path)


def test_a_budget_smaller_than_an_event_says_what_it_takes(tmp_path: Path) -> None:
    wide = Event(CUT - DAY, [(TEXT, 20, at) for at in range(80)])
    shards = write_shards(tmp_path / "s", {"train": [User("wide", [wide])]})
    reader = SplitReader(shards, "train", 64)
    with pytest.raises(PragmaError, match=r"(?s)budget of 64.*user 'wide'.*81.*--batch-tokens 81"):
        list(reader.epoch(0, 0))


# --- many shards ---


@pytest.fixture
def many(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> SplitReader:
    """Sixty shoppers in two shards."""
    monkeypatch.setattr(module, "USERS_PER_SHARD", 30)
    shards = write_shards(tmp_path / "many", {"train": shoppers(60)})
    assert len(shards.files("train")) == 2
    return SplitReader(shards, "train", 128)


def names(reader: SplitReader, start: ReaderPosition) -> list[list[str]]:
    return [
        group.part.table["user_id"].take(group.rows).to_pylist()
        for group in reader.groups(0, start)
    ]


def test_an_epoch_sees_every_user_of_every_shard_once(many: SplitReader) -> None:
    seen = sorted(name for group in names(many, ReaderPosition()) for name in group)
    assert seen == sorted(user.user_id for user in shoppers(60))


def test_epochs_go_through_the_shards_in_new_orders(many: SplitReader) -> None:
    assert len({str(names(many, ReaderPosition(epoch))) for epoch in range(5)}) == 5


def test_an_epoch_goes_on_from_any_of_its_places(many: SplitReader) -> None:
    places = [group.place for group in many.groups(0, ReaderPosition(3))]
    whole = names(many, ReaderPosition(3))
    for number, place in enumerate(places):
        assert names(many, place) == whole[number:]
        assert names(many, place.next) == whole[number + 1 :]
