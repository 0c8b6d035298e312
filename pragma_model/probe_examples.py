"""The examples that the probe reads: labels with features, a vector and a split each."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from pyarrow import types

from pragma_model.embedding_map import Float, vectors_of
from pragma_sql.errors import PragmaError, counted
from pragma_sql.histories import Int
from pragma_sql.shards import SPLITS

COLUMNS = ("task", "user_id", "eval_ts", "label", "split", "model_id", "embedding")
"""What every file of examples has; each column beyond these is a feature."""
KNOWN = (
    types.is_integer, types.is_floating, types.is_decimal, types.is_boolean, types.is_string,
)  # fmt: skip
"""Types of features."""
FEWEST_USERS = 10


@dataclass(frozen=True)
class Examples:
    """What there is to learn from, sorted by task, user and moment."""

    features: Float  # [n, k], NaN where null
    embeddings: Float  # [n, d]
    labels: Float  # [n] 0 or 1
    users: Int  # [n]
    task: npt.NDArray[np.str_]  # [n]
    split: npt.NDArray[np.str_]  # [n]
    model_id: str


def read_examples(path: Path) -> Examples:
    """Read and check a file of examples.

    Raises:
        PragmaError: it cannot be read, or something is wrong with it.
    """
    rows = _read(path)
    features = [_numbers(rows, name) for name in rows.column_names if name not in COLUMNS]
    task, users, split = (np.array(rows[name].to_pylist()) for name in ("task", "user_id", "split"))
    return Examples(
        features=np.column_stack(features),
        embeddings=vectors_of(rows, str(path)),
        labels=np.asarray(rows["label"], np.float64),
        users=np.unique(users, return_inverse=True)[1],
        task=task,
        split=split,
        model_id=rows["model_id"][0].as_py(),
    )


def _numbers(rows: pa.Table, name: str) -> Float:
    """A feature as numbers; of a word its rank among the training rows' words, by frequency."""
    column = rows[name]
    if not types.is_string(column.type):
        return np.asarray(column.cast(pa.float64()), np.float64)
    words = [row for row in column.filter(pc.equal(rows["split"], "train")).to_pylist() if row]
    ranks = {
        word: rank for rank, (word, _) in enumerate(sorted(Counter(words).items(), key=_often))
    }
    return np.array([ranks.get(word, np.nan) for word in column.to_pylist()], np.float64)


def _often(word: tuple[str, int]) -> tuple[int, str]:
    return -word[1], word[0]


def _read(path: Path) -> pa.Table:
    """The examples, sorted, so that their order in the file has no say."""
    again = "pragma build writes the examples again; then pragma probe"
    try:
        rows = pq.ParquetFile(path).read()
    except (OSError, pa.ArrowInvalid) as error:
        raise PragmaError(f"{path} cannot be read: {error}", again) from None
    for problem in _problems(rows):
        raise PragmaError(f"{path}: {problem}", again)
    return rows.sort_by([(name, "ascending") for name in ("task", "user_id", "eval_ts")])


def _problems(rows: pa.Table) -> Iterator[str]:
    """What is wrong with the examples; a check relies on those before it."""
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
        yield f"{counted(repeats, 'row')} with the task, user and moment of another"
    splits = Counter(rows.group_by(["user_id", "split"]).aggregate([])["user_id"].to_pylist())
    if astray := [user for user, count in splits.items() if count > 1]:
        example = min(map(str, astray))
        yield f"{counted(len(astray), 'user')} in more than one split, such as {example}"
    members = rows.group_by(["task", "split", "user_id"]).aggregate([]).to_pylist()
    users = Counter((member["task"], member["split"]) for member in members)
    for task, split in product(sorted({task for task, _ in users}), SPLITS):
        if (count := users[task, split]) < FEWEST_USERS:
            yield f"task {task} has {count} {split} users, and needs {FEWEST_USERS}"
