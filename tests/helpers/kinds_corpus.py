"""Keys of real tables, their values made up: what the deciding of kinds is held to."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import yaml
from datasets import Event

FILE = Path(__file__).parent / "kinds_corpus.yml"
SYLLABLES = [consonant + vowel for consonant in "bdgklmn" for vowel in "ao"]
USERS = 100

Spec = Mapping[str, object]


@dataclass(frozen=True)
class Key:
    """A key of the corpus."""

    name: str
    table: str
    kinds: frozenset[str]
    """The right one; of two either will do, with a doubt."""
    held: bool
    """Whether no rule was made with a look at it."""
    values: Sequence[str]


def corpus() -> list[Key]:
    """All keys, the same each time."""
    tables: dict[str, dict[str, dict[str, object]]] = yaml.safe_load(FILE.read_text())
    return [
        Key(
            name,
            table,
            frozenset(str(spec["kind"]).split(" or ")),
            bool(spec.get("held")),
            values_of(spec, random.Random(f"{table} {name}")),
        )
        for table, keys in tables.items()
        for name, spec in keys.items()
    ]


def events_of(keys: Sequence[Key]) -> list[Event]:
    """Events whose fields are these keys; a key that has fewer values is absent from the rest."""
    return [
        Event(
            f"user {row % USERS}",
            "2024-01-01",
            {key.name: key.values[row] for key in keys if row < len(key.values)},
            event_id=str(row),
        )
        for row in range(max(len(key.values) for key in keys))
    ]


def values_of(spec: Spec, chance: random.Random) -> list[str]:
    """So many values as the spec says, in no order."""
    rows = int(str(spec["rows"]))
    make = MAKERS[str(spec["values"])](spec, chance)
    return [str(next(make)) for _ in range(rows)]


def _number(spec: Spec, name: str, otherwise: float) -> float:
    return float(str(spec.get(name, otherwise)))


def _numbers(draw: Callable[[Spec, random.Random], float]) -> Callable[..., Iterator[str]]:
    """Values of a distribution, with zeros and negatives among them, as they would be written."""

    def make(spec: Spec, chance: random.Random) -> Iterator[str]:
        low, high = _number(spec, "min", -1e12), _number(spec, "max", 1e12)
        step, decimals = _number(spec, "round", 0), int(_number(spec, "decimals", 0))
        also = spec.get("also")
        while True:
            if isinstance(also, dict) and chance.random() < sum(also.values()):
                yield str(chance.choice(list(also)))
                continue
            number = 0.0
            if chance.random() >= _number(spec, "zero", 0):
                number = min(max(draw(spec, chance), low), high)
                number = round(number / step) * step if step else number
                number *= -1 if chance.random() < _number(spec, "negative", 0) else 1
            yield f"{number:.{decimals}f}"

    return make


def _pick(spec: Spec, chance: random.Random) -> Iterator[str]:
    of = spec["of"]
    assert isinstance(of, dict)
    while True:
        yield from map(str, chance.choices(list(of), list(of.values()), k=100))


def _recurring(one: Callable[[Spec, random.Random], str]) -> Callable[..., Iterator[str]]:
    """So many distinct values, the first ones more often by zipf's law."""

    def make(spec: Spec, chance: random.Random) -> Iterator[str]:
        distinct = [one(spec, chance) for _ in range(int(_number(spec, "distinct", 1)))]
        weights = [1 / (rank + 1) ** _number(spec, "zipf", 1) for rank in range(len(distinct))]
        while True:
            yield from chance.choices(distinct, weights, k=500)

    return make


def _code(spec: Spec, chance: random.Random) -> str:
    of = {"#": "0123456789", "1": "123456789", "A": "BCDEFGHKLMNPRST"}
    return "".join(chance.choice(of.get(letter, letter)) for letter in str(spec["form"]))


def _name(spec: Spec, chance: random.Random) -> str:
    words = int(_number(spec, "words", 1))
    return " ".join("".join(chance.choices(SYLLABLES, k=3)) for _ in range(words))


def _serial(spec: Spec, chance: random.Random) -> Iterator[str]:
    number = int(_number(spec, "from", 1))
    while True:
        number += chance.randint(1, int(_number(spec, "step", 1)))
        yield from [str(number)] * int(_number(spec, "times", 1))


def _lognormal(spec: Spec, chance: random.Random) -> float:
    return _number(spec, "middle", 1) * chance.lognormvariate(0, _number(spec, "sigma", 1))


MAKERS: Mapping[str, Callable[[Spec, random.Random], Iterator[str]]] = {
    "lognormal": _numbers(_lognormal),
    "normal": _numbers(lambda s, c: c.normalvariate(_number(s, "middle", 0), _number(s, "sd", 1))),
    "uniform": _numbers(lambda s, c: c.uniform(_number(s, "min", 0), _number(s, "max", 1))),
    "count": _numbers(lambda s, c: _number(s, "min", 0) + c.expovariate(1 / _number(s, "mean", 1))),
    "pick": _pick,
    "codes": _recurring(_code),
    "words": _recurring(_name),
    "serial": _serial,
}
