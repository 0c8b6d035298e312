"""A tritonserver that a test started, and plain HTTP to it."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PATIENCE = 60.0
ENVIRONMENT = {
    **os.environ,
    "PATH": f"{ROOT / 'serving' / 'bin'}:{os.environ['PATH']}",
    "PYTHONPATH": str(ROOT),
    "OMP_NUM_THREADS": "1",
}


def run(words: Sequence[str]) -> str:
    """What a command printed; an error with what it said, if it failed."""
    ended = subprocess.run(words, env=ENVIRONMENT, capture_output=True, text=True, check=False)
    if ended.returncode:
        raise AssertionError(f"{' '.join(words)}\n{ended.stdout}\n{ended.stderr}")
    return ended.stdout


@dataclass(frozen=True)
class Reply:
    """What HTTP gave."""

    status: int
    body: bytes

    @property
    def error(self) -> str:
        return str(json.loads(self.body)["error"])


@dataclass(frozen=True)
class Server:
    """A server of this test's own, on ports that were free."""

    process: subprocess.Popen[bytes]
    ports: Mapping[str, int]
    log: Path

    @classmethod
    @contextmanager
    def started(
        cls, command: Sequence[str], log: Path, settings: Mapping[str, str] | None = None
    ) -> Iterator[Server]:
        """Start the command that `pragma serve` printed, on free ports, and wait until ready."""
        ports = dict(zip(("http", "grpc", "metrics"), free_ports(3), strict=True))
        words = [*command, *(f"--{name}-port={port}" for name, port in ports.items())]
        words.append("--exit-timeout-secs=3")
        with log.open("wb") as out:
            environment = {**ENVIRONMENT, **(settings or {})}
            process = subprocess.Popen(words, env=environment, stdout=out, stderr=out)
        server = cls(process, ports, log)
        try:
            server.wait_until_ready()
            yield server
        finally:
            process.send_signal(signal.SIGINT)
            process.wait(PATIENCE)

    def wait_until_ready(self) -> None:
        deadline = time.monotonic() + PATIENCE
        while True:
            assert self.process.poll() is None, self.log.read_text()[-4000:]
            assert time.monotonic() < deadline, self.log.read_text()[-4000:]
            try:
                if self.get("/v2/health/ready").status == 200:
                    return
            except OSError:
                pass
            time.sleep(0.1)

    def resident_bytes(self) -> int:
        """Memory of the server and of the processes that it started."""
        pages, waiting = 0, [self.process.pid]
        while waiting:
            folder = Path("/proc") / str(waiting.pop())
            pages += int((folder / "statm").read_text().split()[1])
            for task in (folder / "task").iterdir():
                waiting += map(int, (task / "children").read_text().split())
        return pages * os.sysconf("SC_PAGE_SIZE")

    def url(self, path: str, port: str = "http") -> str:
        return f"http://127.0.0.1:{self.ports[port]}{path}"

    def get(self, path: str, port: str = "http") -> Reply:
        return asked(urllib.request.Request(self.url(path, port)))

    def post(self, path: str, body: bytes) -> Reply:
        return asked(urllib.request.Request(self.url(path), body, method="POST"))

    def infer(self, records: Sequence[str], model: str = "embed_records") -> Reply:
        """Ask for vectors as any HTTP client would, in JSON."""
        inputs = {
            "name": "records_json",
            "datatype": "BYTES",
            "shape": [len(records), 1],
            "data": list(records),
        }
        return self.post(f"/v2/models/{model}/infer", json.dumps({"inputs": [inputs]}).encode())

    def load(self, model: str) -> Reply:
        """Ask the server to load a model again."""
        return self.post(f"/v2/repository/models/{model}/load", b"{}")

    def metrics(self) -> dict[str, float]:
        """Every sample that is exported, by its name and labels."""
        text = self.get("/metrics", "metrics").body.decode()
        samples = re.findall(r"^(\w+(?:\{.*\})?) (\S+)$", text, re.MULTILINE)
        return {name: float(value) for name, value in samples}

    def metric(self, name: str, model: str) -> float:
        """The sum of a metric's samples of one model."""
        found = [
            value
            for sample, value in self.metrics().items()
            if sample.startswith(name + "{") and f'model="{model}"' in sample
        ]
        assert found, f"{name} is not exported for {model}"
        return sum(found)


def free_ports(count: int) -> list[int]:
    sockets = [socket.socket() for _ in range(count)]
    try:
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]
    finally:
        for one in sockets:
            one.close()


def asked(request: urllib.request.Request | str) -> Reply:
    """What a server answers, errors included; a ConnectionError where none listens."""
    try:
        with urllib.request.urlopen(request, timeout=PATIENCE) as answer:
            return Reply(answer.status, answer.read())
    except urllib.error.HTTPError as error:
        return Reply(error.code, error.read())
    except urllib.error.URLError as error:
        raise ConnectionError(error.reason) from None
