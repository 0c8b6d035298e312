"""`pragma probe`, `pragma plot` and `pragma runs`: results as tables and pictures."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from pragma_sql.formats.bundle import open_bundle
from pragma_sql.formats.errors import PragmaError
from pragma_sql.formats.options import HomeOption, JsonOption
from pragma_sql.formats.paths import Home


def probe(
    home: HomeOption = None,
    examples: Annotated[
        Path | None, typer.Option(help="File of examples [default: HOME/probe_examples.parquet].")
    ] = None,
    models: Annotated[
        list[str] | None,
        typer.Option(help="Runs or registered models, several; else the one in use."),
    ] = None,
    more: Annotated[list[str] | None, typer.Argument(hidden=True)] = None,
    split_at: Annotated[
        datetime | None,
        typer.Option(
            help="Learn from labels before this moment and test on those from then on, instead of "
            "on other users; a user may then be on both sides."
        ),
    ] = None,
    seeds: Annotated[int, typer.Option(help="How many seeds the spread is over.", min=1)] = 3,
    as_json: JsonOption = False,
) -> None:
    """Ask what the embeddings add to hand-made features, on users that nothing was fitted on.

    With several models, such as runs of other seeds, the spread over them is shown beside that over
    the probe's own seeds. Example: pragma probe --models first second third --split-at 2017-04-01
    """
    from pragma_model.evaluation.probe import probe as run
    from pragma_model.evaluation.probe_table import meaning, to_json, to_table

    if more and not models:
        raise PragmaError(f"pragma probe does not know {more[0]!r}", "name models after --models")
    place = Home.of(home)
    ids = [_model_id(name, place) for name in [*(models or []), *(more or [])]]
    if examples is None and place.examples.is_file():
        check_made_from(place, "probe_examples")
    console = Console(stderr=True)
    with console.status("fitting LightGBM and logistic regression"):
        results = run(_present(examples or place.examples), range(seeds), ids, split_at)
    place.root.mkdir(parents=True, exist_ok=True)
    (place.root / "probe.json").write_text(to_json(results) + "\n")
    if as_json:
        print(to_json(results))
    else:
        tested = (
            f"test: labels from {split_at:%Y-%m-%d} on, users on both sides" if split_at else ""
        )
        out = Console()
        out.print(to_table(results, tested or "test users only"))
        for sentence in meaning(results):
            out.print(sentence, highlight=False, markup=False)


def plot(
    home: HomeOption = None,
    picture: Annotated[
        Path | None, typer.Option(help="Where the PNG goes [default: HOME/embedding_map.png].")
    ] = None,
) -> None:
    """Draw the users' embeddings in two dimensions, coloured by segment.

    Example: pragma plot --picture map.png
    """
    import pyarrow.parquet as pq

    from pragma_model.evaluation.plot import draw

    place = Home.of(home)
    path = _present(place.root / "embedding_map.parquet")
    check_made_from(place, "embedding_map")
    rows = pq.read_table(path)
    target = picture or place.root / "embedding_map.png"
    draw(rows, target, colour="segment", title="Users by their embeddings")
    print(target)


def _model_id(name: str, place: Home) -> str:
    """The id of a model, given its run's name, its id or the beginning of its id."""
    bundle = place.runs / name / "bundle"
    if bundle.is_dir():
        return open_bundle(bundle).manifest.model_id
    known = sorted(path.name for path in place.bundles.glob("[0-9a-f]*") if path.is_dir())
    found = [model for model in known if model.startswith(name)]
    if len(found) != 1:
        runs = sorted(path.parent.name for path in place.runs.glob("*/bundle"))
        there = f"runs: {', '.join(runs) or 'none'}; models: {', '.join(known) or 'none'}"
        raise PragmaError(f"there is no run or model {name!r}; {there}", "name one of these")
    return found[0]


def check_made_from(place: Home, relation: str) -> None:
    """Raise if a file is stale: of a model other than the current one, or of earlier vectors.

    A warehouse older than `made_from.parquet` is not checked.
    """
    import pyarrow.parquet as pq

    path = place.root / "made_from.parquet"
    if not path.is_file():
        return
    made = {row["relation"]: row for row in pq.read_table(path).to_pylist()}
    present, own = made.get("user_embeddings"), made.get(relation)
    current = place.current_model or ""
    again = f"pragma build {place.option} --select models+"
    if own is not None and own["model_id"] != current:
        raise PragmaError(
            f"{relation} is of model {own['model_id']}, and {current or 'none'} is current", again
        )
    if present is None or own is None or own["state"] != present["state"]:
        raise PragmaError(f"{relation} is older than the vectors that it is made of", again)


def _present(path: Path) -> Path:
    if not path.is_file():
        raise PragmaError(f"there is no {path}", "pragma build, once a model is registered")
    return path


def runs(
    names: Annotated[list[str] | None, typer.Argument(help="Runs to compare; else all.")] = None,
    home: HomeOption = None,
    plot: Annotated[Path | None, typer.Option(help="Draw the losses into this PNG.")] = None,
    as_json: JsonOption = False,
) -> None:
    """List the training runs, or compare those that are named.

    Example: pragma runs nano small --plot curves.png
    """
    from pragma_model.runs.comparison import differences, draw_curves, read_runs, to_json, to_table

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
