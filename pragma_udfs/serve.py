"""`pragma serve`: what answers questions from outside this process."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pragma_sql.errors import PragmaError


def serve(
    sql: Annotated[
        bool, typer.Option("--sql", help="The warehouse, for any DuckDB client, over quack.")
    ] = False,
    host: Annotated[str, typer.Option(help="Address to listen at.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port to listen at.", min=1, max=65535)] = 9494,
    token_file: Annotated[
        Path | None,
        typer.Option(help="File that holds the token [default: one is made up and printed]."),
    ] = None,
    home: Annotated[
        Path | None,
        typer.Option(help="Folder of the warehouse [default: $PRAGMA_HOME, else ./warehouse]."),
    ] = None,
) -> None:
    """Serve the live warehouse, embed() included, to other programs until Ctrl-C.

    Example: pragma serve --sql
    """
    if not sql:
        raise PragmaError("serve: nothing to serve", "pragma serve --sql")
    _serve_sql(host, port, token_file, home)


def _serve_sql(host: str, port: int, token_file: Path | None, home: Path | None) -> None:
    from rich.console import Console

    from pragma_sql.home import Home
    from pragma_udfs.sql_server import address_of, serve_until_stopped

    talk = Console(stderr=True, highlight=False, soft_wrap=True, markup=False)
    address = address_of(host, port, token_file)

    def say() -> None:
        talk.print(f"{address.uri} answers until Ctrl-C; docs/sql.md says how to ask")
        if token_file is None:
            talk.print(f"token: {address.token}")

    serve_until_stopped(Home.of(home).warehouse, address, say)
