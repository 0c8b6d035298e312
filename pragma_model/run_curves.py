"""Losses of runs as a picture."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from pragma_model.embedding_map import check_packages
from pragma_model.runs import curves

SMOOTHED = 50
"""Points that a curve is averaged to, about; what lies under it is shown faintly."""


def draw_curves(folders: Sequence[Path], target: Path) -> None:
    """Write a PNG of the losses of these runs: a line for training, dots for validation.

    Raises:
        PragmaError: matplotlib is not installed.
    """
    check_packages("pragma runs --plot", "matplotlib")
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
