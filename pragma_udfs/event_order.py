"""The order of events that share a moment.

A history's events lie by `ts`, `event_id` (null first), then by their tokens. To compare arrays is
the dearest part of a sort in the database, and few events need it: those that share moment and id.
Letters: n rows.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from pragma_sql.histories import Bool, Int
from pragma_sql.packing import Layout

SORTED_BY = "number, ts, event_id nulls first"
"""What the database sorts by; the rest is settled here."""

ARRAYS = ("value_ids", "key_ids", "positions")


def settled(rows: pa.Table) -> pa.Table:
    """Put events of one user, moment and id into the order of their arrays, then of their texts.

    Args:
        rows: columns `number, ts, event_id, value_ids, key_ids, positions, texts`, in the order of
            `SORTED_BY`.
    """
    tied = _as_the_one_before(rows)
    if not tied.any():
        return rows
    group = np.cumsum(~tied)
    alike = np.flatnonzero(tied | np.append(tied[1:], False))
    asked = rows.take(pa.array(alike))
    keys = [_ranks(asked[name]) for name in ARRAYS]
    order = np.lexsort((_text_ranks(asked["texts"]), *reversed(keys), group[alike]))
    place = np.arange(len(rows))
    place[alike] = alike[order]
    return rows.take(pa.array(place))


def _as_the_one_before(rows: pa.Table) -> Bool:
    """Whether a row has the user, moment and id of the row before it, [n]."""
    same = np.ones(max(0, len(rows) - 1), np.bool_)
    for name in ("number", "ts"):
        column = rows[name].cast(pa.int64(), safe=False)
        same &= np.diff(np.asarray(column, np.int64)) == 0
    if same.any():
        ids = rows["event_id"].combine_chunks()
        equal = pc.equal(ids[1:], ids[:-1]).fill_null(False)
        neither = pc.and_(ids[1:].is_null(), ids[:-1].is_null())
        same &= np.asarray(pc.or_(equal, neither))
    return np.append(np.zeros(min(1, len(rows)), np.bool_), same)


def _ranks(column: pa.ChunkedArray) -> Int:
    """The places of lists of numbers in their order, [n]; a list comes before its continuations."""
    lists = column.combine_chunks()
    lengths = np.asarray(lists.value_lengths(), np.int64)
    flat = np.append(np.asarray(lists.flatten(), np.int64), 0)
    layout = Layout.of(lengths)
    cells = np.where(layout.mask, flat[layout.pad] + 1, 0)
    # Big-endian, so that bytes compare as the numbers do.
    raw = np.ascontiguousarray(cells.astype(">u4"))
    whole: npt.NDArray[np.void] = raw.view(np.dtype((np.void, 4 * cells.shape[1]))).ravel()
    return np.unique(whole, return_inverse=True)[1].ravel().astype(np.int64)


def _text_ranks(column: pa.ChunkedArray) -> Int:
    """The places of lists of strings, null last, [n]."""
    if column.null_count == len(column):
        return np.zeros(len(column), np.int64)
    lists = [(texts is None, tuple(texts or ())) for texts in column.to_pylist()]
    rank = {each: place for place, each in enumerate(sorted(set(lists)))}
    return np.array([rank[each] for each in lists], np.int64)
