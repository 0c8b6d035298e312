"""The examples that the probe reads: labels, each with features, a vector and a split."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from pyarrow import types

from pragma_model.evaluation.plot import Float, vectors_of
from pragma_sql.formats.errors import PragmaError, count_of
from pragma_sql.formats.histories import Int
from pragma_sql.formats.shards import SPLITS

COLUMNS = ("task", "user_id", "eval_ts", "label", "split", "model_id", "embedding")
"""Columns of every file of examples; each further column is a feature."""
KNOWN = (
    types.is_integer, types.is_floating, types.is_decimal, types.is_boolean, types.is_string,
)  # fmt: skip
"""The types that a feature may have."""
OTHERS = "probe_vectors.parquet"
"""The file beside the examples with the vectors of models other than the current one."""


@dataclass(frozen=True)
class Examples:
    """The rows of all tasks, sorted by task, user and moment."""

    features: Float  # [n, k], NaN where null
    words: tuple[int, ...]
    """Indices of features that are words, given as ranks by frequency in the training rows."""
    embeddings: Mapping[str, Float]  # model id -> [n, d]
    labels: Float  # [n] 0 or 1
    users: Int  # [n]
    task: npt.NDArray[np.str_]  # [n]
    split: npt.NDArray[np.str_]  # [n]


def read_examples(
    path: Path, models: Sequence[str] = (), split_at: datetime | None = None
) -> Examples:
    """Read and check a file of examples.

    Args:
        path: the examples, with vectors of the current model; `probe_vectors.parquet` beside it
            holds those of others.
        models: ids of the models whose vectors are wanted; none means the current one.
        split_at: rows from this moment on are test rows, for all users; earlier rows are training
            rows, except those of users who are held out for validation.

    Raises:
        PragmaError: the file cannot be read or is invalid, or a model has no vectors.
    """
    rows = _read(path, by_user=split_at is None)
    rows = rows.set_column(rows.column_names.index("split"), "split", _splits(rows, split_at))
    names = [name for name in rows.column_names if name not in COLUMNS]
    task, users, split = (np.array(rows[name].to_pylist()) for name in ("task", "user_id", "split"))
    return Examples(
        features=np.column_stack([_numbers(rows, name) for name in names]),
        words=tuple(k for k, name in enumerate(names) if types.is_string(rows[name].type)),
        embeddings=_embeddings(rows, path, models),
        labels=np.asarray(rows["label"], np.float64),
        users=np.unique(users, return_inverse=True)[1],
        task=task,
        split=split,
    )


def _splits(rows: pa.Table, split_at: datetime | None) -> pa.Array:
    """The split of each row; if none is validation, a tenth of the training users become it."""
    split, users = np.array(rows["split"].to_pylist()), rows["user_id"].to_pylist()
    if split_at is not None:
        moments = rows["eval_ts"].cast(pa.timestamp("us")).to_numpy()
        late = moments >= np.datetime64(split_at, "us")
        early = np.where(split == "validation", split, "train")
        split = np.where(late, "test", early)
    if not np.any(split == "validation"):
        tenth = [int(sha256(str(user).encode()).hexdigest()[:8], 16) % 10 == 0 for user in users]
        split = np.where((split == "train") & np.array(tenth), "validation", split)
    return pa.array(split.tolist(), pa.string())


def _embeddings(rows: pa.Table, path: Path, models: Sequence[str]) -> dict[str, Float]:
    """The vectors of each model, in the order of the rows."""
    (current,) = rows["model_id"].unique().to_pylist()
    others = path.parent / OTHERS
    vectors = pq.ParquetFile(others).read() if others.is_file() else None
    found = {}
    for model in models or [current]:
        if model == current:
            found[model] = vectors_of(rows, str(path))
            continue
        have = vectors.filter(pc.equal(vectors["model_id"], model)) if vectors else rows.slice(0, 0)
        found[model] = vectors_of(_beside(rows, have, model), str(others))
    return found


def _beside(rows: pa.Table, have: pa.Table, model: str) -> pa.Table:
    """The vectors of one model at the user and moment of each row."""
    keys = zip(have["user_id"].to_pylist(), have["eval_ts"].to_pylist(), strict=True)
    place = {key: number for number, key in enumerate(keys)}
    asked = zip(rows["user_id"].to_pylist(), rows["eval_ts"].to_pylist(), strict=True)
    places = [place.get(key) for key in asked]
    if missing := places.count(None):
        raise PragmaError(
            f"model {model} has no vectors of the present events at {missing:,} of {len(rows):,} "
            "labels",
            f"for each such model: pragma register {model} && pragma build --select models+",
        )
    return have.take(pa.array(places, pa.int64()))


def _numbers(rows: pa.Table, name: str) -> Float:
    """A feature as numbers; a word becomes its rank by frequency in the training rows."""
    column = rows[name]
    if not types.is_string(column.type):
        return np.asarray(column.cast(pa.float64()), np.float64)
    words = Counter(column.filter(pc.equal(rows["split"], "train")).drop_null().to_pylist())
    ranks = {word: rank for rank, (word, _) in enumerate(sorted(words.items(), key=_often))}
    return np.array([ranks.get(word, np.nan) for word in column.to_pylist()], np.float64)


def _often(word: tuple[str, int]) -> tuple[int, str]:
    return -word[1], word[0]


def _read(path: Path, *, by_user: bool) -> pa.Table:
    """The examples, sorted, so that their order in the file does not matter."""
    again = "pragma build writes the examples again; then pragma probe"
    try:
        rows = pq.ParquetFile(path).read()
    except (OSError, pa.ArrowInvalid) as error:
        raise PragmaError(f"{path} cannot be read: {error}", again) from None
    for problem in _problems(rows, by_user=by_user):
        raise PragmaError(f"{path}: {problem}", again)
    return rows.sort_by([(name, "ascending") for name in ("task", "user_id", "eval_ts")])


def _problems(rows: pa.Table, *, by_user: bool) -> Iterator[str]:
    """The problems of the examples; each check relies on those before it."""
    if missing := [name for name in COLUMNS if name not in rows.column_names]:
        yield f"no column {', '.join(missing)}; there are {', '.join(rows.column_names)}"
    if not len(rows):
        yield "it holds no examples"
    for field in rows.schema:
        if field.name in COLUMNS and (nulls := rows[field.name].null_count):
            yield f"{nulls:,} of {len(rows):,} rows have no {field.name}"
        if field.name not in COLUMNS and not any(known(field.type) for known in KNOWN):
            yield f"feature {field.name} is {field.type}, no number and no word"
    if len(rows.schema) == len(COLUMNS):
        yield f"no features: every column is one of {', '.join(COLUMNS)}"
    if len(models := rows["model_id"].unique()) > 1:
        yield f"embeddings of {len(models)} models, such as {models[0]} and {models[1]}"
    if odd := set(rows["label"].unique().to_pylist()) - {0, 1}:
        yield f"labels other than 0 and 1, such as {min(map(str, odd))}"
    grain = ["task", "user_id", "eval_ts"]
    if repeats := len(rows) - len(rows.group_by(grain).aggregate([])):
        yield f"{count_of(repeats, 'row')} with the task, user and moment of another"
    if odd := set(rows["split"].unique().to_pylist()) - set(SPLITS):
        yield f"splits other than {', '.join(SPLITS)}, such as {min(map(str, odd))}"
    splits = Counter(rows.group_by(["user_id", "split"]).aggregate([])["user_id"].to_pylist())
    if by_user and (astray := [user for user, count in splits.items() if count > 1]):
        example = min(map(str, astray))
        yield f"{count_of(len(astray), 'user')} in more than one split, such as {example}"
