"""The tokenizer once more, slowly and without SQL: what the macros are held against.

It shares nothing with them but the fitted tables. A rule that both have to follow is stated here in
plain Python.
"""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Mapping, Sequence, Set
from datetime import datetime
from typing import NamedTuple

from tokenizers import Tokenizer

UNK = 2


class Tokens(NamedTuple):
    """Parallel lists, one entry a token."""

    keys: list[int]
    values: list[int]
    positions: list[int]


class SlowTokenizer:
    """Built from the rows of fit.fields, fit.numeric_bins, fit.vocabulary and the BPE's JSON."""

    def __init__(
        self,
        fields: Sequence[tuple[str, str]],  # key, kind
        bins: Sequence[tuple[str, int, float | None]],  # key, bin, upper edge
        vocabulary: Sequence[tuple[int, str, str, str]],  # id, kind, key, value
        bpe: str,
        pairs: Set[tuple[str, str]],  # source and key, as the fit saw them together
        max_tokens: int = 24,
    ) -> None:
        self.kinds = dict(fields)
        self.edges = {
            key: sorted(
                upper for k, number, upper in bins if k == key and number and upper is not None
            )
            for key, _, _ in bins
        }
        self.ids = {(kind, key, value): token for token, kind, key, value in vocabulary}
        self.first_bin = {
            key: min(token for token, kind, k, _ in vocabulary if kind == "number" and k == key)
            for key in self.edges
        }
        self.first_piece = min((t for t, kind, _, _ in vocabulary if kind == "text"), default=0)
        self.bpe = Tokenizer.from_str(bpe)
        self.pairs = pairs
        self.sources = {
            value for kind, key, value in self.ids if (kind, key) == ("category", "source")
        }
        self.max_tokens = max_tokens

    def event(self, source: str, fields: Mapping[str, str | None] | None) -> Tokens:
        """The source, then the fields by key; nulls give nothing.

        Nor do unknown keys, or keys that the fit never saw with a source that it saw.
        """
        out = Tokens([], [], [])
        self._add(out, "source", [self.ids.get(("category", "source", source), UNK)])
        for key in sorted(fields or {}, key=lambda k: k.encode()):
            value = (fields or {})[key]
            known = source not in self.sources or (source, key) in self.pairs
            if known and self._is_field(key) and value is not None:
                self._add(out, key, self._value_ids(key, value))
        return Tokens(*(column[: self.max_tokens] for column in out))

    def _is_field(self, key: str) -> bool:
        return key in self.kinds and key not in ("source", "milestone")

    def _add(self, out: Tokens, key: str, ids: list[int]) -> None:
        out.keys.extend([self.ids["key", key, ""]] * len(ids))
        out.values.extend(ids)
        out.positions.extend(range(len(ids)))

    def _value_ids(self, key: str, value: str) -> list[int]:
        if self.kinds[key] == "category":
            return [self.ids.get(("category", key, value), UNK)]
        if self.kinds[key] == "text_embed":
            return [self.ids["text_embed", key, "[TEXT]"]]
        if self.kinds[key] == "text":
            return [self.first_piece + piece for piece in self.bpe.encode(value).ids] or [UNK]
        number = parse(value)
        if number is None:
            return [UNK]
        passed = sum(edge < number for edge in self.edges[key])
        return [self.first_bin[key] + (0 if number == 0 else 1 + passed)]


CURRENCY_CODES = """
AED AFN ALL AMD AOA ARS AUD AWG AZN BAM BBD BDT BGN BHD BIF BMD BND BOB BRL BSD BTN BWP BYN
BZD CAD CDF CHF CLP CNY COP CRC CUP CVE CZK DJF DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS
GIP GMD GNF GTQ GYD HKD HNL HTG HUF IDR ILS INR IQD IRR ISK JMD JOD JPY KES KGS KHR KMF KPW KRW
KWD KYD KZT LAK LBP LKR LRD LSL LYD MAD MDL MGA MKD MMK MNT MOP MRU MUR MVR MWK MXN MYR MZN NAD
NGN NIO NOK NPR NZD OMR PAB PEN PGK PHP PKR PLN PYG QAR RON RSD RUB RWF SAR SBD SCR SDG SEK SGD
SHP SLE SOS SRD SSP STN SVC SYP SZL THB TJS TMT TND TOP TRY TTD TWD TZS UAH UGX USD UYU UZS VES
VND VUV WST XAF XCD XOF XPF YER ZAR ZMW ZWG kr zł Kč Ft
"""
CURRENCIES = frozenset(CURRENCY_CODES.split())
ASCII_TWINS = str.maketrans("\u2212\u2019\u00a0\u202f\u2009\t\r\n", "-'" + " " * 6)


def parse(value: str) -> float | None:
    """The number that a text stands for; None where it stands for none.

    First what a plain cast reads; then a number with a sign, a unit and separators.
    """
    number = plain(value)
    if number is None:
        number = written_by_hand(value)
    return number if number is not None and math.isfinite(number) else None


def plain(value: str) -> float | None:
    """Digits, one point, an exponent, single underscores, as the engine's cast reads them."""
    text = value.strip(" \t\n\v\f\r")
    if text.startswith("+-"):  # the engine's cast passes over a plus
        text = text[1:]
    try:
        return float(text) if set(text) <= set("0123456789_.+-einfatyEINFATY") else None
    except ValueError:
        return None


def written_by_hand(value: str) -> float | None:
    """`(1,234.50)`, `€ 12,50`, `1 234-`: one sign, one unit, separators that make sense."""
    text = value.translate(ASCII_TWINS).strip(" ")
    sign = 1
    brackets = text.endswith(")") and text.count("(") == text.count(")") == 1
    before, _, inner = text[:-1].partition("(")
    if brackets and inner.strip(" "):
        text, sign = before + inner.strip(" "), -1
    elif text.endswith("-"):
        text, sign = text[:-1].rstrip(" "), -1
    if sign < 0 and text[:1] in ("+", "-"):
        return None
    signed = sign < 0
    if text[:1] in ("+", "-"):
        sign, text, signed = (-1 if text[0] == "-" else 1), text[1:], True
    text, was_before = without_unit(text)
    if was_before and text[:1] in ("+", "-") and not signed:
        sign, text = (-1 if text[0] == "-" else 1), text[1:]
    number = unsigned(text)
    return None if number is None else sign * number


def without_unit(text: str) -> tuple[str, bool]:
    """The text without its one unit, and whether that stood in front."""
    bare = text.lstrip(" ")
    for length in (3, 2, 1):
        if len(bare) > length and is_unit(bare[:length]):
            return bare[length:].lstrip(" "), True
    for length in (3, 2, 1):
        if len(text) > length and (is_unit(text[-length:]) or text[-length:] == "%"):
            return text[:-length].rstrip(" "), False
    return text, False


def is_unit(text: str) -> bool:
    """A currency's sign, with up to two capitals before it, or its code."""
    sign = unicodedata.category(text[-1]) == "Sc" and len(text) <= 3
    return text in CURRENCIES or (sign and all("A" <= c <= "Z" for c in text[:-1]))


def unsigned(text: str) -> float | None:
    """Digits with separators; a single comma before three digits separates thousands."""
    if not text or not set(text) <= set("0123456789., '") or not set(text) & set("0123456789"):
        return None
    for separator, marks in ((",", "."), ("'", ".,"), (" ", ".,"), (".", ",")):
        mark = next((m for m in marks if text.count(m) == 1), "")
        whole, _, decimals = text.partition(mark) if mark else (text, "", "")
        groups = whole.split(separator)
        few = len(groups) == 2 and separator == "." and not (mark and decimals)
        if len(groups) > 1 and are_groups(groups) and is_digits(decimals) and not few:
            dangling = separator == "." and mark and not decimals
            return None if dangling else float(f"{''.join(groups)}.{decimals}")
    for mark in ".,":
        whole, found, decimals = text.partition(mark)
        if (found or mark == ".") and is_digits(whole) and is_digits(decimals):
            return float(f"{whole or 0}.{decimals or 0}")
    return None


def are_groups(groups: Sequence[str]) -> bool:
    """One to three digits without a zero in front, then threes."""
    first, *rest = groups
    return (
        is_digits("".join(groups))
        and 1 <= len(first) <= 3
        and first[0] != "0"
        and all(len(group) == 3 for group in rest)
    )


def is_digits(text: str) -> bool:
    return set(text) <= set("0123456789")


def calendar(ts: datetime) -> tuple[int, int, int]:
    """Hour, weekday from Monday, day of the month, UTC."""
    return ts.hour, ts.weekday(), ts.day
