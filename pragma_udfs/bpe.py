"""Byte-level BPE as SQL functions: `bpe_train(texts, budget)` and `bpe_encode(text, bpe_hash)`."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from functools import lru_cache

import duckdb
import pyarrow as pa
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

from pragma_sql.errors import PragmaError
from pragma_udfs.arrow import register_function

ALPHABET = 256
"""Every byte is a piece of its own, so that no text is ever unknown."""


def train(texts: list[str], budget: int) -> str:
    """Fit byte-level BPE of at most `budget` pieces to distinct texts; returns its JSON.

    The same set of texts gives the same JSON, whatever their order.
    """
    if not texts:
        return str(Tokenizer(models.BPE()).to_str())
    if budget < ALPHABET:
        raise PragmaError(
            f"the vocabulary leaves {budget} ids for text, which needs at least {ALPHABET}",
            "raise the dbt var `vocabulary_size`, or lower `max_categories`",
        )
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=budget,
        min_frequency=2,
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    tokenizer.train_from_iterator(sorted(texts), trainer)
    return str(tokenizer.to_str())


def encode(texts: pa.Array, tokenizer: Tokenizer) -> pa.Array:
    """Piece ids of each text, list<int32>; null in, null out."""
    filled = [text or "" for text in texts.to_pylist()]
    ids = [encoding.ids for encoding in tokenizer.encode_batch_fast(filled)]
    valid = texts.is_valid().to_pylist()
    rows = [row if known else None for row, known in zip(ids, valid, strict=True)]
    return pa.array(rows, pa.list_(pa.int32()))


def register_bpe(con: duckdb.DuckDBPyConnection, load: Callable[[], str]) -> None:
    """Register both functions; `load` gives the JSON of the BPE in force."""

    @lru_cache(maxsize=4)
    def tokenizer_of(bpe_hash: str) -> Tokenizer:
        bpe = load()
        found = hashlib.sha256(bpe.encode()).hexdigest()
        if found != bpe_hash:
            raise PragmaError(
                f"bpe_encode was asked for BPE {bpe_hash[:12]}, but {found[:12]} is in force",
                "pragma build",
            )
        return Tokenizer.from_str(bpe)

    def bpe_encode(texts: pa.Array, hashes: pa.Array) -> pa.Array:
        return encode(texts, tokenizer_of(hashes[0].as_py()))

    def bpe_train(texts: pa.Array, budgets: pa.Array) -> pa.Array:
        rows = zip(texts.to_pylist(), budgets.to_pylist(), strict=True)
        return pa.array([train(list(row), budget) for row, budget in rows], pa.string())

    register_function(con, "bpe_encode", bpe_encode, ["VARCHAR", "VARCHAR"], "INTEGER[]")
    register_function(con, "bpe_train", bpe_train, ["VARCHAR[]", "INTEGER"], "VARCHAR")
