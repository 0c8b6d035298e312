"""Progress of a run on stderr: a bar in a terminal, else a line every half minute."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
)

from pragma_model.runs.metrics import ProgressListener, StepMetrics

SECONDS_BETWEEN_LINES = 30.0


@contextmanager
def progress(steps: int, console: Console) -> Iterator[ProgressListener]:
    """A listener for a run of this many steps."""
    if not console.is_terminal:
        yield Lines(steps, console)
        return
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("loss {task.fields[loss]:.3f}  accuracy {task.fields[accuracy]:.1%}"),
        TextColumn("{task.fields[tokens_per_s]:,.0f} tokens/s"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console) as bar:
        yield Bar(bar, bar.add_task("train", total=steps, loss=0.0, accuracy=0.0, tokens_per_s=0.0))


class Bar(ProgressListener):
    """A bar in a terminal."""

    def __init__(self, bar: Progress, task: TaskID) -> None:
        self._bar = bar
        self._task = task

    def step(self, metrics: StepMetrics) -> None:
        """Move the bar."""
        self._bar.update(
            self._task,
            completed=metrics.step,
            loss=math.nan if metrics.loss is None else metrics.loss,
            accuracy=metrics.accuracy,
            tokens_per_s=metrics.tokens_per_s,
        )

    def stage(self, name: str) -> None:
        """Show the name of the stage beside the bar."""
        self._bar.update(self._task, description=name)

    def warn(self, message: str) -> None:
        """Print the warning above the bar."""
        self._bar.console.print(f"warning: {message}", highlight=False, markup=False)


class Lines(ProgressListener):
    """A plain line every half minute of training, one for the last step and for each stage."""

    def __init__(self, steps: int, console: Console) -> None:
        self._steps = steps
        self._console = console
        self._due = 0.0

    def step(self, metrics: StepMetrics) -> None:
        """Print a line if one is due."""
        if metrics.seconds < self._due and metrics.step < self._steps:
            return
        self._due = metrics.seconds + SECONDS_BETWEEN_LINES
        left = metrics.seconds / metrics.step * (self._steps - metrics.step)
        self._print(
            f"step {metrics.step}/{self._steps}  {_loss(metrics)}  "
            f"accuracy {metrics.accuracy:.1%}  {metrics.tokens_per_s:,.0f} tokens/s  "
            f"{left:.0f} s left"
        )

    def stage(self, name: str) -> None:
        """Print the name of the stage."""
        self._print(name)

    def warn(self, message: str) -> None:
        """Print the warning."""
        self._print(f"warning: {message}")

    def _print(self, line: str) -> None:
        self._console.print(line, highlight=False, markup=False, soft_wrap=True)


def _loss(metrics: StepMetrics) -> str:
    return "no loss, skipped" if metrics.loss is None else f"loss {metrics.loss:.3f}"
