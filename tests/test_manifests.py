"""Manifests of bundles and shards: read back as written, and refused with the place of an error."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import pytest

from pragma_sql.formats.bundle import (
    MODEL_FILES,
    TOKENIZER_FILES,
    BundleManifest,
    read_manifest,
    seal,
)
from pragma_sql.formats.errors import PragmaError
from pragma_sql.formats.shards import ShardFile, ShardManifest, open_shards, seal_shards

BUNDLE = BundleManifest(
    tokenizer_hash="a" * 64,
    size="nano",
    embedding_size=64,
    vocabulary_size=99,
    max_events=6500,
    trained_until="2024-07-01",
    metrics={"validation_loss": 0.1 + 0.2, "onnx_max_abs_diff": 0.0},
    settings={"steps": 600, "weight_decay": 1e-05, "precision": "fp32"},
)
SHARD = {"file": "a.arrow", "split": "train", "users": 1, "events": 2, "tokens": 3, "sha256": "f"}
SHARDS = ShardManifest("a" * 64, 99, "2024-07-01", 6500, "hash", (ShardFile(**SHARD),), {})  # type: ignore[arg-type]


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    for name in (*TOKENIZER_FILES, *MODEL_FILES):
        (tmp_path / name).write_text(name)
    seal(tmp_path, BUNDLE)
    return tmp_path


def put_into(folder: Path, changed: Mapping[str, object]) -> None:
    path = folder / "manifest.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **changed}))


def test_the_manifest_of_a_bundle_is_written_again_as_it_was_read(bundle: Path) -> None:
    written = (bundle / "manifest.json").read_bytes()
    seal(bundle, read_manifest(bundle))
    assert (bundle / "manifest.json").read_bytes() == written


@pytest.mark.parametrize(
    ("changed", "said", "next_step"),
    [
        ({"embeding_size": 64}, "embeding_size: there is no such key", "mean embedding_size"),
        ({"embedding_size": "64"}, 'embedding_size is "64", not a whole number', "pragma train"),
        ({"embedding_size": 64.5}, "embedding_size is 64.5, not a whole number", "pragma train"),
        ({"size": None}, "size is null, not text", "pragma train"),
        ({"metrics": {"loss": "low"}}, 'metrics.loss is "low", not a number', "pragma train"),
        ({"files": []}, "files is [], not an object", "pragma train"),
    ],
)
def test_a_wrong_manifest_of_a_bundle_is_refused_with_the_place(
    bundle: Path, changed: Mapping[str, object], said: str, next_step: str
) -> None:
    put_into(bundle, changed)
    with pytest.raises(PragmaError) as refused:
        read_manifest(bundle)
    assert refused.value.what == f"{bundle / 'manifest.json'}: {said}"
    assert next_step in refused.value.next_step


@pytest.mark.parametrize(
    ("changed", "said", "next_step"),
    [
        ({"vocabulary_sise": 1}, "vocabulary_sise: there is no such key", "mean vocabulary_size"),
        ({"shards": [SHARD, {**SHARD, "user": 1}]}, "shards[1].user: there is no", "mean users"),
        ({"shards": [{"file": "a"}]}, "shards[0].split is missing", "pragma shards"),
        (
            {"shards": [{**SHARD, "split": "valid"}]},
            'shards[0].split is "valid", not one of train, validation, test',
            "pragma shards",
        ),
        ({"shards": {}}, "shards is {}, not a list", "pragma shards"),
        ({"format_version": 9}, "format version 9, this program reads 1", "pragma shards"),
    ],
)
def test_a_wrong_manifest_of_shards_is_refused_with_the_place(
    tmp_path: Path, changed: Mapping[str, object], said: str, next_step: str
) -> None:
    seal_shards(tmp_path, SHARDS)
    put_into(tmp_path, changed)
    with pytest.raises(PragmaError) as refused:
        open_shards(tmp_path)
    assert refused.value.what.startswith(f"{tmp_path / 'manifest.json'}: {said}")
    assert next_step in refused.value.next_step
