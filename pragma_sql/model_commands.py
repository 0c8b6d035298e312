"""The commands between tokens and a served model: shards, register, publish."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from pragma_sql.formats.options import HomeOption, JsonOption

console = Console(stderr=True)
result = Console()


def shards(
    home: HomeOption = None,
    until: Annotated[str | None, typer.Option(help="Cut as of this moment, UTC.")] = None,
    current: Annotated[
        bool,
        typer.Option("--current", help="Of the tokenizer in force, not the candidate."),
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Write the Arrow shards that training reads, cut as of the fit's moment.

    After a refit they are of the tokenizer that waits for its model.

    Example: pragma shards --until 2016-07-01
    """
    from pragma_sql.formats.paths import Home
    from pragma_sql.warehouse.export_shards import export_shards

    place = Home.of(home)
    written = export_shards(place.warehouse, place.shards, until, current=current)
    console.print(f"of the tokenizer {written.manifest.tokenizer_hash[:12]}", highlight=False)
    if as_json:
        print(json.dumps(asdict(written.manifest)))
    else:
        from pragma_sql.tables import shards_table

        result.print(shards_table(written))


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
    from pragma_sql.formats.bundle import open_bundle
    from pragma_sql.formats.paths import Home
    from pragma_sql.warehouse.promote import next_build
    from pragma_sql.warehouse.refit import waiting_text
    from pragma_sql.warehouse.registry import find_bundle, models_of, register_bundle

    place = Home.of(home)
    if run is not None:
        model_id = register_bundle(open_bundle(find_bundle(run, place.runs)), place.warehouse)
        print(model_id)
        console.print(next_build(place.warehouse), highlight=False, soft_wrap=True)
        return
    models = models_of(place.warehouse)
    from pragma_sql.tables import json_of, table_of

    if as_json:
        print(json_of(models))
    else:
        shown = ["model_id", "status", "size", "embedding_size", "registered", "problem"]
        result.print(table_of(models.select(shown), "models"))
    if waits := waiting_text(place):
        console.print(waits, highlight=False, soft_wrap=True, markup=False)


def publish(
    home: HomeOption = None,
    to: Annotated[
        Path | None, typer.Option(help="Folder that readers look in [default: HOME/published].")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Write the embedding tables as parquet, and bi.duckdb over them, for readers to open.

    Builds to come publish to the same folder again, whenever vectors or events have changed.

    Example: pragma publish --to /shared/embeddings
    """
    from pragma_sql.formats.paths import Home
    from pragma_sql.tables import published_table
    from pragma_sql.warehouse.publish import DATABASE
    from pragma_sql.warehouse.republish import publish as run

    place = Home.of(home)
    folder = to or place.published
    published = run(place, folder)
    if as_json:
        print(json.dumps([{**asdict(each), "folder": str(each.folder)} for each in published]))
    else:
        result.print(published_table(published))
    console.print(
        f"readers open {folder / DATABASE}", highlight=False, soft_wrap=True, markup=False
    )
