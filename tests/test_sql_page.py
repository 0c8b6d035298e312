"""A person who knows only SQL follows docs/sql.md: every command and query of the page is run."""

from __future__ import annotations

import re
import shlex
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import duckdb
import numpy as np
import pytest
from workplace import Workplace

from pragma_sql.formats.paths import Home
from pragma_sql.warehouse.connection import load_extension
from pragma_udfs.functions import register

pytest.importorskip("torch", reason="the `train` extra is not installed")


ROOT = Path(__file__).resolve().parent.parent
PAGE = (ROOT / "docs" / "sql.md").read_text()
BLOCKS = re.findall(r"^```([\w ]*)\n(.*?)^```", PAGE, re.S | re.M)


def blocks(language: str) -> list[str]:
    return [text for found, text in BLOCKS if found == language]


@dataclass(frozen=True)
class Demo:
    """A folder in which `warehouse` is what `make demo` leaves, of a smaller dataset."""

    folder: Path

    @property
    def warehouse(self) -> Path:
        return self.folder / "warehouse" / "pragma.duckdb"

    def run(self, line: str) -> subprocess.CompletedProcess[str]:
        words = shlex.split(line)
        if words[0] == "pragma":
            words = ["-m", "pragma_sql", *words[1:]]
        assert words[0] in ("-m", "-c"), line
        return subprocess.run(
            [sys.executable, *words], cwd=self.folder, capture_output=True, text=True
        )


@pytest.fixture(scope="module")
def demo(embedded: Home, place: Workplace) -> Demo:
    home = place.restore(embedded.root)
    place.write()
    place.build("models+")
    folder = home.root.parent
    (folder / "warehouse").symlink_to(home.root)
    return Demo(folder)


@pytest.fixture
def con(demo: Demo) -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect(str(demo.warehouse), read_only=True) as con:
        register(con)
        yield con


def test_the_page_has_the_commands_that_are_tried_here() -> None:
    lines = [line for text in blocks("") for line in text.splitlines()]
    assert [" ".join(line.split()[:2]) for line in lines] == [
        "make demo", ". .venv/bin/activate", "pragma sql", "pragma sql", "pragma build",
        "pragma publish", "python -c", "pragma serve",
    ]  # fmt: skip


def test_the_queries_of_the_page_give_rows(con: duckdb.DuckDBPyConnection) -> None:
    queries = [query for text in blocks("sql") for query in text.split(";") if query.strip()]
    assert len(queries) == 9
    for query in queries:
        assert con.execute(query).fetchall(), query


def test_the_commands_of_the_page_answer_and_publish_what_the_python_reads(
    demo: Demo,
) -> None:
    lines = [line for text in blocks("") for line in text.splitlines()]
    for line in lines:
        if line.startswith(("pragma sql", "pragma publish")):
            done = demo.run(line)
            assert done.returncode == 0, (line, done.stderr)
            assert "user" in done.stdout
    (code,) = blocks("python")
    read = demo.run(shlex.join(["-c", code]))
    assert read.returncode == 0, read.stderr
    assert "similar_user_id" in read.stdout


def test_any_client_gets_from_the_server_what_embed_gives_in_the_warehouse(
    demo: Demo, con: duckdb.DuckDBPyConnection
) -> None:
    with duckdb.connect() as client:
        if not all(load_extension(client, name) for name in ("httpfs", "quack")):
            pytest.skip("DuckDB's extensions httpfs and quack are not installed")
        token = "as long as a token has to be"
        (demo.folder / "token").write_text(token + "\n")
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = str(probe.getsockname()[1])
        (line,) = [line for line in PAGE.splitlines() if line.startswith("pragma serve --sql")]
        command = [sys.executable, "-m", "pragma_sql", *shlex.split(line)[1:], "--port", port]
        server = subprocess.Popen(command, cwd=demo.folder, stderr=subprocess.PIPE, text=True)
        assert server.stderr is not None
        assert port in server.stderr.readline()
        (query,) = blocks("sql client")
        query = query.replace("9494", port).strip().rstrip(";")
        rows = client.execute(query, {"token": token}).fetchall()
        server.send_signal(signal.SIGTERM)
        assert server.wait(30) == 0
    assert len(rows) == 3
    for user, vector in rows:
        (expected,) = con.execute("select embed($user)", {"user": user}).fetchall()[0]
        np.testing.assert_allclose(vector, expected, atol=1e-5)


def test_a_user_is_like_those_whose_vectors_point_the_same_way(
    con: duckdb.DuckDBPyConnection,
) -> None:
    users, vectors = zip(
        *con.execute("select user_id, embedding from vectors.latest_embeddings").fetchall(),
        strict=True,
    )
    unit = np.array(vectors) / np.linalg.norm(vectors, axis=1, keepdims=True)
    cosine = unit @ unit.T - 2 * np.eye(len(users))
    for user, row in zip(users[:5], cosine, strict=False):
        for query in (
            "select similarity from nearest_users($user, n := 4)",
            "select similarity from views.similar_users where user_id = $user and rank <= 4"
            " order by rank",
        ):
            found = [value for (value,) in con.execute(query, {"user": user}).fetchall()]
            np.testing.assert_allclose(found, np.sort(row)[::-1][:4], atol=1e-5)
    assert con.execute("from nearest_users('nobody')").fetchall() == []
    assert con.execute("from nearest_users(null)").fetchall() == []
