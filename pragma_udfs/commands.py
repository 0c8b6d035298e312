"""`pragma sql`: a query on the warehouse, with its SQL functions at hand."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pragma_sql.errors import PragmaError


def sql(
    query: Annotated[
        str, typer.Argument(help="One SELECT; embed, embed_at, embed_with and embed_records work.")
    ],
    home: Annotated[
        Path | None,
        typer.Option(help="Folder of the warehouse [default: $PRAGMA_HOME, else ./warehouse]."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON for machines.")] = False,
) -> None:
    """Run a query on the warehouse, read-only.

    Example: pragma sql "select user_id, embed(user_id) from contract.profiles limit 3"
    """
    import duckdb
    from rich.console import Console

    from pragma_sql.home import Home
    from pragma_sql.tables import json_of, table_of
    from pragma_sql.warehouse import opened
    from pragma_udfs.functions import register

    with opened(Home.of(home).warehouse) as con:
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
