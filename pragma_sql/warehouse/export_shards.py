"""`tokens.user_tokens` -> shards, cut as of one moment."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import duckdb
import numpy as np

from pragma_sql.formats.bundle import TOKENIZER_FILES
from pragma_sql.formats.errors import PragmaError
from pragma_sql.formats.files import replaced_folder, sha256
from pragma_sql.formats.histories import MAX_EVENTS, Histories
from pragma_sql.warehouse.render import tokenize_sql
from pragma_sql.formats.shards import (
    SPLITS,
    ShardManifest,
    Shards,
    Split,
    open_shards,
    seal_shards,
    write_split,
)
from pragma_sql.formats.text_encoder import TextVectors
from pragma_sql.warehouse.connection import CANDIDATE, CANDIDATE_TOKENS, candidate_of, open_warehouse, read_tokenizer

USERS_PER_READ = 2_048


def export_shards(
    warehouse: Path, folder: Path, until: str | None = None, *, current: bool = False
) -> Shards:
    """Write the shards that training reads; the folder is replaced.

    They hold the tokens of a refit's candidate, if there is one.

    Users without an event before the moment are left out (PRAGMA, section on the corpus).

    Args:
        warehouse: the DuckDB file.
        folder: the folder of the shards.
        until: cut-off as an ISO moment, UTC; by default the tokenizer's `fit_until`.
        current: export tokens of the present tokenizer even if there is a candidate.
    """
    with open_warehouse(warehouse) as con, replaced_folder(folder) as draft:
        candidate = None if current else candidate_of(con)
        tokenizer = candidate or read_tokenizer(con)
        fit, prefix = (CANDIDATE, CANDIDATE_TOKENS) if candidate else ("fit", "")
        as_of = until or tokenizer.fit_until
        moment = _micros(as_of)
        events_cut: list[int] = []
        sentinels = [
            field["first_id"]
            for field in json.loads(tokenizer.spec)["fields"]
            if field["kind"] == "text_embed"
        ]
        texts = TextVectors(sentinels) if sentinels else None
        shards = [
            shard
            for split in SPLITS
            for shard in write_split(
                draft, split, _histories(con, f"tokens.{prefix}user_tokens", split, moment, events_cut, texts)
            )
        ]
        if not any(shard.split == "train" for shard in shards):
            raise PragmaError(
                f"no training user has an event before {as_of}", "pragma shards --until LATER"
            )
        (draft / "tokenizer").mkdir()
        con.execute(
            f"copy (select * from {fit}.vocabulary order by token_id) to $path"  # noqa: S608 - ours
            " (format parquet)",
            {"path": str(draft / "tokenizer" / "vocabulary.parquet")},
        )
        (draft / "tokenizer" / "bpe.json").write_text(tokenizer.bpe)
        (draft / "tokenizer" / "tokenize.sql").write_text(
            tokenize_sql(tokenizer.spec, tokenizer.tokenizer_hash)
        )
        seal_shards(
            draft,
            ShardManifest(
                tokenizer_hash=tokenizer.tokenizer_hash,
                vocabulary_size=tokenizer.vocabulary_size,
                as_of=as_of,
                max_events=MAX_EVENTS,
                events_cut=sum(events_cut),
                split_rule=tokenizer.split_rule,
                shards=tuple(shards),
                tokenizer_files={
                    name: sha256(draft / "tokenizer" / name) for name in TOKENIZER_FILES
                },
            ),
        )
    return open_shards(folder)


def _histories(
    con: duckdb.DuckDBPyConnection,
    user_tokens: str,
    split: Split,
    moment: int,
    events_cut: list[int],
    texts: TextVectors | None,
) -> Iterator[Histories]:
    """The users of a split in the order of a hash, a few at a time, cut at the moment.

    The number of events that exceed the cap is added to `events_cut`.
    """
    reader = con.execute(
        f"select * from {user_tokens} where split = $split order by md5(user_id)",  # noqa: S608
        {"split": split},
    ).to_arrow_reader(USERS_PER_READ)
    for batch in reader:
        histories = Histories.from_arrow(batch.to_struct_array(), texts)
        cut = histories.as_of(np.full(len(histories), moment))
        events_cut.append(int((histories.ts < moment).sum()) - len(cut.ts))
        with_events = np.flatnonzero(np.diff(cut.event_offsets))
        if len(with_events):
            yield cut.select(with_events)


def _micros(iso: str) -> int:
    try:
        return int(np.datetime64(iso, "us").astype(np.int64))
    except ValueError:
        raise PragmaError(
            f"'{iso}' is not a moment", "write it like 2016-07-01 or 2016-07-01T12:00:00"
        ) from None
