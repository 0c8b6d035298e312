"""The `pragma` command: one command, one function of the same name, no logic of its own."""

from __future__ import annotations

import json
from dataclasses import asdict
from importlib.metadata import entry_points
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from pragma_sql.ending import ending
from pragma_sql.options import (
    ContractOption,
    HomeOption,
    JsonOption,
    ProjectOption,
    StrictOption,
    VarOption,
)

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Event histories in a SQL warehouse: tokens by dbt, a PRAGMA encoder, embeddings in SQL.",
)

talk = Console(stderr=True)
result = Console()


@app.command()
def demo(home: HomeOption = None) -> None:
    """Run the whole loop on real purchase cards: contract, tokens, model, embeddings, probe.

    Example: pragma demo
    """
    from pragma_sql.demo import run_demo
    from pragma_sql.home import Home

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
    from pragma_sql.init import init as run
    from pragma_sql.init import models_text, summary

    made = run(folder, table or [])
    if as_json:
        print(json.dumps([{"path": str(e.path), "fate": e.fate} for e in made.entries]))
    else:
        print(models_text(made), end="")
    for line in summary(made):
        talk.print(line, highlight=False, soft_wrap=True, markup=False)


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
    refit: Annotated[bool, typer.Option(help="Fit the tokenizer anew: other token ids.")] = False,
    quarantine: Annotated[
        bool, typer.Option(help="Move rows that break a rule to contract.rejected and go on.")
    ] = False,
    strict: StrictOption = False,
    as_json: JsonOption = False,
) -> None:
    """Build the warehouse with `dbt build`: the dataset given, else the one that it holds.

    Example: pragma build --contract my_book --var fit_until=2024-01-01
    """
    from pragma_sql.book import book_of
    from pragma_sql.build import build as run
    from pragma_sql.build import built_table
    from pragma_sql.dataset import Source, source_of
    from pragma_sql.home import Home
    from pragma_sql.republish import republish
    from pragma_sql.selection import selectors

    chosen = selectors(select or [], more or [])
    place = Home.of(home, project)
    source = source_of(place, Source(contract, project, var or []))
    book = book_of(source.contract, source.pairs, source.project, talk)
    if quarantine:
        book = {**book, "quarantine": True}
    built = run(
        place,
        book,
        select=chosen,
        refit=refit,
        strict=strict,
        project=source.project,
        progress=talk,
    )
    for line in republish(place):
        talk.print(line, highlight=False, soft_wrap=True, markup=False)
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

    Example: pragma validate --contract my_book
    """
    from pragma_sql.book import book_of
    from pragma_sql.build import validate as run
    from pragma_sql.checks import raise_if_stopped
    from pragma_sql.dataset import Source, source_of
    from pragma_sql.home import Home

    place = Home.of(home, project)
    source = source_of(place, Source(contract, project, var or []))
    book = book_of(source.contract, source.pairs, source.project, talk)
    checks = run(place, book, strict=strict, project=source.project, progress=talk)
    if as_json:
        print(json.dumps(checks.to_pylist()))
    else:
        from pragma_sql.tables import checks_table

        result.print(checks_table(checks))
    raise_if_stopped(checks)


@app.command()
def shards(
    home: HomeOption = None,
    until: Annotated[str | None, typer.Option(help="Cut as of this moment, UTC.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Write the Arrow shards that training reads, cut as of the fit's moment.

    Example: pragma shards --until 2016-07-01
    """
    from pragma_sql.export import export_shards
    from pragma_sql.home import Home

    place = Home.of(home)
    written = export_shards(place.warehouse, place.shards, until)
    if as_json:
        print(json.dumps(asdict(written.manifest)))
    else:
        from pragma_sql.tables import shards_table

        result.print(shards_table(written))


@app.command()
def register(
    run: Annotated[
        str | None,
        typer.Argument(help="A run's name, the path of a run or bundle, or the id of a model."),
    ] = None,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Make a trained bundle the model that `embed` uses; without RUN, show the models.

    Example: pragma register nano
    """
    from pragma_sql.bundle import open_bundle
    from pragma_sql.home import Home
    from pragma_sql.registry import find_bundle, models_of, register_bundle

    place = Home.of(home)
    if run is not None:
        model_id = register_bundle(open_bundle(find_bundle(run, place.runs)), place.warehouse)
        print(model_id)
        talk.print(f"next: pragma build --select models+   # embeddings of model {model_id}")
        return
    models = models_of(place.warehouse)
    from pragma_sql.tables import json_of, table_of

    if as_json:
        print(json_of(models))
    else:
        shown = ["model_id", "status", "size", "embedding_size", "registered", "problem"]
        result.print(table_of(models.select(shown), "models"))


@app.command()
def publish(
    home: HomeOption = None,
    to: Annotated[
        Path | None, typer.Option(help="Folder that readers look in [default: HOME/published].")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Write the embedding tables as parquet, and bi.duckdb over them, for readers to open.

    Builds to come publish to the same folder anew, whenever vectors or events have changed.

    Example: pragma publish --to /shared/embeddings
    """
    from pragma_sql.home import Home
    from pragma_sql.publish import DATABASE
    from pragma_sql.republish import publish as run
    from pragma_sql.tables import published_table

    place = Home.of(home)
    folder = to or place.published
    published = run(place, folder)
    if as_json:
        print(json.dumps([{**asdict(each), "folder": str(each.folder)} for each in published]))
    else:
        result.print(published_table(published))
    talk.print(f"readers open {folder / DATABASE}", highlight=False, soft_wrap=True, markup=False)


def main() -> None:
    """Entry point of `pragma`."""
    for command in entry_points(group="pragma.commands"):
        app.command(command.name)(command.load())
    with ending():
        app()
