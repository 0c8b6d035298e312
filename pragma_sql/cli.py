"""The `pragma` command: each command is a function of the same name without logic of its own."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from importlib.metadata import entry_points
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from pragma_sql.error_handling import ending
from pragma_sql.formats.options import (
    ContractOption,
    HomeOption,
    JsonOption,
    ProjectOption,
    StrictOption,
    VarOption,
)
from pragma_sql.model_commands import publish, register, shards
from pragma_sql.old_names import rename_words

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Event histories in a SQL warehouse: tokens by dbt, a PRAGMA encoder, embeddings in SQL.",
)

console = Console(stderr=True)
result = Console()


@app.command()
def demo(home: HomeOption = None) -> None:
    """Run the whole loop on real purchase cards: contract, tokens, model, embeddings, probe.

    Example: pragma demo
    """
    from pragma_sql.demo import run_demo
    from pragma_sql.formats.paths import Home

    run_demo(Home.of(home))


@app.command()
def init(
    folder: Annotated[Path, typer.Argument(help="Folder of the project; made if need be.")],
    table: Annotated[
        list[str] | None,
        typer.Option(help="NAME=PATH of a table to fill the mapping from; may be repeated."),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Make a dbt project for tables of your own, and its staging SQL from mapping.yml.

    Example: pragma init my_bank --table cards=data/cards.parquet
    """
    from pragma_sql.datasets.init import init as run
    from pragma_sql.datasets.init import models_text, summary

    made = run(folder, table or [])
    if as_json:
        print(json.dumps([{"path": str(e.path), "fate": e.fate} for e in made.entries]))
    else:
        print(models_text(made), end="")
    for line in summary(made):
        console.print(line, highlight=False, soft_wrap=True, markup=False)


@app.command()
def build(
    home: HomeOption = None,
    contract: ContractOption = None,
    project: ProjectOption = None,
    select: Annotated[
        list[str] | None, typer.Option(help="dbt selectors, one or several; may be repeated.")
    ] = None,
    more: Annotated[list[str] | None, typer.Argument(hidden=True)] = None,
    var: VarOption = None,
    refit: Annotated[
        bool, typer.Option(help="Make a new tokenizer, with other token ids.")
    ] = False,
    full_refresh: Annotated[
        bool, typer.Option(help="Make incremental tables again as a whole; the tokenizer stays.")
    ] = False,
    until: Annotated[
        str | None, typer.Option(help="With --refit: fit on what is before this, or `latest`.")
    ] = None,
    quarantine: Annotated[
        bool, typer.Option(help="Move rows that break a rule to contract.rejected and go on.")
    ] = False,
    strict: StrictOption = False,
    as_json: JsonOption = False,
) -> None:
    """Build the warehouse with `dbt build`: the dataset given, else the one that it holds.

    Example: pragma build --contract my_dataset --var fit_until=2024-01-01
    """
    from pragma_sql.datasets.dataset import Source, dataset_vars, source_of
    from pragma_sql.formats.paths import Home
    from pragma_sql.warehouse.build import build as run
    from pragma_sql.warehouse.build import built_table
    from pragma_sql.warehouse.refit import check_until, check_whole
    from pragma_sql.warehouse.refit import refit as again
    from pragma_sql.warehouse.republish import republish
    from pragma_sql.warehouse.selection import selectors

    chosen = selectors(select or [], more or [])
    place = Home.of(home, project)
    source = source_of(place, Source(contract, project, var or []))
    dataset = dataset_vars(source.contract, source.pairs, source.project, console)
    if quarantine:
        dataset = {**dataset, "quarantine": True}
    check_until(until, refit)
    if refit:
        check_whole(chosen, full_refresh, strict)
        built = again(place, dataset, until=until, project=source.project, progress=console)
    else:
        built = run(
            place,
            dataset,
            select=chosen,
            full_refresh=full_refresh,
            strict=strict,
            project=source.project,
            progress=console,
        )
    for line in republish(place):
        console.print(line, highlight=False, soft_wrap=True, markup=False)
    if as_json:
        print(json.dumps([asdict(model) for model in built]))
    else:
        result.print(built_table(built))


@app.command()
def validate(
    home: HomeOption = None,
    contract: ContractOption = None,
    project: ProjectOption = None,
    var: VarOption = None,
    strict: StrictOption = False,
    as_json: JsonOption = False,
) -> None:
    """Check the contract, of the dataset given, else of the one held; print every rule.

    Example: pragma validate --contract my_dataset
    """
    from pragma_sql.checks.gate import raise_if_stopped
    from pragma_sql.datasets.dataset import Source, dataset_vars, source_of
    from pragma_sql.formats.paths import Home
    from pragma_sql.warehouse.build import validate as run

    place = Home.of(home, project)
    source = source_of(place, Source(contract, project, var or []))
    dataset = dataset_vars(source.contract, source.pairs, source.project, console)
    checks = run(place, dataset, strict=strict, project=source.project, progress=console)
    if as_json:
        print(json.dumps(checks.to_pylist()))
    else:
        from pragma_sql.tables import checks_table

        result.print(checks_table(checks))
    raise_if_stopped(checks)


app.command()(shards)
app.command()(register)
app.command()(publish)


def main() -> None:
    """Entry point of `pragma`."""
    for command in entry_points(group="pragma.commands"):
        app.command(command.name)(command.load())
    with ending():
        words, notes = rename_words(sys.argv[1:])
        for note in notes:
            console.print(note, highlight=False, soft_wrap=True, markup=False)
        app(words, prog_name="pragma")
