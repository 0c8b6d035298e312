"""BPE: what it is trained on, what it gives, what it costs."""

from __future__ import annotations

import random

import pyarrow as pa
import pytest
from tokenizers import Tokenizer

from pragma_sql.formats.bpe import encode, train
from pragma_sql.formats.errors import PragmaError

BYTES = 256
SHOPS = [f"{name} {number}" for name in ("TESCO EXPRESS", "CORNER SHOP") for number in range(50)]


def pieces(bpe: str, text: str) -> list[str]:
    return list(Tokenizer.from_str(bpe).encode(text).tokens)


def test_words_that_recur_become_one_piece_each() -> None:
    assert pieces(train(SHOPS, 2_000, 0), "TESCO EXPRESS 7") == ["TESCO", "ĠEXPRESS", "Ġ7"]


def test_pieces_of_unseen_words_are_shared() -> None:
    assert pieces(train(SHOPS, 2_000, 0), "TESCOMART SHOP 99")[0] == "TESCO"


def test_the_order_of_texts_does_not_matter() -> None:
    shuffled = random.Random(5).sample(SHOPS, len(SHOPS))
    assert train(shuffled, 700, 0) == train(SHOPS, 700, 0)


def test_the_budget_is_what_the_other_kinds_leave() -> None:
    assert Tokenizer.from_str(train(SHOPS, 400, 100)).get_vocab_size() == 300


def test_a_budget_below_the_bytes_is_refused_with_the_figures() -> None:
    with pytest.raises(PragmaError) as refusal:
        train(SHOPS, 1_000, 900)
    assert "needs 1,156 ids at least (900 for keys" in str(refusal.value)
    assert "vocabulary_size" in refusal.value.next_step


def test_without_texts_the_budget_may_be_used_up() -> None:
    assert Tokenizer.from_str(train([], 900, 900)).get_vocab_size() == 0
    with pytest.raises(PragmaError, match="needs 901 ids"):
        train([], 900, 901)


@pytest.mark.parametrize("text", ["x" * 10_000, "ab " * 3_333, "寿司🍣" * 2_500, "\x00\n\t"])
def test_any_text_encodes_and_comes_back(text: str) -> None:
    tokenizer = Tokenizer.from_str(train([*SHOPS, text[:128]], 600, 0))
    (ids,) = encode(pa.array([text]), tokenizer).to_pylist()
    assert tokenizer.decode(ids) == text


def test_null_gives_null_and_nothing_gives_nothing() -> None:
    tokenizer = Tokenizer.from_str(train(SHOPS, 600, 0))
    assert encode(pa.array([None, ""], pa.string()), tokenizer).to_pylist() == [None, []]
