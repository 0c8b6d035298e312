"""Hand-made features again, one user and moment at a time, as one would count them by hand."""

from __future__ import annotations

import math
import statistics
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise

from datasets import Event, Profile

Value = float | str | None

WINDOWS = (7, 30, 90, 365)
WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")


@dataclass(frozen=True)
class Keys:
    """What the fit says of the keys."""

    numbers: Sequence[str]
    words: Mapping[str, Sequence[str]]  # key -> its most frequent values, none for texts
    attributes: Mapping[str, Sequence[str]]


def slow_features(
    events: Sequence[Event], profiles: Sequence[Profile], moment: datetime, keys: Keys
) -> dict[str, Value]:
    """The features of one user by column."""
    past = sorted(
        (event for event in events if at(event) < moment),
        key=lambda event: (at(event), event.event_id or ""),
    )
    found = {**_counts(past, moment), **_clock(past, moment)}
    for key in keys.numbers:
        found |= _numbers(key, past, moment)
    for key, values in keys.words.items():
        found |= _words(key, values, past)
    known = [profile for profile in profiles if datetime.fromisoformat(profile.day) <= moment]
    newest = max(known, key=lambda profile: profile.day).attributes if known else {}
    for key, values in keys.attributes.items():
        value = newest.get(key)
        found[f"attribute {key}"] = _common(value, values) if values else number(value)
    return found


def at(event: Event) -> datetime:
    assert event.ts is not None
    return event.ts


def within(events: Sequence[Event], moment: datetime, days: int) -> list[Event]:
    """Of past events those in the last so many days, the first instant included; 0 is all."""
    return [e for e in events if not days or at(e) >= moment - timedelta(days=days)]


def before(events: Sequence[Event], moment: datetime, days: int) -> list[Event]:
    """Those in as many days just before them."""
    wide, narrow = within(events, moment, 2 * days), within(events, moment, days)
    return [event for event in wide if event not in narrow]


def number(text: str | None) -> float | None:
    try:
        return float(text) if text is not None else None
    except ValueError:
        return None


def _name(name: str, days: int, glue: str = " ") -> str:
    return f"{name}{glue}{days}d" if days else name


def _ratio(one: float, other: float) -> float | None:
    return one / other if other else None


def _counts(past: Sequence[Event], moment: datetime) -> dict[str, Value]:
    found: dict[str, Value] = {}
    for days in (0, *WINDOWS):
        inside = within(past, moment, days)
        found[_name("events", days, "_")] = len(inside)
        found[_name("active_days", days, "_")] = len({at(event).date() for event in inside})
        if days:
            ratio = _ratio(len(inside), len(before(past, moment, days)))
            found[_name("ratio_events", days, "_")] = ratio
    day = timedelta(days=1)
    gaps = [(at(b) - at(a)) / day for a, b in pairwise(past)]
    found["days_since_last"] = (moment - at(past[-1])) / day if past else None
    found["days_since_first"] = (moment - at(past[0])) / day if past else None
    found["gap_days_mean"] = statistics.mean(gaps) if gaps else None
    found["gap_days_sd"] = statistics.stdev(gaps) if len(gaps) > 1 else None
    found["gap_days_last"] = gaps[-1] if gaps else None
    return found


def _clock(past: Sequence[Event], moment: datetime) -> dict[str, Value]:
    found: dict[str, Value] = {"moment_month": moment.month}
    for weekday, name in enumerate(WEEKDAYS):
        there = [event for event in past if at(event).weekday() == weekday]
        found[f"share {name}"] = _ratio(len(there), len(past))
    for hours in range(0, 24, 4):
        there = [event for event in past if hours <= at(event).hour < hours + 4]
        found[f"share hours {hours} to {hours + 4}"] = _ratio(len(there), len(past))
    return found


def _valued(key: str, events: Sequence[Event]) -> list[tuple[datetime, float]]:
    values = [(at(event), number((event.fields or {}).get(key))) for event in events]
    return [(ts, value) for ts, value in values if value is not None]


def _numbers(key: str, past: Sequence[Event], moment: datetime) -> dict[str, Value]:
    every = _valued(key, past)
    found: dict[str, Value] = {f"last {key}": every[-1][1] if every else None}
    for days in (0, *WINDOWS):
        pairs = _valued(key, within(past, moment, days))
        values = [value for _, value in pairs]
        found |= {
            _name(f"count {key}", days): len(values),
            _name(f"sum {key}", days): math.fsum(values) if values else None,
            _name(f"mean {key}", days): statistics.mean(values) if values else None,
            _name(f"sd {key}", days): statistics.stdev(values) if len(values) > 1 else None,
            _name(f"min {key}", days): min(values, default=None),
            _name(f"max {key}", days): max(values, default=None),
            _name(f"slope {key}", days): _slope(pairs),
            _name(f"negative share {key}", days): _ratio(sum(v < 0 for v in values), len(values)),
        }
        if days:
            earlier = [value for _, value in _valued(key, before(past, moment, days))]
            ratio = _ratio(math.fsum(values), math.fsum(earlier)) if values and earlier else None
            found[_name(f"ratio {key}", days)] = ratio
    return found


def _slope(pairs: Sequence[tuple[datetime, float]]) -> float | None:
    days = [(ts - datetime(2020, 1, 1)) / timedelta(days=1) for ts, _ in pairs]
    if len(set(days)) < 2:
        return None
    return statistics.linear_regression(days, [value for _, value in pairs]).slope


def _common(value: str | None, values: Sequence[str]) -> str | None:
    return value if value is None or value in values else "(other)"


def _words(key: str, values: Sequence[str], past: Sequence[Event]) -> dict[str, Value]:
    said = [e.source if key == "source" else (e.fields or {}).get(key) for e in past]
    words = [word for word in said if word is not None]
    times = Counter(words)
    shares = [n / len(words) for n in times.values()]
    found: dict[str, Value] = {
        f"distinct {key}": len(times),
        f"entropy {key}": -sum(p * math.log(p) for p in shares) if words else None,
    }
    if values:
        found[f"last value {key}"] = _common(words[-1], values) if words else None
    for value in values:
        found[f"count {key} {value}"] = times[value]
        found[f"share {key} {value}"] = _ratio(times[value], len(words))
    return found
