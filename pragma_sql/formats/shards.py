"""Shards: token histories as Arrow IPC files, cut as of one moment, split by user.

    manifest.json  train-00000.arrow ...  validation-00000.arrow ...  test-00000.arrow ...
    tokenizer/vocabulary.parquet  tokenizer/bpe.json  tokenizer/tokenize.sql

Each row is a user, with the columns of `tokens.user_tokens`; any reader of Arrow can read it.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from errno import ENOMEM
from pathlib import Path
from typing import ClassVar, Literal, get_args

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from pragma_sql.formats.errors import PragmaError
from pragma_sql.formats.files import check_hashes, sha256
from pragma_sql.formats.histories import Histories
from pragma_sql.formats.text_encoder import NGRAMS, TextVectors, text_vectors

FORMAT_VERSION = 1
USERS_PER_SHARD = 65_536

COLUMNS = {"user_id", "ts", "hour", "weekday", "monthday", "event_lengths"} | {
    f"{prefix}{name}"
    for prefix in ("", "profile_")
    for name in ("key_ids", "value_ids", "positions")
} | {"profile_as_of", "profile_ts", "profile_lengths"}  # fmt: skip
"""Columns that a shard must have; more are allowed."""

REWRITE_ADVICE = "write them again: pragma shards"

Split = Literal["train", "validation", "test"]
SPLITS: tuple[Split, ...] = get_args(Split)


@dataclass(frozen=True)
class ShardFile:
    """One shard: its name, its split and its counts."""

    __pydantic_config__: ClassVar = {"extra": "forbid"}

    file: str
    split: Split
    users: int
    events: int
    tokens: int
    sha256: str


@dataclass(frozen=True)
class ShardManifest:
    """The content of `manifest.json` in a shard folder."""

    __pydantic_config__: ClassVar = {"extra": "forbid"}

    tokenizer_hash: str
    vocabulary_size: int
    as_of: str
    """The cut-off as an ISO moment, UTC; the shards hold only what was strictly before it."""
    max_events: int
    split_rule: str
    shards: tuple[ShardFile, ...]
    tokenizer_files: Mapping[str, str]
    events_cut: int = 0
    """Events before the cut-off that were left out as older than a user's newest `max_events`."""
    format_version: int = FORMAT_VERSION

    def moments(self, users: int) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
        """The cut-off repeated for each user, [users] microseconds UTC."""
        return np.full(users, np.datetime64(self.as_of, "us").astype(np.int64))

    def count(self, what: Literal["users", "events", "tokens"], split: Split | None = None) -> int:
        """The number of users, events or tokens in a split, or in all splits."""
        return sum(getattr(s, what) for s in self.shards if split in (None, s.split))


def write_split(folder: Path, split: Split, batches: Iterable[Histories]) -> list[ShardFile]:
    """Write the histories of one split, which are cut already; a full file starts a new one."""
    written: list[ShardFile] = []
    writer: pa.ipc.RecordBatchFileWriter | None = None
    users = events = tokens = 0

    def close() -> None:
        nonlocal writer, users, events, tokens
        if writer is not None:
            writer.close()
            name = _file_name(split, len(written))
            written.append(ShardFile(name, split, users, events, tokens, sha256(folder / name)))
        writer, users, events, tokens = None, 0, 0, 0

    for histories in batches:
        table = histories.to_arrow()
        if writer is None:
            writer = pa.ipc.new_file(str(folder / _file_name(split, len(written))), table.schema)
        writer.write_table(table)
        users += len(histories)
        events += len(histories.ts)
        tokens += len(histories.tokens)
        if users >= USERS_PER_SHARD:
            close()
    close()
    return written


def seal_shards(folder: Path, manifest: ShardManifest) -> None:
    """Write the manifest of the shards in the folder."""
    (folder / "manifest.json").write_text(json.dumps(asdict(manifest), indent=2) + "\n")


@dataclass(frozen=True)
class Shards:
    """An opened shard folder."""

    path: Path
    manifest: ShardManifest
    texts: TextVectors | None = None
    """The vectors of strings that a text encoder reads; None if no key uses one."""

    @property
    def text_width(self) -> int:
        """Width of a text's vector; 0 without texts."""
        return self.texts.encoder.width if self.texts else 0

    def files(self, split: Split) -> tuple[ShardFile, ...]:
        """The shards of a split."""
        return tuple(file for file in self.manifest.shards if file.split == split)

    def open(self, file: ShardFile) -> pa.Table:
        """All users of a shard, memory-mapped, so that nothing is read before it is used.

        Raises:
            PragmaError: the shard is truncated, or does not match the manifest.
        """
        path = self.path / file.file
        try:
            table = pa.ipc.open_file(pa.memory_map(str(path))).read_all()
        except (pa.ArrowInvalid, OSError) as error:
            if isinstance(error, OSError) and error.errno == ENOMEM:
                raise MemoryError(str(error)) from error
            raise PragmaError(f"{path} is no whole Arrow file: {error}", REWRITE_ADVICE) from None
        if missing := sorted(COLUMNS - set(table.column_names)):
            raise PragmaError(f"{path} has no column {', '.join(missing)}", REWRITE_ADVICE)
        held = {
            "users": len(table),
            "events": _values(table, "ts"),
            "tokens": _values(table, "key_ids"),
        }
        for what, found in held.items():
            if found != getattr(file, what):
                raise PragmaError(
                    f"{path} holds {found:,} {what}, its manifest says {getattr(file, what):,}",
                    REWRITE_ADVICE,
                )
        return table

    def table(self, split: Split) -> pa.Table:
        """All users of a split."""
        parts = [self.open(file) for file in self.files(split)]
        return pa.concat_tables(parts) if parts else pa.table({})

    @property
    def tokenizer(self) -> Path:
        """The folder with the tokenizer's files."""
        return self.path / "tokenizer"


def open_shards(folder: Path, encoder: str = NGRAMS) -> Shards:
    """Open a shard folder, after checking every file against its hash.

    Args:
        folder: the folder that `pragma shards` wrote.
        encoder: name of the encoder for keys of kind `text_embed`; see `text_encoder.text_encoder`.

    Raises:
        PragmaError: a file is missing or changed, or files disagree with each other.
    """
    from pragma_sql.formats.validation import Wording, validate_json

    path = folder / "manifest.json"
    if not path.is_file():
        raise PragmaError(f"{folder} holds no shards: no manifest.json", REWRITE_ADVICE)
    try:
        text = path.read_text()
        version = json.loads(text).get("format_version", FORMAT_VERSION)
    except (ValueError, AttributeError) as error:
        raise PragmaError(f"{path}: not a shard manifest ({error})", REWRITE_ADVICE) from None
    if version != FORMAT_VERSION:
        raise PragmaError(
            f"{path}: format version {version}, this program reads {FORMAT_VERSION}", REWRITE_ADVICE
        )
    manifest = validate_json(
        ShardManifest, text, Wording("the manifest", REWRITE_ADVICE, file=str(path))
    )
    hashes = {shard.file: shard.sha256 for shard in manifest.shards}
    hashes |= {f"tokenizer/{name}": value for name, value in manifest.tokenizer_files.items()}
    check_hashes(folder, hashes, REWRITE_ADVICE)
    opened = Shards(folder, manifest, text_vectors(folder / "tokenizer", encoder))
    _check_vocabulary(opened)
    return opened


def _check_vocabulary(shards: Shards) -> None:
    path = shards.tokenizer / "vocabulary.parquet"
    try:
        ids = pq.read_table(path, columns=["token_id"])["token_id"]
    except (pa.ArrowInvalid, OSError) as error:
        raise PragmaError(f"{path} is no vocabulary: {error}", REWRITE_ADVICE) from None
    highest = pc.max(ids).as_py()
    if highest is None or highest >= shards.manifest.vocabulary_size:
        raise PragmaError(
            f"{path} ends at token id {highest}, and the manifest says there are "
            f"{shards.manifest.vocabulary_size}",
            REWRITE_ADVICE,
        )


def _values(table: pa.Table, name: str) -> int:
    return pc.sum(pc.list_value_length(table[name])).as_py() or 0


def _file_name(split: Split, number: int) -> str:
    return f"{split}-{number:05d}.arrow"
