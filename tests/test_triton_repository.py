"""`pragma export-triton` and what the models over a bundle do, without a server."""

from __future__ import annotations

import re
import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from typer import Typer
from typer.testing import CliRunner

from pragma_sql.formats.bundle import BundleManifest, open_bundle, seal
from pragma_sql.formats.errors import PragmaError
from pragma_sql.serving.answers import answers
from pragma_sql.serving.triton_export import prepare
from pragma_udfs.commands import export_triton, serve

FILES = (
    "vocabulary.parquet",
    "bpe.json",
    "tokenize.sql",
    "model.safetensors",
    "event_encoder.onnx",
    "user_encoder.onnx",
)


def write_bundle(folder: Path, text_encoder: str = "", content: str = "one") -> Path:
    """A sealed bundle whose files nobody reads."""
    folder.mkdir(parents=True)
    for name in FILES:
        (folder / name).write_text(f"{name} {content}")
    manifest = BundleManifest(
        tokenizer_hash="a" * 64,
        size="nano",
        embedding_size=64,
        vocabulary_size=99,
        max_events=6500,
        trained_until="2024-07-01",
        metrics={},
        settings={},
        text_encoder=text_encoder,
    )
    seal(folder, manifest)
    return folder


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    return write_bundle(tmp_path / "bundle")


def test_the_configuration_of_each_model_is_filled_from_the_manifest(
    bundle: Path, tmp_path: Path
) -> None:
    made = prepare(bundle, tmp_path / "triton", instances=3)
    for model in ("embed_records", "embed_tokens"):
        config = (made.models / model / "config.pbtxt").read_text()
        assert "$" not in config
        assert re.search(r'name: "embeddings"\s+data_type: TYPE_FP32\s+dims: \[ 64 \]', config)
        assert "count: 3" in config
        (relative,) = re.findall(r'string_value: "(.*)"', config)
        copy = (made.models / model / relative).resolve()
        assert open_bundle(copy).manifest == open_bundle(bundle).manifest
        assert (made.models / model / "1" / "model.py").is_file()


def test_the_folder_may_be_moved(bundle: Path, tmp_path: Path) -> None:
    prepare(bundle, tmp_path / "triton")
    texts = [path.read_text() for path in (tmp_path / "triton" / "models").glob("*/config.pbtxt")]
    assert len(texts) == 2
    assert not any(str(tmp_path) in text for text in texts)


def test_another_bundle_takes_the_place_of_the_first_which_stays_to_go_back_to(
    bundle: Path, tmp_path: Path
) -> None:
    other = write_bundle(tmp_path / "other", content="two")
    first = prepare(bundle, tmp_path / "triton").bundle.manifest.model_id
    second = prepare(other, tmp_path / "triton").bundle.manifest.model_id
    assert first != second
    config = (tmp_path / "triton" / "models" / "embed_records" / "config.pbtxt").read_text()
    assert f"bundles/{second}" in config
    assert {path.name for path in (tmp_path / "triton" / "bundles").iterdir()} == {first, second}
    again = prepare(tmp_path / "triton" / "bundles" / first, tmp_path / "triton")
    assert again.bundle.manifest.model_id == first


def test_a_damaged_bundle_leaves_what_was_there(bundle: Path, tmp_path: Path) -> None:
    other = write_bundle(tmp_path / "other", content="two")
    prepare(bundle, tmp_path / "triton")
    before = snapshot(tmp_path / "triton")
    (other / "bpe.json").write_text("changed")
    with pytest.raises(PragmaError, match=r"bpe\.json: the content differs"):
        prepare(other, tmp_path / "triton")
    assert snapshot(tmp_path / "triton") == before


def snapshot(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


def test_a_bundle_that_needs_a_folder_of_this_machine_is_refused(tmp_path: Path) -> None:
    bundle = write_bundle(tmp_path / "bundle", text_encoder="/models/minilm@0123abcd")
    with pytest.raises(PragmaError, match="/models/minilm, which is not part of the bundle"):
        prepare(bundle, tmp_path / "triton")
    assert not (tmp_path / "triton").exists()


def test_a_path_that_triton_would_split_is_refused(bundle: Path, tmp_path: Path) -> None:
    with pytest.raises(PragmaError, match="splits paths at spaces"):
        prepare(bundle, tmp_path / "tri ton")
    assert not (tmp_path / "tri ton").exists()


def test_the_command_prints_what_starts_the_server_on_this_machine_alone(
    bundle: Path, tmp_path: Path
) -> None:
    app = Typer()
    app.command()(export_triton)
    out = tmp_path / "triton"
    words = [str(bundle), "--out", str(out), "--home", str(tmp_path)]
    ended = CliRunner().invoke(app, words)
    assert ended.exit_code == 0, ended.output
    (line,) = ended.stdout.splitlines()
    assert line.startswith(f"tritonserver --model-repository={out}/models ")
    for port in ("http", "grpc", "metrics"):
        assert f"--{port}-address=127.0.0.1" in line


def test_nothing_to_serve_is_an_error(tmp_path: Path) -> None:
    app = Typer()
    app.command()(serve)
    ended = CliRunner().invoke(app, ["--home", str(tmp_path)])
    assert isinstance(ended.exception, PragmaError)


def test_the_repository_of_a_checkout_is_that_of_a_wheel(bundle: Path, tmp_path: Path) -> None:
    packaged = (Path(__file__).resolve().parent.parent / "pyproject.toml").read_text()
    assert '"serving/triton" = "pragma_sql/data/serving/triton"' in packaged
    made = prepare(bundle, tmp_path / "triton")
    assert not list(made.root.rglob("__pycache__"))
    shutil.rmtree(made.root)


def doubled(requests: Sequence[int]) -> list[npt.NDArray[np.float32]]:
    if -1 in requests:
        raise PragmaError("a request is negative")
    return [np.full((1, 1), 2 * request, np.float32) for request in requests]


def test_requests_that_arrive_together_are_answered_in_one_pass() -> None:
    passes: list[int] = []

    def counted(requests: Sequence[int]) -> list[npt.NDArray[np.float32]]:
        passes.append(len(requests))
        return doubled(requests)

    found = answers([1, 2, 3, 4], counted)
    assert [float(vector[0, 0]) for vector in found if not isinstance(vector, Exception)] == [
        2, 4, 6, 8,
    ]  # fmt: skip
    assert passes == [4]


@pytest.mark.parametrize("bad", [0, 3, 6])
def test_a_bad_request_is_answered_by_its_error_and_all_others_by_their_vectors(bad: int) -> None:
    requests = [1, 2, 3, 4, 5, 6, 7]
    requests[bad] = -1
    for number, (request, answer) in enumerate(
        zip(requests, answers(requests, doubled), strict=True)
    ):
        if number == bad:
            assert isinstance(answer, PragmaError)
        else:
            assert not isinstance(answer, Exception)
            assert float(answer[0, 0]) == 2 * request
