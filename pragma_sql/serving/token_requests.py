"""Requests that hold tokens: rows of `tokens.user_tokens` as arrays -> user vectors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from pragma_sql.formats.errors import PragmaError, count_of
from pragma_sql.formats.histories import NO_TIME, Histories, Int, offsets_of
from pragma_sql.formats.packing import Float
from pragma_sql.scoring.scorer import Scorer

Tensors = Mapping[str, npt.NDArray[np.generic]]

PER_EVENT = ("ts", "hour", "weekday", "monthday", "event_lengths")
PER_EVENT_TOKEN = ("key_ids", "value_ids", "positions")
PER_ITEM = ("profile_as_of", "profile_ts", "profile_lengths")
PER_ITEM_TOKEN = ("profile_key_ids", "profile_value_ids", "profile_positions")
TEXTS = ("texts", "profile_texts")
MOMENTS = {"ts", "profile_as_of", "profile_ts"}

HIGHEST = {"hour": 23, "weekday": 6, "monthday": 31}


def embed_tokens(requests: Sequence[Tensors], scorer: Scorer) -> list[Float]:
    """User vectors of requests that hold tokens, [n, d] each.

    Args:
        requests: arrays [n, length] named like the columns of `tokens.user_tokens`, one row per
            user; times in microseconds UTC. `moment` [n, 1] and profiles are optional.
        scorer: the scorer of the bundle.

    Raises:
        PragmaError: lengths do not fit each other, or ids are not in the vocabulary.
    """
    for request in requests:
        for tokenizer_hash in set(_strings(request["tokenizer_hash"]).to_pylist()):
            scorer.check_hash(tokenizer_hash)
    rows = pa.concat_arrays([_rows(request, scorer) for request in requests])
    histories = Histories.from_arrow(rows, scorer.texts)
    counts = [len(request["tokenizer_hash"]) for request in requests]
    asked = np.concatenate([_moments(request) for request in requests])
    vectors = scorer.score(histories, np.where(asked == NO_TIME, histories.latest_moments(), asked))
    return np.split(vectors, np.cumsum(counts)[:-1])


def _moments(request: Tensors) -> Int:
    """The moments asked for, [n]; NO_TIME means after all that is known."""
    given = request.get("moment")
    users = len(request["tokenizer_hash"])
    return np.full(users, NO_TIME) if given is None else given.ravel().astype(np.int64)


def _rows(request: Tensors, scorer: Scorer) -> pa.StructArray:
    """The request as rows of `tokens.user_tokens`."""
    users = len(request["tokenizer_hash"])
    _check(request, scorer.manifest.vocabulary_size)
    names = (*PER_EVENT, *PER_EVENT_TOKEN, *PER_ITEM, *PER_ITEM_TOKEN, *TEXTS)
    columns = {"user_id": pa.array(["online"] * users, pa.string())}
    columns |= {name: _lists(name, request, users) for name in names}
    return pa.StructArray.from_arrays(list(columns.values()), list(columns))


def _lists(name: str, request: Tensors, users: int) -> pa.ListArray:
    rows = request.get(name)
    if rows is None:
        empty = pa.string() if name in TEXTS else _kind(name)
        return pa.array([[]] * users, pa.list_(empty))
    offsets = offsets_of(np.full(users, rows.shape[1]))
    if name in TEXTS:
        flat = _strings(rows)
    else:
        null = rows.ravel() == NO_TIME if name == "profile_ts" else None
        flat = pa.array(rows.ravel().astype(np.int64), pa.int64(), mask=null).cast(_kind(name))
    return pa.ListArray.from_arrays(pa.array(offsets, pa.int32()), flat)


def _kind(name: str) -> pa.DataType:
    if name in MOMENTS:
        return pa.timestamp("us")
    return pa.int32() if name.endswith("_ids") else pa.uint8()


def _strings(values: npt.NDArray[np.generic]) -> pa.StringArray:
    try:
        return pa.array([value.decode() for value in values.ravel().tolist()], pa.string())
    except UnicodeDecodeError:
        raise PragmaError("a text is not UTF-8", "send UTF-8") from None


def _check(request: Tensors, vocabulary_size: int) -> None:
    """Refuse arrays that would be read out of bounds or scored as something else."""
    size = {name: _width(request, name) for name in (*PER_EVENT, *PER_EVENT_TOKEN)}
    size |= {name: _width(request, name) for name in (*PER_ITEM, *PER_ITEM_TOKEN)}
    for names in (PER_EVENT, PER_EVENT_TOKEN, PER_ITEM, PER_ITEM_TOKEN):
        for name in names[1:]:
            if size[name] != size[names[0]]:
                raise PragmaError(
                    f"{name} has {count_of(size[name], 'entry')}, "
                    f"but {names[0]} has {size[names[0]]:,}",
                    "send whole rows of tokens.user_tokens",
                )
    for lengths, names in (
        ("event_lengths", PER_EVENT_TOKEN),
        ("profile_lengths", PER_ITEM_TOKEN),
    ):
        given = request.get(lengths)
        if given is None:
            continue
        for total in given.astype(np.int64).sum(1):
            if total != size[names[0]]:
                raise PragmaError(
                    f"{lengths} sum up to {total:,}, but {names[0]} has {size[names[0]]:,} entries",
                    "send whole rows of tokens.user_tokens",
                )
    for name, ids in request.items():
        highest = vocabulary_size - 1 if name.endswith("_ids") else HIGHEST.get(name)
        if highest is not None and ids.size and not 0 <= ids.min() <= ids.max() <= highest:
            raise PragmaError(
                f"{name} holds {ids.min()} .. {ids.max()}, outside 0 .. {highest:,}",
                "send tokens of the bundle's own tokenizer",
            )
    moments = request["ts"].astype(np.int64)
    if (np.diff(moments, axis=1) < 0).any():
        raise PragmaError("ts is not in time order", "send events from the oldest to the newest")


def _width(request: Tensors, name: str) -> int:
    rows = request.get(name)
    return 0 if rows is None else int(rows.shape[1])
