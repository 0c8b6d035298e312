"""The real server gives the numbers of SQL's embed(), and says what is not right."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import numpy.typing as npt
import pytest
from server import Server
from toy import MOMENT, Toy, Vectors

http = pytest.importorskip("tritonclient.http", reason="its own environment: make test-triton")
grpc = pytest.importorskip("tritonclient.grpc", reason="its own environment: make test-triton")

from tritonclient.utils import InferenceServerException  # noqa: E402

TOLERANCE = 1e-4
Inputs = Mapping[str, npt.NDArray[np.generic]]
Ask = Callable[[str, Inputs], Vectors]

TYPES = {"int64": "INT64", "int32": "INT32", "uint8": "UINT8", "object": "BYTES"}


def ask_with(package: object, url: str) -> Ask:
    """How one of Triton's client packages asks a model."""
    patience = {} if package is grpc else {"network_timeout": 60.0, "connection_timeout": 60.0}
    client = package.InferenceServerClient(url, **patience)  # type: ignore[attr-defined]

    def ask(model: str, inputs: Inputs) -> Vectors:
        tensors = []
        for name, values in inputs.items():
            tensor = package.InferInput(name, values.shape, TYPES[values.dtype.name])  # type: ignore[attr-defined]
            tensor.set_data_from_numpy(values)
            tensors.append(tensor)
        vectors: Vectors = client.infer(model, tensors).as_numpy("embeddings")
        return vectors

    return ask


@pytest.fixture(params=["http", "grpc"])
def ask(request: pytest.FixtureRequest, server: Server) -> Ask:
    package = {"http": http, "grpc": grpc}[request.param]
    return ask_with(package, f"127.0.0.1:{server.ports[request.param]}")


def as_bytes(records: Sequence[object]) -> Inputs:
    texts = [[json.dumps(record).encode()] for record in records]
    return {"records_json": np.array(texts, np.object_)}


def assert_same(found: Vectors, expected: Sequence[Vectors]) -> None:
    np.testing.assert_allclose(found, np.stack(expected), atol=TOLERANCE)


def test_the_server_and_both_models_are_ready(server: Server, toy: Toy) -> None:
    assert server.get("/v2/health/ready").status == 200
    width = len(next(iter(toy.vectors().values())))
    for model in ("embed_records", "embed_tokens"):
        assert server.get(f"/v2/models/{model}/ready").status == 200
        described = json.loads(server.get(f"/v2/models/{model}").body)
        (output,) = described["outputs"]
        assert output == {"name": "embeddings", "datatype": "FP32", "shape": [-1, width]}


def test_records_of_all_users_in_one_request_give_the_vectors_of_embed(ask: Ask, toy: Toy) -> None:
    expected = toy.vectors()
    found = ask("embed_records", as_bytes([toy.records[user] for user in expected]))
    assert_same(found, list(expected.values()))


def test_the_table_the_function_and_the_server_agree_on_every_user(ask: Ask, toy: Toy) -> None:
    table, function = toy.vectors(function="table"), toy.vectors()
    assert table.keys() == function.keys()
    asked = ask("embed_records", as_bytes([toy.records[user] for user in table]))
    assert_same(asked, list(table.values()))
    assert_same(asked, [function[user] for user in table])


def test_a_record_alone_gives_the_vector_of_embed(ask: Ask, toy: Toy) -> None:
    user, vector = next(iter(toy.vectors().items()))
    assert_same(ask("embed_records", as_bytes([toy.records[user]])), [vector])


def test_a_record_with_a_moment_gives_the_vector_of_embed_at(ask: Ask, toy: Toy) -> None:
    expected = toy.vectors(function="embed_at")
    asked = [{**toy.records[user], "moment": MOMENT} for user in expected]
    assert_same(ask("embed_records", as_bytes(asked)), list(expected.values()))


def test_tokens_give_the_vector_of_embed(ask: Ask, toy: Toy) -> None:
    tokens = toy.tokens()
    for user, vector in toy.vectors().items():
        assert_same(ask("embed_tokens", tokens[user]), [vector])


def test_tokens_with_a_moment_give_the_vector_of_embed_at(ask: Ask, toy: Toy) -> None:
    tokens = toy.tokens()
    moment = np.array([[np.datetime64(MOMENT, "us").astype(np.int64)]])
    for user, vector in list(toy.vectors(function="embed_at").items())[:9]:
        assert_same(ask("embed_tokens", {**tokens[user], "moment": moment}), [vector])


def test_a_history_without_events_has_a_vector(ask: Ask) -> None:
    assert np.isfinite(ask("embed_records", as_bytes([{"events": []}]))).all()


def test_64_clients_at_once_get_each_their_own_answer_and_share_batches(
    server: Server, toy: Toy
) -> None:
    expected = list(toy.vectors().items())
    ask = ask_with(grpc, f"127.0.0.1:{server.ports['grpc']}")
    executions = server.metric("nv_inference_exec_count", "embed_records")

    def client(number: int) -> None:
        for turn in range(3):
            user, vector = expected[(number + turn) % len(expected)]
            assert_same(ask("embed_records", as_bytes([toy.records[user]])), [vector])

    with ThreadPoolExecutor(64) as clients:
        list(clients.map(client, range(64)))
    executions = server.metric("nv_inference_exec_count", "embed_records") - executions
    assert executions < 64 * 3 / 2


def test_64_clients_that_hold_tokens_share_batches_though_their_histories_differ_in_length(
    server: Server, toy: Toy
) -> None:
    expected, tokens = list(toy.vectors().items()), toy.tokens()
    ask = ask_with(grpc, f"127.0.0.1:{server.ports['grpc']}")
    executions = server.metric("nv_inference_exec_count", "embed_tokens")

    def client(number: int) -> None:
        for turn in range(3):
            user, vector = expected[(number + turn) % len(expected)]
            assert_same(ask("embed_tokens", tokens[user]), [vector])

    with ThreadPoolExecutor(64) as clients:
        list(clients.map(client, range(64)))
    executions = server.metric("nv_inference_exec_count", "embed_tokens") - executions
    assert executions < 64 * 3 / 2


RECORD = '{"events": [{"ts": "2024-05-01", "source": "card", "fields": {}}]}'
REFUSED = {
    "malformed JSON": ('{"events": [', "record 0: not JSON"),
    "no object": ("[]", "record 0: the record is"),
    "an unknown key": ('{"evnets": []}', "evnets: there is no such key"),
    "an unknown key of an event": (
        '{"events": [{"ts": "2024-05-01", "source": "card", "fields": {}, "amount": 1}]}',
        "events[0].amount: there is no such key",
    ),
    "no ts": ('{"events": [{"source": "card", "fields": {}}]}', "events[0].ts is missing"),
    "seconds": (
        '{"events": [{"ts": 1714521600, "source": "card", "fields": {}}]}',
        "looks like seconds",
    ),
    "a nested field": (
        '{"events": [{"ts": "2024-05-01", "source": "card", "fields": {"a": {"b": 1}}}]}',
        "events[0].fields.a is",
    ),
}


@pytest.mark.parametrize(("record", "sentence"), REFUSED.values(), ids=REFUSED)
def test_a_record_that_is_not_right_is_refused_in_a_sentence(
    record: str, sentence: str, server: Server
) -> None:
    reply = server.infer([record])
    assert reply.status == 400
    assert sentence in reply.error
    assert "Traceback" not in reply.error


def test_a_key_that_the_fit_does_not_know_counts_for_nothing(server: Server) -> None:
    known = json.loads(RECORD)
    known["events"][0]["fields"] = {"a key of tomorrow": "1"}
    plain, strange = server.infer([RECORD]), server.infer([json.dumps(known)])
    assert (plain.status, strange.status) == (200, 200)
    assert json.loads(plain.body)["outputs"] == json.loads(strange.body)["outputs"]


def test_a_bad_record_says_which_it_is_and_harms_no_request_that_came_with_it(
    server: Server,
) -> None:
    def client(number: int) -> tuple[int, str]:
        if number % 8:
            return server.infer([RECORD]).status, ""
        reply = server.infer([RECORD, "{"])
        return reply.status, reply.error

    with ThreadPoolExecutor(64) as clients:
        replies = list(clients.map(client, range(128)))
    for number, (status, error) in enumerate(replies):
        assert status == (200 if number % 8 else 400)
        assert error.startswith("record 1: not JSON") is not bool(number % 8), error


def test_refusals_and_users_are_counted(server: Server) -> None:
    users = server.metric("pragma_users_total", "embed_records")
    refused = server.metric("pragma_refused_total", "embed_records")
    server.infer([RECORD] * 5)
    server.infer(["{"])
    assert server.metric("pragma_users_total", "embed_records") == users + 5
    assert server.metric("pragma_refused_total", "embed_records") == refused + 1


BROKEN_TOKENS: Mapping[str, tuple[Callable[[dict[str, npt.NDArray[np.generic]]], object], str]] = {
    "another tokenizer": (
        lambda row: row.update(tokenizer_hash=np.array([[b"f" * 64]], np.object_)),
        "these tokens are of ffffffffffff",
    ),
    "an id beyond the vocabulary": (
        lambda row: row.update(key_ids=np.add(row["key_ids"], np.int32(10_000_000))),
        "key_ids holds",
    ),
    "lengths that do not fit": (
        lambda row: row.update(event_lengths=np.add(row["event_lengths"], np.uint8(1))),
        "event_lengths sum up to",
    ),
    "a column cut short": (lambda row: row.update(hour=row["hour"][:, 1:]), "hour has"),
    "events that are not in order": (
        lambda row: row.update(ts=row["ts"][:, ::-1].copy()),
        "ts is not in time order",
    ),
}


@pytest.mark.parametrize(("spoil", "sentence"), BROKEN_TOKENS.values(), ids=BROKEN_TOKENS)
def test_tokens_that_are_not_right_are_refused_in_a_sentence(
    spoil: Callable[[dict[str, npt.NDArray[np.generic]]], object],
    sentence: str,
    server: Server,
    toy: Toy,
) -> None:
    row = dict(toy.tokens()["user 09"])
    spoil(row)
    ask = ask_with(grpc, f"127.0.0.1:{server.ports['grpc']}")
    with pytest.raises(InferenceServerException, match=sentence) as caught:
        ask("embed_tokens", row)
    assert "INVALID_ARGUMENT" in str(caught.value.status())


def test_a_body_of_10_mb_is_answered(ask: Ask) -> None:
    event = {"ts": "2024-05-01", "source": "card", "fields": {"shop": "corner shop", "amount": "9"}}
    number = 10_000_000 // len(json.dumps(event))
    events = [
        {**event, "ts": f"2024-05-01T00:{n // 60 % 60:02d}:{n % 60:02d}"} for n in range(number)
    ]
    inputs = as_bytes([{"events": events}])
    assert len(inputs["records_json"][0, 0]) > 10_000_000
    assert np.isfinite(ask("embed_records", inputs)).all()


def test_a_body_of_10_mb_that_is_not_json_is_refused(ask: Ask) -> None:
    inputs = {"records_json": np.array([[b"{" * 10_000_000]], np.object_)}
    with pytest.raises(InferenceServerException, match="record 0: not") as caught:
        ask("embed_records", inputs)
    assert len(str(caught.value)) < 1000


def test_a_string_of_1_mb_is_read(server: Server) -> None:
    record = json.loads(RECORD)
    record["events"][0]["fields"] = {"shop": "café " * 200_000}
    reply = server.infer([json.dumps(record)])
    assert reply.status == 200, reply.error
