"""Byte-level BPE of texts: it is fitted once, then turns texts into piece ids."""

from __future__ import annotations

import pyarrow as pa
from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers

from pragma_sql.formats.errors import PragmaError

ALPHABET = 256
"""Pieces of one byte each, so that no text is ever unknown."""


def train(texts: list[str], vocabulary_size: int, taken: int) -> str:
    """Fit byte-level BPE to texts; returns its JSON.

    The largest piece is a word with the space before it; a pair is merged if it occurs at least
    twice. The same texts give the same JSON, whatever their order.

    Args:
        texts: distinct strings; those of weight 2 are given twice.
        vocabulary_size: largest number of ids of all kinds.
        taken: number of ids that special tokens, keys, categories and bins take.
    """
    needed = taken + (ALPHABET if texts else 0)
    if needed > vocabulary_size:
        raise PragmaError(
            f"the vocabulary needs {needed:,} ids at least ({taken:,} for keys, categories and bins"
            f"{f', {ALPHABET} for the bytes of texts' if texts else ''}), "
            f"but vocabulary_size is {vocabulary_size:,}",
            "raise the dbt var `vocabulary_size`, or lower `max_categories` or `bins`",
        )
    if not texts:
        return str(Tokenizer(models.BPE()).to_str())
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(r" ?[^ ]+| +"), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary_size - taken,
        min_frequency=2,
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    tokenizer.train_from_iterator(sorted(texts), trainer)
    return str(tokenizer.to_str())


def encode(texts: pa.Array, tokenizer: Tokenizer) -> pa.Array:
    """Piece ids of each text, list<int32>; a null gives a null."""
    filled = [text or "" for text in texts.to_pylist()]
    ids = [encoding.ids for encoding in tokenizer.encode_batch_fast(filled)]
    valid = texts.is_valid().to_pylist()
    rows = [row if known else None for row, known in zip(ids, valid, strict=True)]
    return pa.array(rows, pa.list_(pa.int32()))
