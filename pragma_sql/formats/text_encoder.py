"""Texts of keys of kind `text_embed`: a frozen encoder turns each distinct one into a vector.

Such a key gives one token, which stands for the string; the string travels beside the tokens.
"""

from __future__ import annotations

import threading
import zlib
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import Protocol

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from pragma_sql.formats.errors import PragmaError
from pragma_sql.formats.files import sha256
from pragma_sql.formats.packages import need_packages

Int = npt.NDArray[np.int64]
Float = npt.NDArray[np.float32]

NGRAMS = "ngrams"
"""Name of the built-in encoder."""

MAX_CACHED_STRINGS = 1_000_000
"""Most vectors that are cached; a further string is encoded each time it occurs."""


class TextEncoder(Protocol):
    """Strings -> vectors; a string always gives the same vector."""

    name: str
    """The name by which `text_encoder` finds the encoder again."""
    width: int

    def encode(self, texts: Sequence[str]) -> Float:
        """[len(texts), width]"""


class HashedNgrams:
    """Counts of character trigrams, hashed and multiplied by a fixed random projection.

    It knows spelling, not meaning. It needs no files, so it works offline and in tests.
    """

    name = NGRAMS
    width = 256
    buckets = 4096

    def __init__(self) -> None:
        # Signs come from raw bits: numpy may change its distributions, but not a bit stream.
        raw = np.random.PCG64(0).random_raw(self.buckets * self.width // 64)
        bits = np.unpackbits(raw.astype("<u8").view(np.uint8))
        self._projection = (bits.reshape(self.buckets, self.width) * 2.0 - 1.0).astype(np.float32)

    def encode(self, texts: Sequence[str]) -> Float:
        """See `TextEncoder.encode`."""
        vectors = np.zeros((len(texts), self.width), np.float32)
        for row, text in enumerate(texts):
            marked = f"\x02{text.lower()}\x03"
            grams = [marked[at : at + 3].encode() for at in range(max(1, len(marked) - 2))]
            buckets = [zlib.crc32(gram) % self.buckets for gram in grams]
            vectors[row] = self._projection[buckets].sum(0)
        return vectors


class SentenceModel:
    """A model of the package sentence-transformers, from a local folder."""

    def __init__(self, folder: Path) -> None:
        what = f"the text encoder {folder}"
        need_packages(what, ["sentence_transformers"], "pip install sentence-transformers")
        package = import_module("sentence_transformers")
        self._model = package.SentenceTransformer(str(folder), local_files_only=True)
        self.width = int(self._model.get_sentence_embedding_dimension())
        self.name = f"{folder.resolve()}@{_fingerprint(folder)}"

    def encode(self, texts: Sequence[str]) -> Float:
        """See `TextEncoder.encode`."""
        return np.asarray(self._model.encode(list(texts), show_progress_bar=False), np.float32)


def text_encoder(name: str) -> TextEncoder:
    """The encoder of this name: `ngrams`, a folder, or the `name` of an encoder.

    Raises:
        PragmaError: there is no such folder, or its files do not match the name.
    """
    if name == NGRAMS:
        return HashedNgrams()
    path, _, fingerprint = name.partition("@")
    folder = Path(path)
    if not (folder / "modules.json").is_file():
        raise PragmaError(
            f"{path} is not a folder of a sentence-transformers model: no modules.json",
            f"give {NGRAMS}, or the folder that the model was saved to",
        )
    if fingerprint and fingerprint != _fingerprint(folder):
        raise PragmaError(
            f"{path} holds another text encoder than the model was trained with",
            "put the folder back as it was, or train again",
        )
    return SentenceModel(folder)


class TextVectors:
    """The vectors of distinct strings; threads may share it."""

    def __init__(self, sentinels: Sequence[int], encoder: str = NGRAMS) -> None:
        """Create the table; the encoder is loaded for the first vector.

        Args:
            sentinels: value ids of the tokens that stand for a string.
            encoder: see `text_encoder`.
        """
        self.sentinels: Int = np.asarray(sentinels, np.int64)
        self._chosen = encoder
        self._encoder: TextEncoder | None = None
        self._kept: dict[str, Float] = {}
        self._lock = threading.Lock()

    @property
    def encoder(self) -> TextEncoder:
        """The encoder, loaded."""
        if self._encoder is None:
            self._encoder = text_encoder(self._chosen)
        return self._encoder

    def of(self, texts: Sequence[str]) -> Float:
        """Vectors of distinct strings, [len(texts), width], with components of order one."""
        with self._lock:
            new = [text for text in texts if text not in self._kept]
            found = dict(zip(new, _scale(self.encoder.encode(new)), strict=True)) if new else {}
            vectors = np.empty((len(texts), self.encoder.width), np.float32)
            for row, text in enumerate(texts):
                vectors[row] = found[text] if text in found else self._kept[text]
            if len(self._kept) + len(found) <= MAX_CACHED_STRINGS:
                self._kept |= found
        return vectors


def text_vectors(tokenizer: Path, encoder: str = NGRAMS) -> TextVectors | None:
    """The table for a tokenizer; None if it has no key of kind `text_embed`.

    Args:
        tokenizer: a folder with `vocabulary.parquet`.
        encoder: see `text_encoder`.
    """
    vocabulary = pq.read_table(
        tokenizer / "vocabulary.parquet",
        columns=["token_id"],
        filters=[("kind", "==", "text_embed")],
    )
    sentinels = vocabulary["token_id"].to_pylist()
    return TextVectors(sentinels, encoder) if sentinels else None


class Texts:
    """The distinct strings of some histories, and the table of their vectors."""

    def __init__(self, strings: pa.Array, table: TextVectors) -> None:
        self.strings = strings
        self.table = table

    @classmethod
    def numbered(
        cls, tokens: Sequence[Int], given: Sequence[pa.Array], table: TextVectors
    ) -> tuple[Texts, list[Int]]:
        """Tokens [n, 3] with the strings of their sentinels in order -> tokens [n, 4].

        The fourth column is the number of the token's string among the distinct ones; -1 if the
        token does not stand for a string.
        """
        given = [strings.drop_null() for strings in given]
        coded = pa.concat_arrays([s.cast(pa.string()) for s in given]).dictionary_encode()
        numbers = np.asarray(coded.indices, np.int64)
        columns, start = [], 0
        for rows, strings in zip(tokens, given, strict=True):
            stands = np.isin(rows[:, 1], table.sentinels)
            if int(stands.sum()) != len(strings):
                raise PragmaError(
                    f"{int(stands.sum())} tokens stand for a string, but {len(strings)} strings "
                    "are there",
                    "build the tokens again: pragma build --full-refresh",
                )
            number = np.full((len(rows), 1), -1)
            number[stands, 0] = numbers[start : start + len(strings)]
            columns.append(np.concatenate([rows, number], axis=1))
            start += len(strings)
        return cls(coded.dictionary, table), columns

    def packed(self, tokens: Int) -> tuple[Int, Float]:
        """Tokens [n, 4] renumbered by the vectors that they use, and these vectors [U, width]."""
        number = tokens[:, 3]
        used, place = np.unique(number[number >= 0], return_inverse=True)
        tokens = tokens.copy()
        tokens[number >= 0, 3] = place
        return tokens, self.table.of(self.strings.take(pa.array(used)).to_pylist())

    def of_tokens(self, tokens: Int) -> pa.Array:
        """The strings of the tokens that stand for one, in order."""
        return self.strings.take(pa.array(tokens[tokens[:, 3] >= 0, 3]))


def strings_of(rows: pa.StructArray) -> list[pa.Array]:
    """The strings of the events and of the profiles of rows of `tokens.user_tokens`.

    Raises:
        PragmaError: the rows are from a version that did not keep texts.
    """
    names = [field.name for field in rows.type]
    columns = ("texts", "profile_texts")
    missing = [name for name in columns if name not in names]
    if missing:
        raise PragmaError(
            f"keys of kind text_embed need the columns {' and '.join(missing)}",
            "write the shards again: pragma shards",
        )
    return [rows.field(name).flatten() for name in columns]


def _scale(vectors: Float) -> Float:
    norms = np.linalg.norm(vectors, axis=1, keepdims=True)
    scaled: Float = vectors / np.maximum(norms, 1e-12) * np.float32(vectors.shape[1] ** 0.5)
    return scaled


def _fingerprint(folder: Path) -> str:
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    listed = "\n".join(f"{path.relative_to(folder)} {sha256(path)}" for path in files)
    return f"{zlib.crc32(listed.encode()):08x}"
