"""The commands of this room. Importing them costs no torch; running one does."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from pragma_model.settings import TrainSettings
from pragma_sql.errors import PragmaError
from pragma_sql.home import Home
from pragma_sql.shards import open_shards
from pragma_sql.texts import NGRAMS

if TYPE_CHECKING:
    from pragma_model.metrics import RunSummary

DEFAULTS = TrainSettings()


def train(
    shards: Annotated[Path, typer.Argument(help="Folder that `pragma shards` wrote.")],
    run: Annotated[str, typer.Option(help="Name of the run.")],
    size: Annotated[str, typer.Option(help="nano, small, medium or large.")] = DEFAULTS.size,
    steps: Annotated[int, typer.Option(help="Batches to train on.")] = DEFAULTS.steps,
    budget: Annotated[int, typer.Option(help="Most event tokens a batch.")] = DEFAULTS.budget,
    window: Annotated[
        int, typer.Option(help="Events of a user that a batch reads, up to a random moment.")
    ] = DEFAULTS.window,
    seed: Annotated[int, typer.Option(help="Decides weights, batches and masks.")] = DEFAULTS.seed,
    learning_rate: Annotated[
        float | None,
        typer.Option(help="Peak rate of AdamW: embeddings, norms, output. Default: by size."),
    ] = DEFAULTS.learning_rate,
    muon_learning_rate: Annotated[
        float | None,
        typer.Option(help="Peak rate of Muon: the encoders' matrices. Default: by size."),
    ] = DEFAULTS.muon_learning_rate,
    dropout: Annotated[
        float | None, typer.Option(help="Default: 0 for nano, else 0.1.")
    ] = DEFAULTS.dropout,
    attention: Annotated[
        str, typer.Option(help="Attention kernel: auto, padded, grouped, varlen, flash or flex.")
    ] = DEFAULTS.attention,
    text_encoder: Annotated[
        str,
        typer.Option(
            help="Reads the keys of kind text_embed: ngrams, or the folder of a "
            "sentence-transformers model."
        ),
    ] = NGRAMS,
    home: Annotated[
        Path | None, typer.Option(help="Gets runs/RUN/. Default: PRAGMA_HOME, else ./warehouse.")
    ] = None,
    overwrite: Annotated[bool, typer.Option(help="Allow a RUN that exists.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object on stdout.")] = False,
) -> None:
    """Pre-train the encoder on shards and write a bundle.

    Example: pragma train warehouse/shards --run first
    """
    require_train_extra("pragma train")
    from pragma_model.progress import progress
    from pragma_model.trainer import train as train_run

    settings = TrainSettings(
        size=size,
        steps=steps,
        budget=budget,
        window=window,
        seed=seed,
        learning_rate=learning_rate,
        muon_learning_rate=muon_learning_rate,
        dropout=dropout,
        attention=attention,
    )
    with progress(steps, Console(stderr=True)) as watch:
        summary = train_run(
            open_shards(shards, text_encoder),
            settings,
            Home.of(home),
            run,
            overwrite=overwrite,
            watch=watch,
        )
    print(summary.to_json() if as_json else _told(summary))


def require_train_extra(command: str) -> None:
    """Refuse to start where a package of the extra `train` is missing."""
    for package in ("torch", "safetensors", "onnx", "onnxscript"):
        if find_spec(package) is None:
            raise PragmaError(f"{command} needs {package}", "pip install 'pragma-sql[train]'")


def _told(summary: RunSummary) -> str:
    found = summary.validation
    rows = (
        ("run", f"{summary.run}: {summary.size}, {summary.parameters:,} parameters"),
        ("trained", f"{summary.steps:,} steps, {summary.tokens:,} tokens"),
        ("took", f"{summary.seconds:.0f} s, {summary.tokens_per_s:,.0f} tokens/s"),
        ("validation loss", f"{found.loss:.3f}" if found else "no validation split"),
        ("values found", f"{found.accuracy:.1%}" if found else "-"),
        ("by key alone", f"{found.baseline_accuracy:.1%}" if found else "-"),
        ("ONNX to torch", f"{summary.onnx_max_abs_diff:.1e} at most"),
        ("bundle", str(summary.bundle)),
        ("next", summary.next_step),
    )
    return "\n".join(f"{name:<17}{value}" for name, value in rows)
