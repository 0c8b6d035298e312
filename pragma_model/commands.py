"""The command `train`. Importing this module does not load torch; running it does."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from pragma_model.options import with_options
from pragma_model.training.settings import RunOptions, TrainSettings
from pragma_sql.formats.options import HomeOption, JsonOption
from pragma_sql.formats.packages import need_packages
from pragma_sql.formats.paths import Home
from pragma_sql.formats.shards import open_shards
from pragma_sql.formats.text_encoder import NGRAMS

if TYPE_CHECKING:
    from pragma_model.runs.metrics import RunSummary


@with_options({"settings_given": TrainSettings, "options_given": RunOptions})
def train(
    context: typer.Context,
    shards: Annotated[Path, typer.Argument(help="Folder that `pragma shards` wrote.")],
    settings_given: Mapping[str, object],
    options_given: Mapping[str, object],
    run: Annotated[
        str | None, typer.Option(help="Name of the run.", show_default="the size")
    ] = None,
    auto: Annotated[
        bool, typer.Option("--auto", help="Size what is not given by shards and device; say why.")
    ] = False,
    text_encoder: Annotated[
        str,
        typer.Option(
            help="Reads the keys of kind text_embed: ngrams, or the folder of a "
            "sentence-transformers model."
        ),
    ] = NGRAMS,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Pre-train the encoder on shards and write a bundle; under torchrun, in many processes.

    Example: pragma train warehouse/shards --size small --auto
    """
    need_packages("pragma train", ["torch", "safetensors", "onnx", "onnxscript"])
    from pragma_model.runs.metrics import StoppedError
    from pragma_model.runs.progress import progress
    from pragma_model.training.sizing import resolve_settings
    from pragma_model.training.trainer import train as train_run

    options = RunOptions(**options_given)  # type: ignore[arg-type] # by the fields' own types
    size = str(settings_given.get("size", TrainSettings.size))
    place, name = Home.of(home), run or size
    opened = open_shards(shards, text_encoder)
    # Of the processes that torchrun started, only one prints.
    console = Console(stderr=True, quiet=os.environ.get("RANK", "0") != "0")
    settings, reasons = resolve_settings(
        settings_given,
        opened,
        begun=place.runs / name if options.resume else None,
        auto=auto,
    )
    for reason in reasons:
        console.print(reason, highlight=False)
    try:
        with progress(settings.steps, console) as listener:
            summary = train_run(opened, settings, place, name, options, listener)
    except StoppedError as stopped:
        console.print(str(stopped), highlight=False)
        raise typer.Exit(stopped.exit_code) from None
    if summary is not None:
        print(summary.to_json() if as_json else _settings_text(summary))


def _settings_text(summary: RunSummary) -> str:
    found, difference = summary.validation, summary.onnx_max_abs_diff
    silence = ", ".join(f"{auc:.3f} in {window}" for window, auc in summary.silence_auc.items())
    rows = (
        ("run", f"{summary.run}: {summary.size}, {summary.parameters:,} parameters"),
        ("trained", f"{summary.steps:,} steps, {summary.tokens:,} tokens"),
        ("took", f"{summary.seconds:.0f} s, {summary.tokens_per_s:,.0f} tokens/s"),
        ("padding", f"{summary.padding:.1%} of the cells of attention"),
        ("validation loss", f"{found.loss:.3f}" if found else "no validation split"),
        ("values found", f"{found.accuracy:.1%}" if found else "-"),
        ("by key alone", f"{found.baseline_accuracy:.1%}" if found else "-"),
        ("by last value", f"{found.bigram_accuracy:.1%}" if found else "-"),
        ("silence ahead", f"ROC-AUC {silence}" if silence else "-"),
        ("ONNX to torch", "-" if difference is None else f"{difference:.1e} at most"),
        ("bundle", str(summary.bundle.path) if summary.bundle else "none was asked for"),
        ("next", summary.next_step),
    )
    return "\n".join(f"{name:<17}{value}" for name, value in rows)
