"""Runs from their `run.json` and `metrics.jsonl`: a list, a comparison, and curves."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from rich.markup import escape
from rich.table import Table

from pragma_sql.formats.errors import PragmaError
from pragma_sql.formats.packages import need_packages

LAST_STEPS = 20
"""Number of steps in the mean of the last loss."""


@dataclass(frozen=True)
class Curve:
    """A series of numbers by step."""

    steps: list[int]
    values: list[float]


@dataclass(frozen=True)
class RunRecord:
    """One run; what it has not reached yet is None."""

    run: str
    state: str
    """One of running, stopped, failed, killed and finished."""
    started: str
    size: str
    parameters: int
    device: str
    processes: int
    step: int
    steps: int
    tokens: int
    seconds: float
    loss: float | None
    """The training loss, mean over the last steps."""
    padding: float | None
    skipped: int
    """Number of steps whose loss or gradient was not finite."""
    validation_loss: float | None
    validation_accuracy: float | None
    baseline_accuracy: float | None
    bigram_accuracy: float | None
    probe_roc_auc: float | None
    settings: Mapping[str, float | int | str]


def read_runs(folder: Path, names: Sequence[str] = ()) -> list[RunRecord]:
    """The runs of a folder, the newest first; or the named ones, in the given order.

    Raises:
        PragmaError: a named run does not exist.
    """
    found = {path.parent.name: path.parent for path in folder.glob("*/run.json")}
    for name in names:
        if name not in found:
            there = ", ".join(sorted(found)) or "none"
            raise PragmaError(f"there is no run {name!r} in {folder}", f"one of: {there}")
    records = [read_run(found[name]) for name in names or found]
    return records if names else sorted(records, key=lambda run: run.started, reverse=True)


def read_run(folder: Path) -> RunRecord:
    """Read one run."""
    about = json.loads((folder / "run.json").read_text())
    lines = list(read_lines(folder))
    trained = [line for line in lines if "epoch" in line]
    losses = [line["loss"] for line in trained if line["loss"] is not None]
    validation = next((line for line in reversed(lines) if "baseline_accuracy" in line), {})
    probe = next((line for line in reversed(lines) if "probe_users" in line), {})
    last = trained[-1] if trained else {}
    return RunRecord(
        run=folder.name,
        state=_state(about),
        started=about["started"],
        size=about["settings"]["size"],
        parameters=about["parameters"],
        device=about["device"],
        processes=about["processes"],
        step=int(last.get("step", 0)),
        steps=about["settings"]["steps"],
        tokens=sum(int(line["tokens"]) for line in trained),
        seconds=last.get("seconds", 0.0),
        loss=_mean(losses[-LAST_STEPS:]),
        padding=_mean([line["padding"] for line in trained]),
        skipped=sum(bool(line["skipped"]) for line in trained),
        validation_loss=validation.get("loss"),
        validation_accuracy=validation.get("accuracy"),
        baseline_accuracy=validation.get("baseline_accuracy"),
        bigram_accuracy=validation.get("bigram_accuracy"),
        probe_roc_auc=probe.get("roc_auc"),
        settings=about["settings"],
    )


def read_lines(folder: Path) -> Iterator[dict[str, float]]:
    """The complete lines of `metrics.jsonl`; an active run may be writing the last one."""
    path = folder / "metrics.jsonl"
    if path.is_file():
        with path.open() as stream:
            yield from (json.loads(line) for line in stream if line.endswith("\n"))


def to_json(runs: Sequence[RunRecord]) -> str:
    """A list of objects, one per run."""
    return json.dumps([asdict(run) for run in runs], indent=2)


def to_table(runs: Sequence[RunRecord]) -> Table:
    """One row per run; the lowest loss and the highest scores are bold."""
    table = Table(
        "run", "state", "size", "steps", "tokens", "tokens/s", "loss", "val. loss", "found", "probe"
    )
    table.caption = (
        "found: hidden values of held-out users (by key alone, by its last value); probe: ROC-AUC"
    )
    best_loss = min((run.validation_loss for run in runs if run.validation_loss), default=None)
    best_found = max((run.validation_accuracy or 0.0 for run in runs), default=0.0)
    for run in runs:
        found = "-"
        if run.validation_accuracy is not None:
            share = _bold(f"{run.validation_accuracy:.1%}", run.validation_accuracy == best_found)
            guessed = (run.baseline_accuracy, run.bigram_accuracy)
            known = ", ".join(f"{each:.1%}" for each in guessed if each is not None)
            found = f"{share} ({known})"
        table.add_row(
            escape(run.run),
            run.state,
            run.size,
            f"{run.step:,}/{run.steps:,}",
            f"{run.tokens:,}",
            f"{run.tokens / run.seconds:,.0f}" if run.seconds else "-",
            _number(run.loss),
            _bold(_number(run.validation_loss), run.validation_loss == best_loss),
            found,
            _number(run.probe_roc_auc),
        )
    return table


def differences(runs: Sequence[RunRecord]) -> Table | None:
    """The settings that differ between runs, one row each; None if there are none."""
    names = sorted({name for run in runs for name in run.settings})
    rows = [(name, [str(run.settings.get(name, "-")) for run in runs]) for name in names]
    differing = [(name, values) for name, values in rows if len(set(values)) > 1]
    if not differing:
        return None
    table = Table("setting", *(escape(run.run) for run in runs))
    for name, values in differing:
        table.add_row(name, *values)
    return table


def curves(folder: Path) -> tuple[Curve, Curve]:
    """The curves of the training loss and of the validation loss."""
    trained, held_out = Curve([], []), Curve([], [])
    for line in read_lines(folder):
        curve = trained if "epoch" in line else held_out if "baseline_accuracy" in line else None
        if curve is not None and line["loss"] is not None:
            curve.steps.append(int(line["step"]))
            curve.values.append(line["loss"])
    return trained, held_out


def _state(about: Mapping[str, object]) -> str:
    """The state in `run.json`, or `killed` if the process ended without writing its state."""
    state, pid = str(about["state"]), about["pid"]
    if state == "running" and about["host"] == socket.gethostname() and isinstance(pid, int):
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return "killed"
        except PermissionError:
            return state
    return state


def _mean(values: Sequence[float]) -> float | None:
    return sum(values) / len(values) if values else None


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


def _bold(text: str, best: bool) -> str:
    return f"[bold]{text}[/]" if best and text != "-" else text


SMOOTHED = 50
"""About how many points a curve is averaged to; the single values are drawn faintly."""


def draw_curves(folders: Sequence[Path], target: Path) -> None:
    """Write a PNG of the losses of these runs: a line for training, dots for validation.

    Raises:
        PragmaError: matplotlib is not installed.
    """
    need_packages("pragma runs --plot", ["matplotlib"])
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 5), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    for number, folder in enumerate(folders):
        trained, held_out = curves(folder)
        colour = f"C{number % 10}"
        axes.plot(trained.steps, trained.values, color=colour, alpha=0.2, linewidth=0.8)
        width = max(1, len(trained.values) // SMOOTHED)
        kernel = np.ones(width) / width
        if len(trained.values):
            mean = np.convolve(trained.values, kernel, "valid")
            axes.plot(trained.steps[width - 1 :], mean, color=colour, label=folder.name)
        axes.plot(held_out.steps, held_out.values, "o", color=colour, markeredgecolor="black")
    axes.set(xlabel="step", ylabel="loss", title="Loss while training; dots are held-out users")
    axes.legend(frameon=False)
    axes.grid(alpha=0.3)
    figure.savefig(target, dpi=120)
