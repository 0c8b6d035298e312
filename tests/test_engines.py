"""Every precision agrees with single precision, and an event is encoded once."""

from __future__ import annotations

import histories_fixture as fixture
import numpy as np
import pytest

from pragma_sql.formats.bundle import Bundle, open_bundle
from pragma_sql.formats.errors import PragmaError
from pragma_sql.formats.event_rows import RowKeys
from pragma_sql.formats.packing import Float, PackedEvents
from pragma_sql.formats.paths import Home
from pragma_sql.scoring.caches import EventCache
from pragma_sql.scoring.engines import OnnxEngine, Precision, chosen_precision, engine_of
from pragma_sql.scoring.scorer import Scorer

torch = pytest.importorskip("torch", reason="the `train` extra is not installed")

from pragma_model.export.torch_engine import TorchEngine  # noqa: E402

USERS = fixture.histories([*fixture.ragged_users(), *fixture.shoppers(20)])
MOMENTS = fixture.moments(len(USERS))


@pytest.fixture(scope="module")
def bundle(trained: Home) -> Bundle:
    return open_bundle(trained.runs / "toy" / "bundle")


@pytest.fixture(scope="module")
def exact(bundle: Bundle) -> Float:
    return Scorer(bundle, precision=Precision.FP32).score(USERS, MOMENTS)


def cosines(one: Float, other: Float) -> Float:
    norms = np.linalg.norm(one, axis=1) * np.linalg.norm(other, axis=1)
    found: Float = (one * other).sum(1) / norms
    return found


@pytest.mark.parametrize("precision", [Precision.INT8, Precision.BF16])
def test_a_faster_precision_points_the_same_way(
    precision: Precision, bundle: Bundle, exact: Float
) -> None:
    found = Scorer(bundle, precision=precision).score(USERS, MOMENTS)
    assert cosines(found, exact).min() > 0.999
    assert np.abs(found - exact).max() > 0  # it is another one


def test_torch_gives_what_onnx_runtime_gives(
    bundle: Bundle, exact: Float, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = TorchEngine(bundle, torch.device("cpu"), half=False)
    monkeypatch.setattr("pragma_sql.scoring.scorer.engine_of", lambda *_: engine)
    np.testing.assert_allclose(Scorer(bundle).score(USERS, MOMENTS), exact, atol=1e-4)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU")
def test_a_gpu_is_used_where_there_is_one(bundle: Bundle, exact: Float) -> None:
    assert isinstance(engine_of(bundle), TorchEngine)
    np.testing.assert_allclose(Scorer(bundle).score(USERS, MOMENTS), exact, atol=1e-3)


def test_one_setting_chooses_the_precision(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("PRAGMA_PRECISION", raising=False)
    assert chosen_precision() is Precision.AUTO
    monkeypatch.setenv("PRAGMA_PRECISION", "int8")
    assert chosen_precision() is Precision.INT8
    monkeypatch.delenv("PRAGMA_PRECISION")
    monkeypatch.setenv("PRAGMA_SCORING", "bf16")
    assert chosen_precision() is Precision.BF16, "by the setting's old name"
    assert capsys.readouterr().err == "note: PRAGMA_SCORING is called PRAGMA_PRECISION now\n"
    monkeypatch.setenv("PRAGMA_PRECISION", "int4")
    with pytest.raises(PragmaError, match="PRAGMA_PRECISION=int4 is not known\nnext: one of auto"):
        chosen_precision()


def test_an_event_is_encoded_once_in_all_calls(
    bundle: Bundle, exact: Float, monkeypatch: pytest.MonkeyPatch
) -> None:
    encoded: list[int] = []
    encode = OnnxEngine.event_vectors

    def counting(self: OnnxEngine, packed: PackedEvents) -> Float:
        encoded.append(len(packed.event_first))
        return encode(self, packed)

    monkeypatch.setattr(OnnxEngine, "event_vectors", counting)
    scorer = Scorer(bundle, precision=Precision.FP32)
    everyone = np.arange(len(USERS))
    for users in (everyone[:9], everyone[5:], everyone):
        found = scorer.score(USERS.select(users), MOMENTS[users])
        np.testing.assert_allclose(found, exact[users], atol=1e-5)
    rows = {
        USERS.tokens[start:end].tobytes()
        for start, end in zip(USERS.token_offsets[:-1], USERS.token_offsets[1:], strict=True)
    }
    assert sum(encoded) == len(rows) < len(USERS.ts)


def test_rows_have_one_key_if_and_only_if_their_tokens_are_the_same() -> None:
    keys = RowKeys.of(USERS)
    tokens = [
        USERS.tokens[start:end].tobytes()
        for start, end in zip(USERS.token_offsets[:-1], USERS.token_offsets[1:], strict=True)
    ]
    found = list(zip(keys.first.tolist(), keys.second.tolist(), strict=True))
    assert len(set(found)) == len(set(tokens)) == len(set(zip(found, tokens, strict=True)))
    events, row = keys.distinct()
    assert [tokens[event] for event in events[row]] == tokens


def test_a_full_cache_forgets_what_was_not_asked_for() -> None:
    def keys(*numbers: int) -> RowKeys:
        return RowKeys(np.array(numbers, np.uint64), np.array(numbers, np.uint64))

    def vectors(*numbers: int) -> Float:
        return np.array([[number, -number] for number in numbers], np.float32)

    cache = EventCache(width=2, budget=4 * 8)
    cache.keep(keys(1, 2), vectors(1, 2))
    cache.keep(keys(3, 4), vectors(3, 4))
    found = np.zeros((1, 2), np.float32)
    assert cache.fill(keys(1), found).tolist() == [True]
    cache.keep(keys(5), vectors(5))
    assert len(cache) == 3
    found = np.zeros((5, 2), np.float32)
    known = cache.fill(keys(1, 2, 3, 4, 5), found)
    assert known[[0, 1, 4]].tolist() == [True, False, True]
    np.testing.assert_array_equal(found[known], vectors(*(np.flatnonzero(known) + 1)))


def test_another_row_with_half_the_key_is_not_taken_for_the_one_kept() -> None:
    cache = EventCache(width=2)
    cache.keep(
        RowKeys(np.array([7], np.uint64), np.array([1], np.uint64)), np.ones((1, 2), np.float32)
    )
    other = RowKeys(np.array([7], np.uint64), np.array([2], np.uint64))
    assert cache.fill(other, np.zeros((1, 2), np.float32)).tolist() == [False]
