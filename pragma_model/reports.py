"""`pragma probe`, `pragma map` and `pragma runs`: what came of it, as table and picture."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from pragma_sql.errors import PragmaError
from pragma_sql.home import Home

HomeOption = Annotated[
    Path | None,
    typer.Option(help="Folder of the warehouse [default: $PRAGMA_HOME, else ./warehouse]."),
]


def probe(
    home: HomeOption = None,
    examples: Annotated[
        Path | None, typer.Option(help="File of examples [default: HOME/probe_examples.parquet].")
    ] = None,
    seeds: Annotated[int, typer.Option(help="How many seeds the spread is over.", min=1)] = 3,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON for machines.")] = False,
) -> None:
    """Ask what the embeddings add to hand-made features, on users that nothing was fitted on.

    Example: pragma probe --seeds 5
    """
    from pragma_model.probe import probe as run
    from pragma_model.probe import to_json, to_table

    place = Home.of(home)
    talk = Console(stderr=True)
    with talk.status("fitting LightGBM and logistic regression"):
        results = run(_present(examples or place.examples), range(seeds))
    place.root.mkdir(parents=True, exist_ok=True)
    (place.root / "probe.json").write_text(to_json(results) + "\n")
    if as_json:
        print(to_json(results))
    else:
        Console().print(to_table(results))


def map(  # noqa: A001 - the command's name
    home: HomeOption = None,
    picture: Annotated[
        Path | None, typer.Option(help="Where the PNG goes [default: HOME/embedding_map.png].")
    ] = None,
) -> None:
    """Draw the users' embeddings in two dimensions, coloured by segment.

    Example: pragma map --picture map.png
    """
    import pyarrow.parquet as pq

    from pragma_model.embedding_map import draw

    place = Home.of(home)
    rows = pq.read_table(_present(place.root / "embedding_map.parquet"))
    target = picture or place.root / "embedding_map.png"
    draw(rows, target, colour="segment", title="Users by their embeddings")
    print(target)


def _present(path: Path) -> Path:
    if not path.is_file():
        raise PragmaError(f"there is no {path}", "pragma build, once a model is registered")
    return path


def runs(
    names: Annotated[list[str] | None, typer.Argument(help="Runs to compare; else all.")] = None,
    home: HomeOption = None,
    plot: Annotated[Path | None, typer.Option(help="Draw the losses into this PNG.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON for machines.")] = False,
) -> None:
    """List the training runs, or compare those that are named.

    Example: pragma runs nano small --plot curves.png
    """
    from pragma_model.run_curves import draw_curves
    from pragma_model.runs import differences, read_runs, to_json, to_table

    place = Home.of(home)
    found = read_runs(place.runs, names or [])
    if not found:
        raise PragmaError(f"there are no runs in {place.runs}", "pragma train SHARDS")
    if plot is not None:
        draw_curves([place.runs / run.run for run in found], plot)
        Console(stderr=True).print(f"drawn: {plot}", highlight=False)
    if as_json:
        print(to_json(found))
        return
    Console().print(to_table(found))
    if names and (table := differences(found)):
        Console().print(table)
