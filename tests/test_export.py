"""The two ONNX graphs give torch's numbers, and a bundle is sealed only when they do."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from histories_fixture import (
    CUT,
    DAY,
    SHOP,
    VOCABULARY_SIZE,
    Event,
    User,
    histories,
    moments,
    ragged_users,
    random_tokens,
    write_tokenizer,
)

from pragma_model.export import bundle as export
from pragma_model.export.bundle import load_model, write_bundle
from pragma_model.export.graphs import (
    EVENT_GRAPH,
    USER_GRAPH,
    Graphs,
    export_graphs,
    largest_difference,
)
from pragma_model.model.inputs import Batch
from pragma_model.model.model import Encoded, PragmaModel
from pragma_model.model.sizes import SIZES, ModelSize
from pragma_sql.formats.bundle import BundleManifest, open_bundle
from pragma_sql.formats.errors import PragmaError
from pragma_sql.formats.packing import Float, Packed, pack

CLOSE = 1e-4


@pytest.fixture(scope="module")
def model() -> PragmaModel:
    torch.manual_seed(3)
    return PragmaModel(SIZES["nano"], VOCABULARY_SIZE).eval()


@pytest.fixture(scope="module")
def graphs(model: PragmaModel, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("graphs")
    export_graphs(model, folder)
    return folder


def packed(users: Sequence[User], *, distinct: bool = False) -> Packed:
    return pack(histories(users), moments(len(users)), distinct=distinct)


def torch_vectors(model: PragmaModel, batch: Packed) -> Float:
    with torch.no_grad():
        encoded: Encoded = model(Batch.of(batch))
    return encoded.vectors.numpy()


def long_user(events: int) -> User:
    random = np.random.default_rng(events)
    return User(
        "long", [Event(CUT - day * DAY, random_tokens(random, 5)) for day in range(events, 0, -1)]
    )


@pytest.mark.parametrize(
    ("what", "users"),
    [
        ("all lengths at once", ragged_users()),
        ("one user without an event", [User("a")]),
        ("one user with one event of one token", [User("a", [Event(CUT - DAY, [(SHOP, 20, 0)])])]),
        ("nobody with an event", [User("a"), User("b"), User("c")]),
        ("one long history beside short ones", [long_user(500), *ragged_users()]),
    ],
)
def test_onnx_runtime_gives_the_numbers_of_torch(
    model: PragmaModel, graphs: Path, what: str, users: Sequence[User]
) -> None:
    batch = packed(users)
    np.testing.assert_allclose(
        Graphs(graphs).user_vectors(batch), torch_vectors(model, batch), atol=CLOSE, err_msg=what
    )


def test_graphs_take_distinct_rows_too(model: PragmaModel, graphs: Path) -> None:
    users = [*ragged_users(), *ragged_users()]
    batch = packed(users, distinct=True)
    assert len(batch.event_first) < len(batch.event_row)
    np.testing.assert_allclose(
        Graphs(graphs).user_vectors(batch), torch_vectors(model, packed(users)), atol=CLOSE
    )


def test_every_size_of_every_input_is_free_but_those_of_the_model(graphs: Path) -> None:
    fixed = {"event_tokens": 3, "profile_tokens": 3, "calendar": 6, "event_vectors": 64}
    for name in (EVENT_GRAPH, USER_GRAPH):
        for given in onnx.load(graphs / name).graph.input:
            sizes = [size.dim_value for size in given.type.tensor_type.shape.dim]
            assert [s for s in sizes if s] == [fixed[n] for n in fixed if n == given.name]


def test_inputs_have_the_names_of_packed_arrays(graphs: Path) -> None:
    known = {*packed([User("a")]).arrays(), "event_vectors"}
    for name in (EVENT_GRAPH, USER_GRAPH):
        assert {given.name for given in onnx.load(graphs / name).graph.input} <= known


def test_graphs_tell_nothing_of_the_machine_that_made_them(graphs: Path) -> None:
    for name in (EVENT_GRAPH, USER_GRAPH):
        assert str(Path(torch.__file__).parent).encode() not in (graphs / name).read_bytes()


# --- the bundle ---


@pytest.fixture
def tokenizer(tmp_path: Path) -> Path:
    return write_tokenizer(tmp_path / "tokenizer")


@pytest.fixture
def ready_graphs(graphs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Takes the graphs that were exported once, instead of exporting again."""

    def copy(model: PragmaModel, folder: Path) -> None:
        for name in (EVENT_GRAPH, USER_GRAPH):
            shutil.copy(graphs / name, folder)

    monkeypatch.setattr(export, "export_graphs", copy)


MANIFEST = BundleManifest(
    tokenizer_hash="0" * 64,
    size="nano",
    embedding_size=64,
    vocabulary_size=VOCABULARY_SIZE,
    max_events=6500,
    trained_until="2020-03-01T00:00:00",
    metrics={"validation_loss": 1.5},
    settings={"seed": 0},
)


@pytest.mark.usefixtures("ready_graphs")
def test_a_bundle_opens_and_gives_back_the_model(
    model: PragmaModel, tokenizer: Path, tmp_path: Path
) -> None:
    batch = packed(ragged_users())
    write_bundle(tmp_path / "bundle", model, tokenizer, MANIFEST, [batch])
    bundle = open_bundle(tmp_path / "bundle")
    assert bundle.manifest.metrics["validation_loss"] == 1.5
    assert bundle.manifest.metrics["onnx_max_abs_diff"] <= CLOSE
    np.testing.assert_array_equal(
        torch_vectors(load_model(bundle), batch), torch_vectors(model, batch)
    )


@pytest.mark.usefixtures("ready_graphs")
def test_graphs_that_disagree_with_torch_are_refused_and_leave_the_last_bundle(
    model: PragmaModel, tokenizer: Path, tmp_path: Path
) -> None:
    users, target = [packed(ragged_users())], tmp_path / "bundle"
    first = write_bundle(target, model, tokenizer, MANIFEST, users)
    other = PragmaModel(SIZES["nano"], VOCABULARY_SIZE).eval()
    with pytest.raises(PragmaError, match="ONNX Runtime and torch differ by"):
        write_bundle(target, other, tokenizer, MANIFEST, users)
    assert open_bundle(target).manifest.model_id == first.manifest.model_id


def test_the_difference_is_the_largest_of_all_batches(model: PragmaModel, graphs: Path) -> None:
    bent = PragmaModel(SIZES["nano"], VOCABULARY_SIZE).eval()
    bent.load_state_dict(model.state_dict())
    with torch.no_grad():
        bent.history_encoder.norm.bias[5] += 0.25
    batches = [packed([User("a")]), packed(ragged_users())]
    assert largest_difference(bent, graphs, batches) == pytest.approx(0.25, abs=CLOSE)


@pytest.mark.slow
def test_weights_too_large_for_a_graph_lie_beside_it_and_are_guarded(
    model: PragmaModel, tokenizer: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pragma_model.export.graphs.LARGEST_GRAPH", 100_000)
    batch = packed(ragged_users())
    bundle = write_bundle(tmp_path / "bundle", model, tokenizer, MANIFEST, [batch])
    beside = {name for name in bundle.manifest.files if name.endswith(".data")}
    assert beside == {f"{EVENT_GRAPH}.data", f"{USER_GRAPH}.data"}
    assert (bundle.path / EVENT_GRAPH).stat().st_size < 200_000
    vectors = Graphs(bundle.path).user_vectors(batch)
    np.testing.assert_allclose(vectors, torch_vectors(model, batch), atol=CLOSE)
    with (bundle.path / f"{USER_GRAPH}.data").open("r+b") as weights:
        weights.write(b"\x01\x02")
    with pytest.raises(PragmaError, match=r"user_encoder\.onnx\.data: the content differs"):
        open_bundle(bundle.path)


@pytest.mark.usefixtures("ready_graphs")
def test_a_bundle_opens_after_its_size_was_given_other_layers(
    model: PragmaModel, tokenizer: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    batch = packed(ragged_users())
    bundle = write_bundle(tmp_path / "bundle", model, tokenizer, MANIFEST, [batch])
    monkeypatch.setitem(SIZES, "nano", replace(SIZES["nano"], event_layers=3))
    np.testing.assert_array_equal(
        torch_vectors(load_model(bundle), batch), torch_vectors(model, batch)
    )


@pytest.mark.usefixtures("ready_graphs")
def test_a_bundle_of_the_first_format_has_the_state_of_the_user_alone(
    model: PragmaModel, tokenizer: Path, tmp_path: Path
) -> None:
    batch = packed(ragged_users())
    write_bundle(tmp_path / "bundle", model, tokenizer, MANIFEST, [batch])
    path = tmp_path / "bundle" / "manifest.json"
    written = json.loads(path.read_text())
    for unknown in ("width", "readout"):
        del written[unknown]
    path.write_text(json.dumps({**written, "format_version": 1, "embedding_size": 64}))
    vectors = torch_vectors(load_model(open_bundle(tmp_path / "bundle")), batch)
    np.testing.assert_array_equal(vectors, torch_vectors(model, batch)[:, :64])


@pytest.mark.slow
def test_scores_of_a_long_history_are_made_in_parts(tmp_path: Path) -> None:
    two = ModelSize("two", 64, 1, 1, 2)
    model = PragmaModel(two, VOCABULARY_SIZE).eval()
    export_graphs(model, tmp_path)
    nodes = onnx.load(tmp_path / USER_GRAPH).graph.node
    # One layer of profiles and the last of histories for first tokens; the other in eight parts.
    assert sum(node.op_type == "Softmax" for node in nodes) == 1 + 8 + 1
    for users in ([long_user(500), *ragged_users()], [User("a")]):
        vectors = Graphs(tmp_path).user_vectors(packed(users))
        np.testing.assert_allclose(vectors, torch_vectors(model, packed(users)), atol=CLOSE)
