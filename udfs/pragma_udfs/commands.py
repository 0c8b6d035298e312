"""`pragma sql`, `pragma serve` and `pragma export-triton`: the commands that give vectors."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from pragma_sql.formats.errors import PragmaError
from pragma_sql.formats.options import HomeOption, JsonOption


def sql(
    query: Annotated[
        str, typer.Argument(help="One SELECT; embed, embed_at, embed_with and embed_records work.")
    ],
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Run a query on the warehouse, read-only.

    Example: pragma sql "select user_id, embed(user_id) from contract.profiles limit 3"
    """
    import duckdb
    from rich.console import Console

    from pragma_sql.formats.paths import Home
    from pragma_sql.tables import json_of, table_of
    from pragma_sql.warehouse.connection import open_warehouse
    from pragma_udfs.functions import register

    with open_warehouse(Home.of(home).warehouse) as con:
        register(con)
        try:
            rows = con.execute(query).to_arrow_table()
        except duckdb.Error as error:
            raise _readable(error) from None
    if as_json:
        print(json_of(rows))
    else:
        Console().print(table_of(rows))


def _readable(error: Exception) -> PragmaError:
    message = str(error)
    if "PragmaError: " in message:
        said = message.split("PragmaError: ", 1)[1].partition("\n\nAt:\n")[0]
        what, _, next_step = said.partition("\nnext: ")
        return PragmaError(what.strip(), next_step.strip())
    if "to array with length" in message:
        return PragmaError(
            "the current model's vectors have another width than the functions of this warehouse",
            "pragma build",
        )
    return PragmaError(message.strip(), 'see what there is: pragma sql "show all tables"')


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
    home: HomeOption = None,
) -> None:
    """Serve the live warehouse to DuckDB clients until Ctrl-C.

    Example: pragma serve --sql
    """
    if not sql:
        raise PragmaError("serve: nothing to serve", "pragma serve --sql")
    _serve_sql(host, port, token_file, home)


def export_triton(
    run: Annotated[
        str, typer.Argument(metavar="BUNDLE", help="A run's name, or the path of a run or bundle.")
    ],
    out: Annotated[
        Path | None, typer.Option(help="Folder for Triton [default: triton, in the warehouse's].")
    ] = None,
    instances: Annotated[int, typer.Option(min=1, help="Processes of each Triton model.")] = 2,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Write a folder that Triton serves a bundle from, and print the command that starts it.

    Example: pragma export-triton demo
    """
    from rich.console import Console

    from pragma_sql.formats.paths import Home
    from pragma_sql.serving.triton_export import prepare
    from pragma_sql.warehouse.registry import find_bundle

    place = Home.of(home)
    made = prepare(
        find_bundle(run, place.runs), (out or place.root / "triton").resolve(), instances
    )
    model_id = made.bundle.manifest.model_id
    if as_json:
        answer = {"model_id": model_id, "folder": str(made.root), "command": made.command()}
        print(json.dumps(answer))
    else:
        print(made.command())
    Console(stderr=True).print(
        f"model {model_id} is ready in {made.root}; docs/triton.md says how to start and watch it",
        highlight=False,
        soft_wrap=True,
    )


def _serve_sql(host: str, port: int, token_file: Path | None, home: Path | None) -> None:
    from rich.console import Console

    from pragma_sql.formats.paths import Home
    from pragma_sql.serving.sql_server import address_of, serve_until_stopped
    from pragma_udfs.functions import register

    console = Console(stderr=True, highlight=False, soft_wrap=True, markup=False)
    address = address_of(host, port, token_file)

    def say() -> None:
        console.print(f"{address.uri} answers until Ctrl-C; docs/sql.md says how to ask")
        if token_file is None:
            console.print(f"token: {address.token}")

    serve_until_stopped(Home.of(home).warehouse, address, register, say)
