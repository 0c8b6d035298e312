"""The picture of the embeddings: where the dots lie, how they are coloured, what is refused."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from matplotlib.image import imread

from pragma_model.evaluation.plot import COLOURS, GREY, biggest_groups, draw, vectors_of
from pragma_sql.formats.errors import PragmaError


def people(*segments: str | None) -> pa.Table:
    """A user for each name; users of one segment have embeddings near each other."""
    random = np.random.default_rng(0)
    names = sorted({name or "" for name in segments})
    centres = np.eye(len(names), 16) * 10
    vectors = [centres[names.index(name or "")] + random.normal(size=16) for name in segments]
    return pa.table(
        {
            "user_id": [f"u{number:03d}" for number in range(len(segments))],
            "embedding": pa.array([v.tolist() for v in vectors], pa.list_(pa.float32())),
            "segment": pa.array(segments, pa.string()),
            "x": [vector[:8].sum() for vector in vectors],
            "y": [vector[1::2].sum() for vector in vectors],
            "method": ["pca"] * len(segments),
            "model_id": ["3f9c02ab7d51"] * len(segments),
        }
    )


def colours_in(picture: Path) -> set[str]:
    """The palette's colours that are there pure, as the legend has them."""
    red, green, blue = (255 * imread(picture)[:, :, :3]).round().astype(int).transpose(2, 0, 1)
    found = {f"#{pixel:06x}" for pixel in np.unique(red << 16 | green << 8 | blue)}
    return found & {*COLOURS, GREY}


def drawn(rows: pa.Table, folder: Path) -> tuple[np.ndarray, str]:
    """The points of the picture's dots, sorted, and all of its text."""
    from matplotlib.figure import Figure

    seen: list[Figure] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Figure, "savefig", lambda figure, *_, **__: seen.append(figure))
        draw(rows, folder / "map.png", colour="segment", title="Where they are")
    (figure,) = seen
    dots = figure.axes[0].collections[0].get_offsets()
    return np.sort(np.asarray(dots), axis=0), "\n".join(text.get_text() for text in figure.texts)


def test_the_dots_lie_where_the_table_says(tmp_path):
    rows = people(*["gold", "new", "old"] * 20)
    dots, text = drawn(rows, tmp_path)
    points = np.stack([rows["x"].to_numpy(), rows["y"].to_numpy()], axis=1)
    assert (dots == np.sort(points, axis=0)).all()
    assert "60 users · model 3f9c02ab7d51 · PCA of the embeddings" in text


def test_users_without_events_are_said_and_not_drawn(tmp_path):
    rows = people(*["gold", "new", "old"] * 20)
    apart = rows.slice(0, 7)
    for name in ("x", "y"):
        apart = with_column(name, [None] * 7)(apart)
    rows = pa.concat_tables([apart.cast(rows.schema), rows.slice(7)])
    dots, text = drawn(rows, tmp_path)
    assert len(dots) == 53
    assert "53 users" in text
    assert "7 users without events not drawn" in text


def test_the_same_users_in_any_order_give_the_same_bytes(tmp_path):
    rows = people(*["gold", "new", "old", None] * 30)
    draw(rows, tmp_path / "maps" / "one.png", colour="segment", title="Segments")
    backwards = rows.take(np.arange(len(rows))[::-1])
    draw(backwards, tmp_path / "maps" / "two.png", colour="segment", title="Segments")
    one, two = ((tmp_path / "maps" / name).read_bytes() for name in ("one.png", "two.png"))
    assert one.startswith(b"\x89PNG")
    assert one == two


def test_groups_are_counted_and_ranked_and_equals_go_by_name():
    values = ["gold"] * 3 + ["new"] * 2 + ["b", "a"]
    assert biggest_groups(values) == [("gold", 3), ("new", 2), ("a", 1), ("b", 1)]
    assert biggest_groups(values, most=3) == [("gold", 3), ("new", 2), ("a", 1)]


def test_eight_groups_have_a_colour_each_and_the_others_are_grey(tmp_path):
    picture = tmp_path / "map.png"
    draw(people(*"aabbccddeeffgghh"), picture, colour="segment", title="Eight")
    assert colours_in(picture) == set(COLOURS)
    draw(people(*"aabbccddeeffgghhi"), picture, colour="segment", title="Eight and one")
    assert colours_in(picture) == {*COLOURS, GREY}


def test_a_dollar_sign_in_a_name_is_not_a_formula(tmp_path):
    rows = people("$under_{10$", "$over_{10$", "_private")
    draw(rows, tmp_path / "map.png", colour="segment", title="$from_{5$ up")
    assert colours_in(tmp_path / "map.png") == set(COLOURS[:3])


def without(column: str) -> Callable[[pa.Table], pa.Table]:
    return lambda rows: rows.drop_columns([column])


def with_column(name: str, values: list[object]) -> Callable[[pa.Table], pa.Table]:
    return lambda rows: rows.set_column(rows.column_names.index(name), name, pa.array(values))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda rows: rows.slice(0, 2), "a map needs 3 users with events; got 2"),
        (
            without("segment"),
            "no column 'segment', only user_id, embedding, x, y, method, model_id",
        ),
        (without("x"), "no column 'x'"),
        (with_column("user_id", ["ann", "ann", "bob"]), "one row a user; 'ann' has 2"),
        (with_column("model_id", ["x", "x", "y"]), "mix 2 models (x, y)"),
        (with_column("y", [1.0, np.nan, 2.0]), "an x or y that is no number, such as 'u001'"),
    ],
)
def test_rows_that_make_no_map_are_refused(tmp_path, change, message):
    with pytest.raises(PragmaError) as refusal:
        draw(change(people("gold", "new", "new")), tmp_path / "m.png", colour="segment", title="")
    assert message in refusal.value.what
    assert refusal.value.next_step
    assert not (tmp_path / "m.png").exists()


@pytest.mark.parametrize(
    ("vectors", "message"),
    [
        ([[1.0, 2.0], [1.0], None], "1 of length 2, 1 of length 1, 1 null"),
        ([[1.0, 2.0], [1.0, np.nan], [3.0, 4.0]], "the first in row 1"),
        (["a", "b", "c"], "embedding is string, not a list of floats"),
    ],
)
def test_embeddings_that_are_no_matrix_are_refused(vectors, message):
    with pytest.raises(PragmaError) as refusal:
        vectors_of(pa.table({"embedding": vectors}), "the rows")
    assert message in refusal.value.what


def test_users_at_one_point_are_refused(tmp_path):
    rows = people("gold", "new", "new")
    for name in ("x", "y"):
        rows = with_column(name, [1.0] * 3)(rows)
    with pytest.raises(PragmaError, match="all 3 users lie at one point"):
        draw(rows, tmp_path / "m.png", colour="segment", title="")
