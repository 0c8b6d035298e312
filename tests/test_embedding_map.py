"""The picture of the embeddings: where the dots lie, how they are coloured, what is refused."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from matplotlib.image import imread

from pragma_model.embedding_map import COLOURS, GREY, biggest_groups, draw, method_for, project
from pragma_sql.errors import PragmaError


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
            "model_id": ["3f9c02ab7d51"] * len(segments),
        }
    )


def colours_in(picture: Path) -> set[str]:
    """The palette's colours that are there pure, as the legend has them."""
    red, green, blue = (255 * imread(picture)[:, :, :3]).round().astype(int).transpose(2, 0, 1)
    found = {f"#{pixel:06x}" for pixel in np.unique(red << 16 | green << 8 | blue)}
    return found & {*COLOURS, GREY}


@pytest.mark.parametrize("users", [40, 120], ids=["PCA", "t-SNE"])
def test_users_that_are_near_in_the_embedding_are_near_on_the_map(users):
    segments = np.arange(users) % 2
    vectors = np.random.default_rng(0).normal(size=(users, 16)) + 8 * segments[:, None]
    points = project(vectors)
    distances = np.linalg.norm(points[:, None] - points, axis=2) + np.diag([np.inf] * users)
    assert points.shape == (users, 2)
    assert (segments[distances.argmin(axis=1)] == segments).all()
    assert (project(vectors) == points).all()


@pytest.mark.parametrize(
    ("users", "method"), [(99, "PCA"), (100, "t-SNE"), (5000, "t-SNE"), (5001, "PCA")]
)
def test_few_users_and_very_many_are_projected_by_pca(users, method):
    assert method_for(users) == method


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
        (lambda rows: rows.slice(0, 2), "needs 3 users and 2 numbers an embedding; got 2 and 16"),
        (without("segment"), "no column 'segment', only user_id, embedding, model_id"),
        (with_column("user_id", ["ann", "ann", "bob"]), "one row a user; 'ann' has 2"),
        (with_column("model_id", ["x", "x", "y"]), "mix 2 models (x, y)"),
        (with_column("embedding", [[1.0, 2.0]] * 3), "all 3 embeddings are equal"),
        (
            with_column("embedding", [[1.0, 2.0], [1.0], None]),
            "1 of length 2, 1 of length 1, 1 null",
        ),
        (with_column("embedding", [[1.0, 2.0], [1.0, np.nan], [3.0, 4.0]]), "the first in row 1"),
        (with_column("embedding", ["a", "b", "c"]), "embedding is string, not a list of floats"),
    ],
)
def test_rows_that_make_no_map_are_refused(tmp_path, change, message):
    with pytest.raises(PragmaError) as refusal:
        draw(change(people("gold", "new", "new")), tmp_path / "m.png", colour="segment", title="")
    assert message in refusal.value.what
    assert refusal.value.next_step
    assert not (tmp_path / "m.png").exists()
