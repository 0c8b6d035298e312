"""A picture of what the model has learnt: each user is a dot, near to similar users.

The coordinates come from `views.embedding_map`. Letters: n users, d numbers an embedding.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import types

from pragma_sql.formats.errors import PragmaError
from pragma_sql.formats.packages import need_packages

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Float = npt.NDArray[np.float64]

COLOURS = ("#332288", "#cc6677", "#88ccee", "#117733", "#ddcc77", "#aa4499", "#44aa99", "#882255")
"""Paul Tol's "muted" scheme, which colour-blind readers can tell apart; largest group first."""
GREY, FRAME, INK, PALE_INK = "#c8ccd2", "#dddddd", "#222222", "#666666"
NO_VALUE = "(no value)"
MAX_NAME_LENGTH = 24
FIGURE_SPACE = "\u2007"
"""A space as wide as a digit."""


def draw(rows: pa.Table, picture: Path, *, colour: str, title: str) -> None:
    """Draw users as dots in two dimensions, coloured by a column; equal rows give equal bytes.

    Args:
        rows: one row per user, in any order, as in `views.embedding_map`: `user_id`, `x`, `y` and
            the text column `colour`; the subtitle names `model_id` and `method` if they are there,
            and counts users without an `x`, who are not drawn.
        picture: the PNG to write; its folder is created.
        colour: the column; its 8 largest groups are named with their counts, all others are grey.
        title: the headline.

    Raises:
        PragmaError: a column is missing, a user is repeated, there are two models, a coordinate is
            not finite, all points coincide, or there are fewer than 3.
    """
    need_packages("pragma plot", ["matplotlib"])
    _check(rows, colour)
    rows = rows.sort_by("user_id")
    placed = rows.filter(pc.is_valid(rows["x"]))
    points, apart = _points(placed), len(rows) - len(placed)
    groups = [NO_VALUE if value is None else str(value) for value in placed[colour].to_pylist()]

    parts = [f"{len(groups):,} users"]
    if "model_id" in rows.column_names:
        parts.append(f"model {placed['model_id'][0].as_py()}")
    method = str(placed["method"][0].as_py()) if "method" in rows.column_names else ""
    parts.append(f"{method.upper()} of the embeddings".lstrip())
    if apart:
        parts.append(f"{apart:,} users without events not drawn")
    figure = _figure(points, groups, colour, title, " · ".join(parts))
    picture.parent.mkdir(parents=True, exist_ok=True)
    # Without a "Software" entry, so that the bytes do not depend on matplotlib's version.
    figure.savefig(picture, format="png", metadata={"Software": None})


def _points(rows: pa.Table) -> Float:
    """The columns `x, y` -> [n, 2].

    Raises:
        PragmaError: a coordinate is not finite, there are fewer than 3 users, or all coincide.
    """
    points = np.stack([rows[axis].cast(pa.float64()).to_numpy() for axis in ("x", "y")], axis=1)
    broken = np.flatnonzero(~np.isfinite(points).all(axis=1))
    if len(broken):
        raise PragmaError(
            f"the map's rows: {len(broken):,} users have an x or y that is no number, "
            f"such as {rows['user_id'][broken[0]].as_py()!r}",
            "pragma build",
        )
    if len(points) < 3:
        raise PragmaError(f"a map needs 3 users with events; got {len(points)}", "pragma build")
    if (points == points[0]).all():
        raise PragmaError(
            f"all {len(points)} users lie at one point: the model tells no user from another",
            "train longer (pragma train), register the run, then pragma build",
        )
    return points


def biggest_groups(values: Iterable[str], most: int = len(COLOURS)) -> list[tuple[str, int]]:
    """The most frequent values and their counts; ties go to the first in the alphabet.

    >>> biggest_groups(["gold", "new", "gold", "old"], most=2)
    [('gold', 2), ('new', 1)]
    """
    return sorted(Counter(values).items(), key=lambda group: (-group[1], group[0]))[:most]


def vectors_of(rows: pa.Table, where: str) -> Float:
    """The column `embedding`, float lists -> [n, d].

    Raises:
        PragmaError: there is a null, lists differ in length, or a number is not finite.
    """
    column, kind = rows["embedding"], rows.schema.field("embedding").type
    if not (types.is_list(kind) or types.is_large_list(kind) or types.is_fixed_size_list(kind)):
        raise PragmaError(f"{where}: embedding is {kind}, not a list of floats", "pragma build")
    lengths = Counter(pc.list_value_length(column).to_pylist())
    if len(lengths) != 1 or not all(lengths):
        found = ", ".join(
            f"{count:,} {'null' if length is None else f'of length {length}'}"
            for length, count in lengths.most_common()
        )
        raise PragmaError(
            f"{where}: embeddings must all have one length; found {found or 'no row'}",
            "pragma build",
        )
    vectors: Float = pc.list_flatten(column).cast(pa.float64()).to_numpy().reshape(len(column), -1)
    broken = np.flatnonzero(~np.isfinite(vectors).all(axis=1))
    if len(broken):
        raise PragmaError(
            f"{where}: {len(broken):,} embeddings hold a null, a NaN or an infinity, "
            f"the first in row {broken[0]}",
            "pragma build",
        )
    return vectors


def _check(rows: pa.Table, colour: str) -> None:
    for name in ("user_id", "x", "y", colour):
        if name not in rows.column_names:
            raise PragmaError(
                f"the map's rows have no column {name!r}, only {', '.join(rows.column_names)}",
                "name one of them",
            )
    user, times = Counter(rows["user_id"].to_pylist()).most_common(1)[0] if len(rows) else ("", 1)
    if times > 1:
        raise PragmaError(
            f"the map takes one row a user; {user!r} has {times}", "choose one model and one moment"
        )
    models = set(rows["model_id"].to_pylist()) if "model_id" in rows.column_names else set()
    if len(models) > 1:
        raise PragmaError(
            f"the map's rows mix {len(models)} models ({', '.join(sorted(map(str, models)))}), "
            "whose embeddings cannot be compared",
            "choose one model",
        )


def _figure(points: Float, groups: Sequence[str], colour: str, title: str, subtitle: str) -> Figure:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10.5, 7), dpi=150, facecolor="white")
    FigureCanvasAgg(figure)
    axes = figure.add_axes((0.03, 0.03, 0.66, 0.83))
    axes.set(xticks=[], yticks=[])
    axes.set_aspect("equal", adjustable="datalim")
    axes.spines[:].set_color(FRAME)
    figure.text(0.03, 0.94, title, size=16, weight="bold", color=INK, parse_math=False)
    figure.text(0.03, 0.89, subtitle, size=10, color=PALE_INK, parse_math=False)
    named = biggest_groups(groups)
    _scatter(axes, points, groups, named)
    _legend(axes, colour, groups, named)
    return figure


def _scatter(
    axes: Axes, points: Float, groups: Sequence[str], named: Sequence[tuple[str, int]]
) -> None:
    palette = dict(zip((name for name, _ in named), COLOURS, strict=False))
    colours = np.array([palette.get(group, GREY) for group in groups])
    # Grey dots lie below; named groups are shuffled, so that none covers another everywhere.
    shuffled = np.random.default_rng(0).permutation(len(points))
    order = shuffled[np.argsort(colours[shuffled] != GREY, kind="stable")]
    area = float(np.clip(30_000 / len(points), 5, 60))
    x, y = points[order].T
    axes.scatter(x, y, s=area, c=colours[order], alpha=0.85, linewidths=0)


def _legend(
    axes: Axes, colour: str, groups: Sequence[str], named: Sequence[tuple[str, int]]
) -> None:
    from matplotlib.lines import Line2D

    entries = [(name, count, ink) for (name, count), ink in zip(named, COLOURS, strict=False)]
    rest = len(groups) - sum(count for _, count in named)
    if rest:
        entries.append(("all others", rest, GREY))
    digits = max(len(f"{count:,}") for _, count, _ in entries)
    legend = axes.legend(
        handles=[Line2D([], [], marker="o", ls="", markersize=8, color=e[2]) for e in entries],
        labels=[f"{count:{FIGURE_SPACE}>{digits},}  {_short(name)}" for name, count, _ in entries],
        title=colour,
        title_fontproperties={"weight": "bold"},
        loc="upper left",
        bbox_to_anchor=(1.02, 1.0),
        borderaxespad=0.0,
        handletextpad=0.4,
        frameon=False,
        labelspacing=0.9,
        alignment="left",
        labelcolor=INK,
    )
    # A dollar sign in a text must not start a formula.
    for text in (legend.get_title(), *legend.get_texts()):
        text.set_parse_math(False)


def _short(name: str) -> str:
    return name if len(name) <= MAX_NAME_LENGTH else name[: MAX_NAME_LENGTH - 1] + "…"
