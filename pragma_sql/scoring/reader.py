"""Token histories of users, straight from a warehouse's tables, a bounded part at a time.

A chunk of a query holds up to 2,048 users, however long their histories are. So the database passes
only ids, and this module reads their tokens: as sorted rows, which are cheaper than lists of
structs, and at most about `EVENTS_AT_ONCE` of them at once; a user is never split.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import duckdb
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from pragma_sql.formats.errors import PragmaError
from pragma_sql.formats.histories import (
    CALENDAR,
    EVENT_ORDER,
    EVENTS_AT_ONCE,
    ITEM_ORDER,
    TOKEN,
    Bool,
    Histories,
    Int,
    TokenRows,
)
from pragma_sql.formats.packing import Layout
from pragma_sql.formats.text_encoder import TextVectors
from pragma_sql.warehouse.connection import tokenizer_of_tokens

IN_DATABASE = 2
"""Keys of `EVENT_ORDER` that the database sorts by. It would take longer for the arrays, which this
module compares, and only where events tie."""

SORTED_BY = ", ".join(("number", *EVENT_ORDER[:IN_DATABASE]))


def sort_ties(rows: pa.Table) -> pa.Table:
    """Sort events of one user, moment and id by the keys that are left of `EVENT_ORDER`.

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
    *arrays, texts = EVENT_ORDER[IN_DATABASE:]
    keys = [*(_ranks(asked[name]) for name in arrays), _text_ranks(asked[texts])]
    order = np.lexsort((*reversed(keys), group[alike]))
    place = np.arange(len(rows))
    place[alike] = alike[order]
    return rows.take(pa.array(place))


def _as_the_one_before(rows: pa.Table) -> Bool:
    """Whether a row has the same user, moment and id as the row before it, [n]."""
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
    """The ranks of lists of numbers, [n]; a list comes before its continuations."""
    lists = column.combine_chunks()
    lengths = np.asarray(lists.value_lengths(), np.int64)
    flat = np.append(np.asarray(lists.flatten(), np.int64), 0)
    layout = Layout.of(lengths)
    cells = np.where(layout.mask, flat[layout.pad] + 1, 0)
    # Big-endian, so that bytes compare like the numbers.
    raw = np.ascontiguousarray(cells.astype(">u4"))
    whole: npt.NDArray[np.void] = raw.view(np.dtype((np.void, 4 * cells.shape[1]))).ravel()
    return np.unique(whole, return_inverse=True)[1].ravel().astype(np.int64)


def _text_ranks(column: pa.ChunkedArray) -> Int:
    """The ranks of lists of strings, null last, [n]."""
    if column.null_count == len(column):
        return np.zeros(len(column), np.int64)
    lists = [(texts is None, tuple(texts or ())) for texts in column.to_pylist()]
    rank = {each: place for place, each in enumerate(sorted(set(lists)))}
    return np.array([rank[each] for each in lists], np.int64)


EVENT_COLUMNS = "ts, event_id, hour, weekday, monthday, key_ids, value_ids, positions, texts"
ITEM_COLUMNS = "as_of, ts, key_ids, value_ids, positions, text"
ITEMS_SORTED_BY = ", ".join(("number", *ITEM_ORDER))

Connect = Callable[[], duckdb.DuckDBPyConnection]


class Slice(NamedTuple):
    """Some of the users asked for."""

    users: Int  # [B] their indices among those asked for
    histories: Histories  # B users


class TokenReader:
    """Reads `tokens.event_tokens` and `tokens.profile_tokens`; threads may share it."""

    def __init__(self, connect: Connect) -> None:
        """Each call of `connect` gives a new connection."""
        self._connect = connect

    def tokenizer_hash(self) -> str:
        """The first 12 digits of the hash of the tokenizer that made the tokens."""
        found = tokenizer_of_tokens(self._connect())
        if found is None:
            raise PragmaError("embed: this warehouse has no tokens", "pragma build")
        return found

    def slices(self, user_ids: pa.Array, texts: TextVectors | None) -> Iterator[Slice]:
        """The histories of the users who have tokens, in the order asked for.

        Args:
            user_ids: distinct, without null.
            texts: vectors of the model's text encoder, if it has one.
        """
        items = self._read("profile_tokens", ITEM_COLUMNS, ITEMS_SORTED_BY, user_ids).read_all()
        item_users = np.asarray(items["number"], np.int64)
        seen = 0
        events = self._read("event_tokens", EVENT_COLUMNS, SORTED_BY, user_ids)
        for part, until in _whole_users(events, len(user_ids)):
            event_users = np.asarray(part["number"], np.int64)
            first, end = np.searchsorted(item_users, [seen, until])
            users = np.union1d(event_users, item_users[first:end])
            seen = until
            if len(users):
                own = items.slice(first, end - first)
                names = user_ids.take(pa.array(users)).to_pylist()
                yield Slice(users, _histories(names, users, sort_ties(part), own, texts))

    def _read(
        self, table: str, columns: str, order: str, user_ids: pa.Array
    ) -> pa.RecordBatchReader:
        con = self._connect()
        if len(user_ids) == 1:  # a filter, by which the tables' statistics skip rows
            query = f"select 0 as number, {columns} from tokens.{table} where user_id = $user"  # noqa: S608
            result = con.execute(f"{query} order by {order}", {"user": user_ids[0].as_py()})
        else:
            numbers = pa.array(np.arange(len(user_ids)), pa.int32())
            con.register("asked", pa.table({"user_id": user_ids, "number": numbers}))
            query = f"select number, {columns} from tokens.{table} join asked using (user_id)"  # noqa: S608
            result = con.execute(f"{query} order by {order}")
        return result.to_arrow_reader(EVENTS_AT_ONCE)


def _whole_users(events: pa.RecordBatchReader, users: int) -> Iterator[tuple[pa.Table, int]]:
    """Parts of rows in the order of `number`, each with the number where the next part starts."""
    held: list[pa.RecordBatch] = []
    for batch in events:
        held.append(batch)
        if sum(map(len, held)) < EVENTS_AT_ONCE:
            continue
        rows = pa.Table.from_batches(held)
        last = rows["number"][-1].as_py()
        end = int(np.searchsorted(np.asarray(rows["number"]), last))
        if end:
            yield rows.slice(0, end), last
            held = rows.slice(end).to_batches()
    yield pa.Table.from_batches(held, events.schema), users


def _histories(
    names: list[str], users: Int, events: pa.Table, items: pa.Table, texts: TextVectors | None
) -> Histories:
    event_texts = item_texts = None
    if texts is not None:
        event_texts, item_texts = _whole(events["texts"]).flatten(), _whole(items["text"])
    return Histories.from_rows(
        names,
        _rows(events, users, ("ts", *CALENDAR), event_texts),
        _rows(items, users, ("as_of", "ts"), item_texts),
        texts,
    )


def _rows(
    rows: pa.Table, users: Int, columns: Sequence[str], strings: pa.Array | None
) -> TokenRows:
    lengths = np.asarray(_whole(rows["key_ids"]).value_lengths(), np.int64)
    found = {name: _whole(rows[name]) for name in columns}
    found |= {name: _whole(rows[name]).flatten() for name in TOKEN}
    return TokenRows(_row_offsets(rows, users), lengths, found, strings)


def _row_offsets(rows: pa.Table, users: Int) -> Int:
    """The offsets of each user's rows, and the end of the last ones."""
    number = np.asarray(rows["number"], np.int64)
    return np.append(np.searchsorted(number, users), len(number)).astype(np.int64)


def _whole(column: pa.ChunkedArray) -> pa.Array:
    whole = column.combine_chunks()
    return whole.combine_chunks() if isinstance(whole, pa.ChunkedArray) else whole
