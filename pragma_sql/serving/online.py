"""Records -> user vectors: the bundle's own tokenizer in an embedded DuckDB, then its graphs."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import duckdb
import numpy as np
import pyarrow as pa

from pragma_sql.formats.bundle import Bundle
from pragma_sql.formats.contract import EVENTS, PROFILES
from pragma_sql.formats.errors import PragmaError
from pragma_sql.formats.histories import EVENTS_AT_ONCE, Histories, Int
from pragma_sql.formats.packing import Float
from pragma_sql.formats.text_encoder import TextVectors
from pragma_sql.scoring.engines import Precision
from pragma_sql.scoring.forecaster import Forecaster
from pragma_sql.scoring.scorer import Scorer
from pragma_sql.warehouse.functions import register_bpe_encode

if TYPE_CHECKING:
    from pragma_sql.serving.records import Record

PART_LETTERS = 4_000_000
"""Characters of JSON that are parsed at a time; as Python objects they take 30 times the memory."""

RECORDS = pa.schema({"user_id": pa.string(), "number": pa.int64()})


class _Given:
    """A relation of an embedded database whose rows can be exchanged between queries."""

    def __init__(self, schema: pa.Schema) -> None:
        self.rows = schema.empty_table()

    def show(self, rows: Sequence[Mapping[str, object]]) -> None:
        """Replace the rows of the relation."""
        self.rows = pa.Table.from_pylist(list(rows), schema=self.rows.schema)

    def __arrow_c_schema__(self) -> object:
        return self.rows.schema.__arrow_c_schema__()

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        return self.rows.__arrow_c_stream__(requested_schema)


class RecordTokenizer:
    """A bundle's `tokenize.sql` in an in-memory DuckDB without access to files.

    It gives the same ids as a build. Threads may share it; they take turns.
    """

    def __init__(self, folder: Path) -> None:
        """Load `tokenize.sql` and `bpe.json` of a bundle's folder, whose hashes were checked."""
        self._lock = threading.Lock()
        self._con = duckdb.connect(":memory:", config={"threads": 1})
        self._con.execute("set TimeZone = 'UTC'")
        bpe = (folder / "bpe.json").read_text("utf-8")
        register_bpe_encode(self._con, lambda _: bpe)
        # Registered and planned once, as planning takes longer than tokenising a user.
        self._given = {"records": _Given(RECORDS), "events": _Given(EVENTS.schema)}
        self._given["profiles"] = _Given(PROFILES.schema)
        for name, relation in self._given.items():
            self._con.register(name, relation)
        self._con.execute((folder / "tokenize.sql").read_text("utf-8"))
        self._con.execute("set enable_external_access = false")
        self._con.execute("set lock_configuration = true")
        self._con.execute(
            "prepare tokenised as"
            " select user_tokens.* replace (records.user_id as user_id)"
            " from records left join user_tokens using (user_id) order by records.number"
        )

    def histories(self, records: Sequence[Record], texts: TextVectors | None = None) -> Histories:
        """Token histories of the records, in order; `user_ids` are the numbers of the records.

        Args:
            records: one user each.
            texts: vectors of the bundle's text encoder, if it has one.
        """
        with self._lock:
            self._show(records)
            rows = self._con.execute("execute tokenised").to_arrow_table()
        return Histories.from_arrow(rows, texts)

    def _show(self, records: Sequence[Record]) -> None:
        """Put the records into the relations that the views read."""
        users = [{"user_id": str(user), "number": user} for user in range(len(records))]
        events = [
            {
                "user_id": str(user),
                "ts": event.ts,
                "source": event.source,
                "fields": list(event.fields.items()),
                "event_id": event.event_id,
            }
            for user, record in enumerate(records)
            for event in record.events
        ]
        profiles = [
            {
                "user_id": str(user),
                "as_of": snapshot.as_of,
                "attributes": list(snapshot.attributes.items()),
                "lifelong": [vars(milestone) for milestone in snapshot.lifelong],
            }
            for user, record in enumerate(records)
            for snapshot in record.profile
        ]
        for name, rows in (("records", users), ("events", events), ("profiles", profiles)):
            self._given[name].show(rows)


class RecordScorer:
    """A bundle that embeds JSON records; threads may share it."""

    def __init__(
        self, bundle: Bundle, *, precision: Precision | None = None, calls: int | None = None
    ) -> None:
        """Load the model; see `Scorer`."""
        self.scorer = Scorer(bundle, precision=precision, calls=calls)
        self._folder = bundle.path
        self._bundle = bundle
        self._lock = threading.Lock()
        self._loaded: RecordTokenizer | None = None

    @cached_property
    def forecaster(self) -> Forecaster:
        """The forecasts of the model; raises if it does not look ahead."""
        return Forecaster(self._bundle)

    @property
    def _tokenizer(self) -> RecordTokenizer:
        with self._lock:
            self._loaded = self._loaded or RecordTokenizer(self._folder)
            return self._loaded

    def embed(self, records: Sequence[Record]) -> Float:
        """Vectors of records, [n, d] in their order.

        A record without events and profile gets the vector of an empty history.
        """
        vectors = np.empty((len(records), self.scorer.manifest.embedding_size), np.float32)
        for group in _groups(records):
            histories = self._tokenizer.histories(records[group], self.scorer.texts)
            latest = histories.latest_moments()
            asked = [record.moment for record in records[group]]
            moments = [m if m is not None else last for m, last in zip(asked, latest, strict=True)]
            vectors[group] = self.scorer.score(histories, np.asarray(moments, np.int64))
        return vectors

    def embed_records(self, texts: Sequence[str]) -> Float:
        """Vectors of JSON records, [n, d] in their order; see `pragma_sql.serving.records`.

        Raises:
            PragmaError: a record is invalid; names its number, from 0, and the place in it.
        """
        from pragma_sql.serving.records import read_record  # with pydantic, 0.2 seconds

        vectors = np.empty((len(texts), self.scorer.manifest.embedding_size), np.float32)
        for part in parts_of(np.fromiter(map(len, texts), np.int64, len(texts))):
            records = []
            for number in range(part.start, part.stop):
                try:
                    records.append(read_record(texts[number]))
                except PragmaError as error:
                    raise PragmaError(f"record {number}: {error.what}", error.next_step) from None
            vectors[part] = self.embed(records)
        return vectors


def parts_of(lengths: Int) -> Iterator[slice]:
    """Slices of texts with about `PART_LETTERS` characters, so that few are parsed at a time.

    >>> list(parts_of(np.array([3_000_000, 3_000_000, 1, 9_000_000])))
    [slice(0, 2, None), slice(2, 4, None)]
    """
    before = (np.cumsum(lengths) - lengths) // PART_LETTERS
    edges = [0, *(np.flatnonzero(np.diff(before)) + 1).tolist(), len(lengths)]
    yield from (slice(start, stop) for start, stop in pairwise(edges) if start < stop)


def _groups(records: Sequence[Record]) -> Iterator[slice]:
    """Slices of records with about `EVENTS_AT_ONCE` events."""
    start = events = 0
    for number, record in enumerate(records):
        if events and events + len(record.events) > EVENTS_AT_ONCE:
            yield slice(start, number)
            start, events = number, 0
        events += len(record.events) + 1
    if start < len(records):
        yield slice(start, len(records))
