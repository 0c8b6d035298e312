"""Activity: how much happened, how lately, and for how long, as of a moment.

An encoder hardly knows this by itself: attention averages, and an event's age is relative to the
last event. The numbers come from tokens and the means of numeric bins alone, so training, SQL and
online serving have the same ones. An event before a moment is strictly before it.

Letters: B users, M events, T event tokens, P profile items, n pairs of a user and a moment, W
windows after the moment, J numeric keys, A numbers.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow.parquet as pq

from pragma_sql.formats.histories import NO_TIME, Histories, Int, offsets_of

Wide = npt.NDArray[np.float64]

SECOND = 1_000_000
DAY = 86_400

SUM_WINDOWS = 3
"""The longest windows, in which amounts are summed up; beside all events."""

ABOUT = ("mean", "last", "min", "max", "sd")
"""What is said of a key's values beside their sums and their count."""

MAX_CODES = 64
"""Most categories of a key that are taken for ordered numbers; more are names."""

HINGES_AT = (-1.0, 0.0, 1.0)
"""Standard deviations from the mean, at which a linear model of an embedding can bend."""

SMALLEST_DEVIATION = 1e-6
"""Smallest standard deviation relative to the mean; a smaller one comes from rounding."""


@dataclass(frozen=True)
class ActivitySpec:
    """What the numbers of a model's activity are; its manifest holds this."""

    __pydantic_config__: ClassVar = {"extra": "forbid"}

    windows: tuple[int, ...]
    """Windows before the moment in seconds, the shortest first; all events are always counted."""
    ahead: tuple[int, ...]
    """Windows after the moment in seconds, the shortest first."""
    keys: tuple[int, ...]
    """Ids of the numeric keys."""
    max_events: int
    """Most events of a user that count, the newest before the moment."""
    codes: tuple[int, ...] = ()
    """Ids of keys whose categories are numbers, such as grades; these are not summed up."""
    attributes: tuple[int, ...] = ()
    """Ids of the keys of profiles whose values are numbers."""
    about: tuple[str, ...] = ABOUT[:4]
    """Which of `ABOUT` there are; models of before there was a choice have these."""

    @property
    def unit(self) -> int:
        """Seconds of the unit of time and of an active period: a day, or less for short windows."""
        return min(DAY, self.windows[0])

    @property
    def width(self) -> int:
        """The number of numbers, A."""
        counts, periods = len(self.windows) + 1, len(self._period_windows) + 1
        of_values = 1 + len(self.about)
        of_keys = (SUM_WINDOWS + 1 + of_values) * len(self.keys) + of_values * len(self.codes)
        return counts + 2 + periods + of_keys + len(self.attributes)

    @property
    def sum_windows(self) -> tuple[int, ...]:
        """The windows in which amounts are summed up; fewer than `SUM_WINDOWS` are repeated."""
        padded = (self.windows[0],) * SUM_WINDOWS + self.windows
        return padded[-SUM_WINDOWS:]

    @property
    def _period_windows(self) -> tuple[int, ...]:
        return tuple(window for window in self.windows if window > self.unit)

    def names(self, keys: dict[int, str]) -> list[str]:
        """The names of the numbers, [A], given those of the keys."""
        named = [f"events_{duration(window)}" for window in self.windows]
        named += ["events", "since_last", "since_first"]
        named += [f"active_{duration(window)}" for window in self._period_windows] + ["active"]
        for number in (*self.keys, *self.codes):
            key = keys.get(number, str(number))
            if number in self.keys:
                named += [f"{key}_sum_{duration(window)}" for window in self.sum_windows]
                named.append(f"{key}_sum")
            named += [f"{key}_{name}" for name in ("count", *self.about)]
        return named + [keys.get(key, str(key)) for key in self.attributes]


def duration(seconds: int) -> str:
    """A length of time in the largest unit that fits it.

    >>> duration(7_776_000), duration(21_600), duration(300)
    ('90d', '6h', '5m')
    """
    for unit, name in ((DAY, "d"), (3600, "h"), (60, "m")):
        if seconds % unit == 0:
            return f"{seconds // unit}{name}"
    return f"{seconds}s"


def token_numbers(vocabulary: Path, size: int) -> Wide:
    """The number that a token stands for, [V]; NaN for other tokens.

    It is the mean of its bin's values; a tokenizer of before these means were kept has the middle
    of the bin. A token of `code_numbers` stands for itself.

    Args:
        vocabulary: the file `vocabulary.parquet` of a tokenizer.
        size: V.
    """
    tokens = pq.read_table(vocabulary, filters=[("kind", "==", "number")])
    numbers = code_numbers(vocabulary, size)
    ids = np.asarray(tokens["token_id"], np.int64)
    if "mean" in tokens.column_names:
        numbers[ids] = np.asarray(tokens["mean"], np.float64)
    rest = np.flatnonzero(np.isnan(numbers[ids]))
    labels = tokens["value"].take(rest).to_pylist()
    numbers[ids[rest]] = [_middle(label) for label in labels]
    return numbers


def code_numbers(vocabulary: Path, size: int) -> Wide:
    """The categories that are numbers, [V], of keys that have few and no other; NaN elsewhere."""
    tokens = pq.read_table(vocabulary, filters=[("kind", "==", "category")])
    numbers, of_key = np.full(size, np.nan), defaultdict(list)
    for key, token, value in zip(
        *(tokens[name].to_pylist() for name in ("key", "token_id", "value")), strict=True
    ):
        of_key[key].append((token, _number(value)))
    for found in of_key.values():
        if len(found) <= MAX_CODES and all(np.isfinite(number) for _, number in found):
            for token, number in found:
                numbers[token] = number
    return numbers


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return np.nan


def _middle(label: str) -> float:
    """The middle of a bin by its label; of an open bin, its edge."""
    if not label.startswith("("):
        return float(label)
    edges = [float(edge) for edge in label.strip("(])").split(",")]
    closed = [edge for edge in edges if np.isfinite(edge)]
    return sum(closed) / len(closed) if closed else 0.0


FORECAST_TYPE = (
    "STRUCT(events MAP(VARCHAR, DOUBLE), silence MAP(VARCHAR, DOUBLE),"
    " active MAP(VARCHAR, DOUBLE), amounts MAP(VARCHAR, MAP(VARCHAR, DOUBLE)))"
)
"""A forecast in SQL. Maps are by window (`7d`, `30d`, ...); amounts by key, then by window."""


class Ahead(NamedTuple):
    """What happens from a moment on, by window."""

    counts: Int  # [n, W] events
    periods: Int  # [n, W] active periods
    sums: Wide  # [n, W, J]
    first: Int  # [n] the first event at or after the moment
    ends: Int  # [n, W] the first event after the window


class _KeyNumbers(NamedTuple):
    """The numbers of one key, in the order of events."""

    events: Int
    values: Wide

    def sums(self, starts: Int, ends: Int) -> Wide:
        """The sums over ranges of events, [n]."""
        return _range_sums(self.values, *np.searchsorted(self.events, [starts, ends]))

    def counts(self, starts: Int, ends: Int) -> Int:
        """The number of numbers in ranges of events, [n]."""
        first, last = np.searchsorted(self.events, [starts, ends])
        return np.asarray(last - first, np.int64)

    def about(self, names: Sequence[str], starts: Int, ends: Int) -> list[Wide]:
        """Some of `ABOUT` of ranges of events, [n] each; NaN where there is no number."""
        first, last = np.searchsorted(self.events, [starts, ends])
        some, count = last > first, np.maximum(last - first, 1)
        mean = _range_sums(self.values, first, last) / count
        found = {"mean": mean}
        if "last" in names:
            found["last"] = np.append(self.values, np.nan)[np.where(some, last - 1, -1)]
        for name, extreme in (("min", np.minimum), ("max", np.maximum)):
            if name in names:
                found[name] = _by_range(extreme, self.values, first, last)
        if "sd" in names:
            square = _range_sums(self.values**2, first, last) / count
            deviation = np.sqrt(np.maximum(square - mean**2, 0.0))
            found["sd"] = np.where(deviation > SMALLEST_DEVIATION * np.abs(mean), deviation, 0.0)
        return [np.where(some, found[name], np.nan) for name in names]


class _Attributes:
    """The numbers of users' profiles, as of moments."""

    def __init__(self, histories: Histories, keys: tuple[int, ...], numbers: Wide) -> None:
        lengths = np.diff(histories.item_token_offsets)
        plain = np.flatnonzero((histories.item_ts == NO_TIME) & (lengths > 0))
        self._as_of = histories.item_as_of[plain]
        of_users = np.bincount(histories.item_user[plain], minlength=len(histories))
        self._offsets = offsets_of(of_users)
        first = histories.item_token_offsets[plain]
        key, value = histories.item_tokens[first, 0], histories.item_tokens[first, 1]
        number = numbers[value]
        of_keys = (np.flatnonzero((key == k) & ~np.isnan(number)) for k in keys)
        self._keys = [(items, number[items]) for items in of_keys]

    def numbers(self, users: Int, moments: Int) -> list[Wide]:
        """Those of the newest snapshot not later than each moment, [n] a key; NaN for none."""
        newest = _bisect(self._as_of, self._offsets, users, moments + 1) - 1
        some = newest >= self._offsets[users]
        found = []
        for items, values in self._keys:
            place = np.searchsorted(items, newest, side="right") - 1
            item = np.append(items, 0)[place]
            of_snapshot = some & (place >= 0) & (item >= self._offsets[users])
            if len(items):
                of_snapshot &= self._as_of[item] == self._as_of[np.maximum(newest, 0)]
            found.append(np.where(of_snapshot, np.append(values, np.nan)[place], np.nan))
        return found


class Timeline:
    """The activity of users as of any moments, from their complete histories."""

    def __init__(self, histories: Histories, spec: ActivitySpec, numbers: Wide) -> None:
        """Index the histories.

        Args:
            histories: B users, not cut at a moment or cut later than all that are asked for.
            spec: which numbers.
            numbers: [V] from `token_numbers`.
        """
        self.spec = spec
        self._offsets, self._ts = histories.event_offsets, histories.ts
        period = self._ts // (spec.unit * SECOND)
        changed = np.ones(len(period), np.int64)
        changed[1:] = period[1:] != period[:-1]
        self._periods = offsets_of(changed)
        self._keys = _numbers_by_key(histories, (*spec.keys, *spec.codes), numbers)
        self._attributes = _Attributes(histories, spec.attributes, numbers)

    def state(self, users: Int, moments: Int) -> npt.NDArray[np.float32]:
        """The numbers of `spec` as of each moment, [n, A], on a logarithmic scale.

        A number that is not known is NaN: a time without an event, a value of a key without one.

        Args:
            users: [n] which of the B users.
            moments: [n] microseconds UTC.
        """
        spec = self.spec
        ends = self._position(users, moments)
        oldest = np.maximum(self._offsets[users], ends - spec.max_events)
        starts = {w: self._since(users, moments, w, oldest, ends) for w in spec.windows}
        windows = [*starts.values(), oldest]
        columns = [np.log1p(ends - start) for start in windows]
        times = np.append(self._ts, 0)  # where a user without events would look
        for event in (ends - 1, oldest):
            age = (moments - times[event]) / (spec.unit * SECOND)
            columns.append(np.log1p(np.where(ends > oldest, age, np.nan)))
        for start in (*(starts[w] for w in spec._period_windows), oldest):
            columns.append(np.log1p(self._active(start, ends)))
        for place, key in enumerate(self._keys):
            if place < len(spec.keys):
                for start in (*(starts[w] for w in spec.sum_windows), oldest):
                    columns.append(signed_log(key.sums(start, ends)))
            columns.append(np.log1p(key.counts(oldest, ends)))
            columns += map(signed_log, key.about(spec.about, oldest, ends))
        columns += map(signed_log, self._attributes.numbers(users, moments))
        return np.stack(columns, axis=1).astype(np.float32)

    def ahead(self, users: Int, moments: Int) -> Ahead:
        """What happens from each moment on, in the windows of `spec.ahead`."""
        first = self._position(users, moments)
        after = [self._position(users, moments + w * SECOND) for w in self.spec.ahead]
        keys = self._keys[: len(self.spec.keys)]
        sums = [[key.sums(first, end) for key in keys] for end in after]
        return Ahead(
            counts=np.stack([end - first for end in after], axis=1),
            periods=np.stack([self._active(first, end) for end in after], axis=1),
            sums=np.array(sums).reshape(len(after), len(keys), len(users)).transpose(2, 0, 1),
            first=first,
            ends=np.stack(after, axis=1),
        )

    def _position(self, users: Int, moments: Int) -> Int:
        """The first event of each user at or after the moment, [n]."""
        return _bisect(self._ts, self._offsets, users, moments)

    def _since(self, users: Int, moments: Int, window: int, oldest: Int, ends: Int) -> Int:
        return np.clip(self._position(users, moments - window * SECOND), oldest, ends)

    def _active(self, starts: Int, ends: Int) -> Int:
        """The number of periods with an event among ranges of one user's events, [n]."""
        after_first = np.minimum(starts + 1, ends)
        return np.where(ends > starts, 1 + self._periods[ends] - self._periods[after_first], 0)


def _bisect(times: Int, offsets: Int, users: Int, moments: Int) -> Int:
    """The first of each user's times that is not before the moment, [n]."""
    low, high = offsets[users], offsets[users + 1]
    while (open_ := low < high).any():
        middle = (low + high) // 2
        before = open_ & (times[np.minimum(middle, len(times) - 1)] < moments)
        low = np.where(before, middle + 1, low)
        high = np.where(open_ & ~before, middle, high)
    return low


def _numbers_by_key(
    histories: Histories, keys: tuple[int, ...], numbers: Wide
) -> list[_KeyNumbers]:
    column = np.full(len(numbers), -1)
    column[list(keys)] = np.arange(len(keys))
    key, value = column[histories.tokens[:, 0]], numbers[histories.tokens[:, 1]]
    chosen = np.flatnonzero((key >= 0) & ~np.isnan(value))
    event = np.searchsorted(histories.token_offsets, chosen, side="right") - 1
    key, value = key[chosen], value[chosen]
    return [_KeyNumbers(event[own], value[own]) for own in (key == j for j in range(len(keys)))]


def signed_log(values: npt.ArrayLike) -> Wide:
    """`sign(x) log(1 + |x|)`"""
    x = np.asarray(values, np.float64)
    return np.sign(x) * np.log1p(np.abs(x))


def _range_sums(values: Wide, starts: Int, ends: Int) -> Wide:
    """The sum of each range, [n]; each from its own values alone, so neighbours do not round it."""
    return np.where(ends > starts, _by_range(np.add, values, starts, ends), 0.0)


def _by_range(reduce: np.ufunc, values: Wide, starts: Int, ends: Int) -> Wide:
    """A reduction of each range, [n]; something else for an empty one."""
    edges = np.stack([starts, ends], axis=1).ravel()
    return np.asarray(reduce.reduceat(np.append(values, 0.0), edges)[::2], np.float64)
