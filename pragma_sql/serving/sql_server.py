"""`pragma serve --sql`: the warehouse with its functions, for any DuckDB client, over `quack`."""

from __future__ import annotations

import ipaddress
import secrets
import signal
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import duckdb
import sqlglot
from sqlglot import exp

from pragma_sql.formats.errors import PragmaError
from pragma_sql.warehouse.connection import need_extension, open_warehouse

EXTENSIONS = ("httpfs", "quack")
MIN_TOKEN_LENGTH = 16
"""Least length of a token, in characters."""


Register = Callable[[duckdb.DuckDBPyConnection], None]
"""Gives a connection its SQL functions."""


@dataclass(frozen=True)
class Address:
    """The address where the server listens, and the token that clients must give."""

    host: str
    port: int
    token: str

    @property
    def uri(self) -> str:
        """The URI of the server for `attach`."""
        return f"quack:{self.host}:{self.port}"


def address_of(host: str, port: int, token_file: Path | None) -> Address:
    """Choose the token, and refuse a host that is not safe to listen on.

    Args:
        host: a loopback address, or any other if a token file is given.
        port: TCP port.
        token_file: the file with the token; without one a random token is made.

    Raises:
        PragmaError: the file cannot be read, its token is too short, or the host is reachable
            from other machines without a token file.
    """
    if token_file is None:
        if not is_loopback(host):
            raise PragmaError(
                f"serve: others can reach {host}, so its token has to be yours to hand out",
                f"write one into a file: pragma serve --sql --host {host} --token-file FILE",
            )
        return Address(host, port, secrets.token_urlsafe())
    try:
        token = token_file.read_text().strip()
    except (OSError, UnicodeDecodeError) as error:
        raise PragmaError(f"{token_file} cannot be read: {error}", "write a token there") from None
    if len(token) < MIN_TOKEN_LENGTH:
        raise PragmaError(
            f"{token_file}: the token has {len(token)} characters, and needs {MIN_TOKEN_LENGTH}",
            "python -c 'import secrets; print(secrets.token_urlsafe())' > FILE",
        )
    return Address(host, port, token)


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach the host.

    >>> is_loopback("localhost"), is_loopback("127.0.0.1"), is_loopback("0.0.0.0")
    (True, True, False)
    """
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def only_reads(_session: str, query: str) -> bool:
    """Whether a client's text is one statement that selects, explains or describes."""
    try:
        statements = duckdb.extract_statements(query)
    except duckdb.Error:
        return True  # DuckDB's own message is more helpful than a refusal
    kinds = {duckdb.StatementType.SELECT, duckdb.StatementType.EXPLAIN}
    return len(statements) == 1 and statements[0].type in kinds


def serve_until_stopped(
    warehouse: Path, address: Address, register: Register, ready: Callable[[], None]
) -> None:
    """Serve a warehouse read-only until SIGINT or SIGTERM; `ready` is called once it answers.

    A client may run single selects. They read files only in the warehouse's folder and in the
    folders that the contract's views read, and write nothing.

    Raises:
        PragmaError: an extension is missing, the port is taken, or the warehouse is being written.
    """
    stopped = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stopped.set())
    with open_warehouse(warehouse) as con:
        start(con, warehouse, address, register)
        ready()
        while not stopped.wait(0.2):
            pass
        con.execute("call quack_stop($uri)", {"uri": address.uri})


def start(
    con: duckdb.DuckDBPyConnection, warehouse: Path, address: Address, register: Register
) -> None:
    """Make a connection to a warehouse answer clients, from threads of its own."""
    for name in EXTENSIONS:
        need_extension(con, name, "pragma serve --sql")
    register(con)
    con.create_function(
        "pragma_only_reads",
        only_reads,
        ["VARCHAR", "VARCHAR"],
        "BOOLEAN",
    )
    con.execute("set global quack_authorization_function = 'pragma_only_reads'")
    con.execute("set global autoinstall_known_extensions = false")
    con.execute("set global autoload_known_extensions = false")
    folders = [str(warehouse.parent), *folders_of_views(con)]
    con.execute("set global allowed_directories = $folders", {"folders": folders})
    try:
        con.execute(
            "call quack_serve($uri, token := $token, allow_other_hostname := $other)",
            {"uri": address.uri, "token": address.token, "other": not is_loopback(address.host)},
        )
    except duckdb.Error as error:
        what = " ".join(str(error).split())
        raise PragmaError(
            f"serve: cannot listen at {address.host}:{address.port}: {what}",
            "pragma serve --sql --port ANOTHER",
        ) from None
    con.execute("set global enable_external_access = false")
    con.execute("set global lock_configuration = true")


def folders_of_views(con: duckdb.DuckDBPyConnection) -> list[str]:
    """The absolute paths of folders whose files the warehouse's views read."""
    folders = set()
    for (sql,) in con.execute("select sql from duckdb_views() where not internal").fetchall():
        for call in sqlglot.parse_one(sql, read="duckdb").find_all(exp.Func):
            named = call.name if isinstance(call, exp.Anonymous) else call.sql_name()
            if named.lower().startswith("read_"):
                texts = [text.name for text in call.find_all(exp.Literal) if text.is_string]
                folders |= {_folder_of(text) for text in texts if text.startswith("/")}
    return sorted(str(folder) for folder in folders - {Path("/")})


def _folder_of(pattern: str) -> Path:
    """The folder that contains all files of a pattern; `[x]` stands for x itself."""
    path = Path("/")
    for part in Path(pattern).parts[1:-1]:
        plain = part
        for letter in "[*?":
            plain = plain.replace(f"[{letter}]", letter)
        if plain == part and any(letter in part for letter in "[*?"):
            break
        path /= plain
    return path
