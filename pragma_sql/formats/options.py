"""The options that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

HomeOption = Annotated[
    Path | None,
    typer.Option(help="Folder of the warehouse [default: $PRAGMA_HOME, else ./warehouse]."),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON for machines.")]
VarOption = Annotated[
    list[str] | None, typer.Option("--var", help="A dbt var, NAME=VALUE; may be repeated.")
]
ContractOption = Annotated[
    Path | None,
    typer.Option("--contract", help="Read the dataset from a folder of contract parquet files."),
]
StrictOption = Annotated[
    bool, typer.Option("--strict", help="Take a warning for an error: exit code 1.")
]
ProjectOption = Annotated[
    Path | None,
    typer.Option("--project", help="A dbt project of your own, as made by `pragma init`."),
]
