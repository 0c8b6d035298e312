"""The real server is given other models while it answers, and is watched."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import threading
import time
import urllib.parse
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from server import ROOT, Server, asked, free_ports
from toy import Toy, Vectors

from pragma_sql.scoring.engines import usable_cores

pytest.importorskip("tritonclient.grpc", reason="its own environment: make test-triton")

TOLERANCE = 1e-4
PATIENCE = 30.0
DASHBOARDS = sorted((ROOT / "serving" / "grafana" / "dashboards").glob("*.json"))
RECORD = '{"events": [{"ts": "2024-05-01", "source": "card", "fields": {}}]}'


def vector_of(server: Server, record: object) -> Vectors:
    reply = server.infer([json.dumps(record)])
    assert reply.status == 200, reply.error
    return np.asarray(json.loads(reply.body)["outputs"][0]["data"], np.float32)


def is_close(found: Vectors, expected: Vectors) -> bool:
    return bool(np.allclose(found, expected, atol=TOLERANCE))


@contextmanager
def load(server: Server, record: object, clients: int = 8) -> Iterator[list[Vectors]]:
    """Clients that ask all the time; what they were answered, once they have stopped."""
    answers: list[Vectors] = []
    errors: list[BaseException] = []
    stop = threading.Event()

    def client() -> None:
        try:
            while not stop.is_set():
                answers.append(vector_of(server, record))
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=client) for _ in range(clients)]
    for thread in threads:
        thread.start()
    try:
        yield answers
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    assert not errors


def test_a_model_is_exchanged_under_load_without_a_request_lost(
    server: Server, prepared: tuple[Path, list[str]], toy: Toy
) -> None:
    folder, _ = prepared
    user = "user 09"
    record = toy.records[user]
    old, new = toy.vectors("first")[user], toy.vectors("second")[user]
    assert not is_close(old, new)
    try:
        with load(server, record) as answers:
            while len(answers) < 20:
                time.sleep(0.01)
            toy.serve("second", folder)
            assert is_close(vector_of(server, record), old)  # goes on until it is told
            assert server.load("embed_records").status == 200
            since = len(answers)
            while len(answers) < since + 20:
                time.sleep(0.01)
        assert all(is_close(answer, old) or is_close(answer, new) for answer in answers)
        assert is_close(answers[0], old)
        assert is_close(answers[-1], new)
        (manifest,) = [json.loads((toy.bundle("second") / "manifest.json").read_text())]
        served = [name for name in server.metrics() if name.startswith("pragma_model_info")]
        assert any(manifest["model_id"] in name and "embed_records" in name for name in served)
    finally:
        toy.serve("first", folder)
        server.load("embed_records")
    assert is_close(vector_of(server, record), old)  # and back


def test_a_bundle_with_one_changed_byte_is_not_prepared(toy: Toy, tmp_path: Path) -> None:
    damaged = Path(shutil.copytree(toy.bundle("first"), tmp_path / "bundle"))
    flip_a_byte(damaged / "tokenize.sql")
    with pytest.raises(AssertionError, match=r"tokenize\.sql: the content differs"):
        toy.serve(damaged, tmp_path / "out")
    assert not (tmp_path / "out" / "models").exists()


def test_a_bundle_that_is_damaged_later_is_not_loaded_and_the_old_model_goes_on(
    server: Server, prepared: tuple[Path, list[str]], toy: Toy
) -> None:
    folder, _ = prepared
    user = "user 09"
    before = vector_of(server, toy.records[user])
    toy.serve("second", folder)
    (other,) = [path for path in (folder / "bundles").iterdir() if path.name in in_force(folder)]
    try:
        flip_a_byte(other / "event_encoder.onnx")
        reply = server.load("embed_records")
        assert reply.status == 400
        assert "event_encoder.onnx: the content differs from its manifest" in reply.error
        assert is_close(vector_of(server, toy.records[user]), before)
        assert server.get("/v2/health/ready").status == 200
    finally:
        shutil.rmtree(other)
        toy.serve("first", folder)
        assert server.load("embed_records").status == 200


def test_the_precision_of_all_doors_holds_for_both_models_and_instances_share_the_cores(
    prepared: tuple[Path, list[str]], toy: Toy, tmp_path: Path
) -> None:
    _, command = prepared
    user = "user 09"
    exact = toy.vectors()[user]
    settings = {"PRAGMA_PRECISION": "int8"}
    with Server.started(command, tmp_path / "log", settings) as server:
        found = vector_of(server, toy.records[user])
        served = [name for name in server.metrics() if name.startswith("pragma_model_info")]
    assert 0 < np.abs(found - exact).max() < 0.1
    cosine = found @ exact / np.linalg.norm(found) / np.linalg.norm(exact)
    assert cosine > 0.99
    calls = max(1, usable_cores() // 2)
    assert len(served) == 2
    assert all('precision="int8"' in name and f'calls="{calls}"' in name for name in served)


@pytest.mark.slow
def test_20_000_refused_requests_take_no_memory_and_good_ones_are_answered_as_before(
    prepared: tuple[Path, list[str]], toy: Toy, tmp_path: Path
) -> None:
    _, command = prepared
    user = "user 09"
    record = toy.records[user]
    wrong: list[object] = [[{}], "none", [1, 2]]
    spoiled = [json.dumps({**record, "events": events}) for events in wrong]
    with Server.started(command, tmp_path / "log") as server:

        def refuse(count: int) -> None:
            with ThreadPoolExecutor(8) as clients:
                bodies = ([spoiled[number % 3]] for number in range(count))
                statuses = [reply.status for reply in clients.map(server.infer, bodies)]
            assert statuses == [400] * count

        before = vector_of(server, record)
        refuse(2_000)
        settled = server.resident_bytes()
        refuse(20_000)
        grown = server.resident_bytes() - settled
        assert grown < 20_000 * 200, f"{grown / 1e6:.1f} MB more, of {settled / 1e6:.0f} MB"
        assert is_close(vector_of(server, record), before)


def in_force(folder: Path) -> str:
    return (folder / "models" / "embed_records" / "config.pbtxt").read_text()


def flip_a_byte(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def expressions() -> list[str]:
    return [
        target["expr"]
        for path in DASHBOARDS
        for panel in json.loads(path.read_text())["panels"]
        for target in panel["targets"]
    ]


def test_each_metric_of_the_dashboards_is_one_that_the_server_exports(server: Server) -> None:
    server.infer([RECORD])
    exported = {re.split(r"[{ ]", name)[0] for name in server.metrics()}
    asked = {name for text in expressions() for name in re.findall(r"\b(?:nv|pragma)_\w+", text)}
    assert len(asked) > 8
    assert asked <= exported, asked - exported


@pytest.mark.skipif(shutil.which("prometheus") is None, reason="prometheus is not on the path")
def test_prometheus_scrapes_the_server_and_answers_each_expression_of_the_dashboards(
    server: Server, tmp_path: Path
) -> None:
    config = (ROOT / "serving" / "prometheus.yml").read_text()
    config = config.replace("triton:8002", f"127.0.0.1:{server.ports['metrics']}")
    (tmp_path / "prometheus.yml").write_text(
        config.replace("scrape_interval: 5s", "scrape_interval: 1s")
    )
    (port,) = free_ports(1)
    words = ["prometheus", f"--config.file={tmp_path}/prometheus.yml"]
    words += [f"--storage.tsdb.path={tmp_path}/data", f"--web.listen-address=127.0.0.1:{port}"]
    with (tmp_path / "log").open("wb") as out:
        process = subprocess.Popen(words, stdout=out, stderr=out)
    try:
        waiting = set(expressions())
        deadline = time.monotonic() + PATIENCE
        while waiting:
            server.infer([RECORD])
            waiting = {text for text in waiting if not value_of(text, port)}
            assert time.monotonic() < deadline, (waiting, (tmp_path / "log").read_text()[-2000:])
    finally:
        process.terminate()
        process.wait(PATIENCE)


def value_of(expression: str, port: int) -> list[object]:
    """What Prometheus says; nothing while it has not seen enough."""
    query = expression.replace("$__rate_interval", "10s")
    url = f"http://127.0.0.1:{port}/api/v1/query?" + urllib.parse.urlencode({"query": query})
    try:
        found = json.loads(asked(url).body)
    except ConnectionError:  # it starts
        time.sleep(0.2)
        return []
    assert found["status"] == "success", found
    time.sleep(0.05)
    return list(found["data"]["result"])


def test_without_its_environment_the_server_says_how_to_get_it(tmp_path: Path) -> None:
    copy = tmp_path / "serving" / "bin"
    copy.mkdir(parents=True)
    shutil.copy(ROOT / "serving" / "bin" / "tritonserver", copy)
    ended = subprocess.run([copy / "tritonserver"], capture_output=True, text=True, check=False)
    assert ended.returncode == 1
    assert "make triton-env" in ended.stderr
