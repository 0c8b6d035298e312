"""The commands of this room. Importing them costs no torch; running one does."""

from __future__ import annotations

import os
from dataclasses import fields
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from pragma_model.model.sizes import Readout
from pragma_model.training.settings import RunOptions, TrainSettings
from pragma_sql.formats.errors import PragmaError
from pragma_sql.formats.paths import Home
from pragma_sql.formats.shards import open_shards
from pragma_sql.formats.text_encoder import NGRAMS

if TYPE_CHECKING:
    from pragma_model.runs.metrics import RunSummary

DEFAULTS = TrainSettings()
HOW = RunOptions()


def train(
    context: typer.Context,
    shards: Annotated[Path, typer.Argument(help="Folder that `pragma shards` wrote.")],
    run: Annotated[str | None, typer.Option(help="Name of the run. Default: the size.")] = None,
    size: Annotated[str, typer.Option(help="nano, small, medium or large.")] = DEFAULTS.size,
    steps: Annotated[int, typer.Option(help="Steps of the optimizers.")] = DEFAULTS.steps,
    budget: Annotated[
        int, typer.Option(help="Most event tokens a batch: sets the memory.")
    ] = DEFAULTS.budget,
    accumulation: Annotated[
        int, typer.Option(help="Batches a step, of all processes. Default: one a process.")
    ] = 0,
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
    warm_up: Annotated[
        float, typer.Option(help="Share of the steps in which the rates rise.")
    ] = DEFAULTS.warm_up,
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
    precision: Annotated[
        str, typer.Option(help="fp32, bf16, or auto: bf16 where the hardware computes in it.")
    ] = "auto",
    auto: Annotated[
        bool, typer.Option("--auto", help="Size what is not given by shards and device; say why.")
    ] = False,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on from the last good checkpoint of RUN.")
    ] = False,
    checkpoint_minutes: Annotated[
        float, typer.Option(help="Between checkpoints.")
    ] = HOW.checkpoint_minutes,
    readers: Annotated[int, typer.Option(help="Threads that read batches ahead.")] = HOW.readers,
    parallel: Annotated[
        str | None, typer.Option(help="Under torchrun: ddp, or fsdp. Default: fsdp for large.")
    ] = HOW.parallel,
    recompute: Annotated[
        bool | None,
        typer.Option(help="Compute layers twice to save memory. Default: for large."),
    ] = HOW.recompute,
    compile: Annotated[  # noqa: A002 - the option's name
        bool, typer.Option("--compile", help="torch.compile; does not pay on a CPU.")
    ] = HOW.compile,
    validate_every: Annotated[
        int, typer.Option(help="Steps between validations; 0 for one at the end.")
    ] = HOW.validate_every,
    validation_batches: Annotated[
        int, typer.Option(help="Most batches that a validation looks at.")
    ] = HOW.validation_batches,
    probe: Annotated[
        Path | None, typer.Option(help="Labels (parquet: user_id, label) to probe for.")
    ] = HOW.probe,
    tensorboard: Annotated[
        bool, typer.Option("--tensorboard", help="Also write event files for TensorBoard.")
    ] = HOW.tensorboard,
    mlflow: Annotated[bool, typer.Option("--mlflow", help="Also log to MLflow.")] = HOW.mlflow,
    readout: Annotated[
        Readout | None,
        typer.Option(help="States in an embedding: of [USR], of the last event. Default: both."),
    ] = HOW.readout,
    bundle: Annotated[
        bool, typer.Option(help="Write a bundle at the end; --no-bundle to try settings.")
    ] = HOW.bundle,
    home: Annotated[
        Path | None, typer.Option(help="Gets runs/RUN/. Default: PRAGMA_HOME, else ./warehouse.")
    ] = None,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Start anew where RUN exists.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object on stdout.")] = False,
) -> None:
    """Pre-train the encoder on shards and write a bundle; under torchrun, in many processes.

    Example: pragma train warehouse/shards --size small --auto
    """
    require_train_extra("pragma train")
    from pragma_model.runs.metrics import StoppedError
    from pragma_model.runs.progress import progress
    from pragma_model.training.sizing import resolved
    from pragma_model.training.trainer import train as train_run

    given = {
        name: value
        for name, value in context.params.items()
        if getattr(context.get_parameter_source(name), "name", "") == "COMMANDLINE"
    }
    place, name = Home.of(home), run or size
    opened = open_shards(shards, text_encoder)
    # Of the processes that torchrun started, one talks.
    talk = Console(stderr=True, quiet=os.environ.get("RANK", "0") != "0")
    settings, reasons = resolved(
        {f.name: given[f.name] for f in fields(TrainSettings) if f.name in given},
        opened,
        begun=place.runs / name if resume else None,
        auto=auto,
    )
    for reason in reasons:
        talk.print(reason, highlight=False)
    options = RunOptions(
        overwrite=overwrite,
        resume=resume,
        checkpoint_minutes=checkpoint_minutes,
        readers=readers,
        parallel=parallel,  # type: ignore[arg-type] # is checked there
        recompute=recompute,
        compile=compile,
        validate_every=validate_every,
        validation_batches=validation_batches,
        probe=probe,
        tensorboard=tensorboard,
        mlflow=mlflow,
        readout=readout,
        bundle=bundle,
    )
    try:
        with progress(settings.steps, talk) as watch:
            summary = train_run(opened, settings, place, name, options, watch)
    except StoppedError as stopped:
        talk.print(str(stopped), highlight=False)
        raise typer.Exit(stopped.exit_code) from None
    if summary is not None:
        print(summary.to_json() if as_json else _told(summary))


def require_train_extra(command: str) -> None:
    """Refuse to start where a package of the extra `train` is missing."""
    for package in ("torch", "safetensors", "onnx", "onnxscript"):
        if find_spec(package) is None:
            raise PragmaError(f"{command} needs {package}", "pip install 'pragma-sql[train]'")


def _told(summary: RunSummary) -> str:
    found, difference = summary.validation, summary.onnx_max_abs_diff
    rows = (
        ("run", f"{summary.run}: {summary.size}, {summary.parameters:,} parameters"),
        ("trained", f"{summary.steps:,} steps, {summary.tokens:,} tokens"),
        ("took", f"{summary.seconds:.0f} s, {summary.tokens_per_s:,.0f} tokens/s"),
        ("padding", f"{summary.padding:.1%} of the cells of attention"),
        ("validation loss", f"{found.loss:.3f}" if found else "no validation split"),
        ("values found", f"{found.accuracy:.1%}" if found else "-"),
        ("by key alone", f"{found.baseline_accuracy:.1%}" if found else "-"),
        ("by last value", f"{found.bigram_accuracy:.1%}" if found else "-"),
        ("ONNX to torch", "-" if difference is None else f"{difference:.1e} at most"),
        ("bundle", str(summary.bundle.path) if summary.bundle else "none was asked for"),
        ("next", summary.next_step),
    )
    return "\n".join(f"{name:<17}{value}" for name, value in rows)
