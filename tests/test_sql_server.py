"""`pragma serve --sql`: another process asks the live warehouse, and only reads."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import duckdb
import pytest

from pragma_sql.formats.errors import PragmaError
from pragma_sql.formats.paths import Home
from pragma_sql.serving.sql_server import address_of, folders_of_views, is_loopback, only_reads
from pragma_sql.warehouse.connection import load_extension, need_extension

TOKEN = "a token that has letters enough"


def needs_quack() -> None:
    with duckdb.connect() as con:
        if not all(load_extension(con, name) for name in ("httpfs", "quack")):
            pytest.skip("DuckDB's extensions httpfs and quack are not installed")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass(frozen=True)
class Client:
    """Another process's view of the server; each question opens a connection of its own."""

    port: int

    def ask(self, query: str, token: str = TOKEN) -> list[tuple[object, ...]]:
        with duckdb.connect() as con:
            for name in ("httpfs", "quack"):
                need_extension(con, name, "the test")
            return con.execute(
                "from quack_query($uri, $query, token := $token)",
                {"uri": f"quack:127.0.0.1:{self.port}", "query": query, "token": token},
            ).fetchall()


@pytest.fixture(scope="module")
def client(toy: Home, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    needs_quack()
    file = tmp_path_factory.mktemp("token") / "token"
    file.write_text(TOKEN + "\n")
    port = free_port()
    command = [sys.executable, "-m", "pragma_sql", "serve", "--sql", "--home", str(toy.root)]
    command += ["--port", str(port), "--token-file", str(file)]
    server = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    assert server.stderr is not None
    said = server.stderr.readline()
    assert f"quack:127.0.0.1:{port}" in said
    assert TOKEN not in said
    yield Client(port)
    server.send_signal(signal.SIGTERM)
    assert server.wait(20) == 0


def test_another_process_reads_tables_views_and_the_contracts_files(client: Client) -> None:
    assert client.ask("select count(*) from tokens.user_tokens") == [(40,)]
    assert client.ask("select count(*) from contract.profiles") == [(40,)]
    (row,) = client.ask("select [1.5, 2]::float[2], map {'a': 'b'}")
    assert row == ((1.5, 2.0), {"a": "b"})


def test_a_function_that_fails_fails_for_its_client_alone(client: Client) -> None:
    with pytest.raises(duckdb.Error, match="no model is registered"):
        client.ask("select embed('user 01')")
    assert client.ask("select 1") == [(1,)]


def test_a_wrong_token_is_refused(client: Client) -> None:
    with pytest.raises(duckdb.Error, match=r"[Aa]uthentication"):
        client.ask("select 1", token="a token that somebody guessed")


@pytest.mark.parametrize(
    "query",
    [
        "create table stray as select 1",
        "copy (select 1) to '{home}/stray.csv'",
        "attach '{home}/stray.duckdb'",
        "select 1; select 2",
        "set threads = 1",
        "install spatial",
        "call quack_stop('quack:127.0.0.1:{port}')",
        "from read_text('/etc/hostname')",
        "from glob('/etc/*')",
    ],
)
def test_a_client_writes_nothing_and_reads_no_other_files(
    query: str, client: Client, toy: Home
) -> None:
    with pytest.raises(duckdb.Error):
        client.ask(query.format(home=toy.root, port=client.port))
    assert not list(toy.root.glob("stray*"))
    assert client.ask("select 1") == [(1,)]


@pytest.mark.long
def test_a_build_beside_a_server_is_refused_in_a_sentence(client: Client, toy: Home) -> None:
    build = [sys.executable, "-m", "pragma_sql", "build", "--home", str(toy.root)]
    refused = subprocess.run(build, capture_output=True, text=True)
    assert refused.returncode == 1
    assert f"error: {toy.warehouse} is open in another process" in refused.stderr


@pytest.mark.parametrize(
    ("query", "allowed"),
    [
        ("select 1", True),
        ("with a as (select 1) from a", True),
        ("explain select 1", True),
        ("describe select 1", True),
        ("select 1; drop table a", False),
        ("copy (select 1) to 'file'", False),
        ("set threads = 1", False),
        ("insert into a values (1)", False),
        ("", False),
    ],
)
def test_only_one_statement_that_reads_is_allowed(query: str, allowed: bool) -> None:
    assert only_reads("session", query) is allowed


def test_views_name_the_folders_that_they_read(tmp_path: Path) -> None:
    with duckdb.connect() as con:
        folder = tmp_path / "it's a [1] dataset?"
        folder.mkdir()
        con.execute("copy (select 1 as a) to $path", {"path": str(folder / "a.parquet")})
        pattern = str(folder).replace("[", "[[]").replace("?", "[?]").replace("'", "''")
        con.execute(f"create view one as from read_parquet('{pattern}/a.parquet')")
        con.execute(f"create view all_below as from read_parquet('{pattern}/**/*.parquet')")
        con.execute("create view innocent as select '/etc/passwd' as a")
        assert folders_of_views(con) == [str(folder)]


def test_a_token_is_made_up_for_this_machine_alone(tmp_path: Path) -> None:
    assert len(address_of("127.0.0.1", 1, None).token) >= 32
    assert address_of("localhost", 1, None).token != address_of("localhost", 1, None).token
    with pytest.raises(PragmaError, match=r"others can reach 0\.0\.0\.0"):
        address_of("0.0.0.0", 1, None)
    file = tmp_path / "token"
    file.write_text("short\n")
    with pytest.raises(PragmaError, match="the token has 5 characters, and needs 16"):
        address_of("0.0.0.0", 1, file)
    file.write_text(TOKEN)
    assert address_of("0.0.0.0", 1, file).token == TOKEN
    assert not is_loopback("example.org")


def test_without_the_extension_one_sentence_says_what_to_install(toy: Home, tmp_path: Path) -> None:
    """In a process that finds no extension: an empty home, and none of the packages."""
    hide = (
        "import sys; sys.modules.update(dict.fromkeys("
        "['duckdb_extension_quack', 'duckdb_extension_httpfs']));"
        "from importlib import util; find = util.find_spec;"
        "util.find_spec = lambda name: None if name.startswith('duckdb_ext') else find(name);"
        "from pragma_sql.cli import main; main()"
    )
    asked = subprocess.run(
        [sys.executable, "-c", hide, "serve", "--sql", "--home", str(toy.root)],
        capture_output=True,
        text=True,
        env={**os.environ, "HOME": str(tmp_path)},
    )
    assert asked.returncode == 1
    assert "error: pragma serve --sql needs DuckDB's extension httpfs" in asked.stderr
    assert "next: pip install 'pragma-sql[serve]'" in asked.stderr
    assert "Traceback" not in asked.stderr
