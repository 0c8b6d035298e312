"""`pragma serve`: what answers questions from outside this process."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from pragma_sql.errors import PragmaError


def serve(
    triton: Annotated[
        str | None,
        typer.Option(metavar="BUNDLE", help="A run's name, or the path of a run or bundle."),
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="Folder for Triton [default: triton, in the warehouse's].")
    ] = None,
    instances: Annotated[int, typer.Option(min=1, help="Processes of each Triton model.")] = 2,
    home: Annotated[
        Path | None,
        typer.Option(help="Folder of the warehouse [default: $PRAGMA_HOME, else ./warehouse]."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON for machines.")] = False,
) -> None:
    """Make a bundle ready for Triton and print the command that starts the server.

    Example: pragma serve --triton demo
    """
    if triton is None:
        raise PragmaError("serve: nothing to serve", "pragma serve --triton BUNDLE")
    _serve_triton(triton, out, instances, home, as_json)


def _serve_triton(
    run: str, out: Path | None, instances: int, home: Path | None, as_json: bool
) -> None:
    from rich.console import Console

    from pragma_sql.home import Home
    from pragma_sql.registry import find_bundle
    from pragma_udfs.triton_repository import prepare

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
