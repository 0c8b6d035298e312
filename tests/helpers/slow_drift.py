"""Drift of weeks in plain Python, to hold the SQL against: one week at a time."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from math import sqrt
from statistics import median

UNK = 2
LEAST_WEEKS = 8
LEAST_USUAL = 0.005
FEW_WEEKS_USUAL = 0.1
LEAST_RESCALED = 0.02
MOST_RESCALED = 0.5

Week = Counter[int]
"""How often each token occurs."""


@dataclass(frozen=True)
class Drift:
    """What a week of a key is, beside the fit's."""

    unk_growth: float
    unk_growth_times: float
    moved: float
    moved_times: float
    rescaled: float | None
    rescaled_times: float | None


Edges = Sequence[tuple[int, float | None, float | None]]
"""Of a number's bins from the second on: token, what it is above, and what it is up to."""


def monday(day: date) -> date:
    """The first day of its week."""
    return day - timedelta(days=day.weekday())


def groups_of(
    tokens: Sequence[int], shares: Mapping[int, float], *, numeric: bool
) -> dict[int, int]:
    """In which group each token is looked at; [UNK] is one of its own."""
    groups = {UNK: UNK}
    below, firsts = 0.0, {}
    for token in sorted(tokens):
        share = shares.get(token, 0.0)
        if numeric:
            place = below + share / 2
            below += share
            groups[token] = firsts.setdefault(int(round(place / 0.01, 6)), token)
        else:
            groups[token] = token if share >= 0.005 else 0
    return groups


def gains(
    shares: Mapping[int, float], edges: Edges, groups: Mapping[int, int], factor: float
) -> dict[int, float]:
    """What the share of each group would gain were all values of the fit times a factor."""
    gained = dict.fromkeys(groups.values(), 0.0)
    for token, lower, upper in edges:
        if lower is None or upper is None:
            points = [bound for bound in (lower, upper) if bound is not None] * 8
        else:
            points = [lower + (upper - lower) * step / 8 for step in range(1, 9)]
        for point in [] if upper is None and factor > 1 else points:
            number = point * factor - abs(point * factor) * 1e-9
            (target,) = (
                other
                for other, above, upto in edges
                if (above is None or number > above) and (upto is None or number <= upto)
            )
            gained[groups[token]] -= shares.get(token, 0.0) / 8
            gained[groups[target]] += shares.get(token, 0.0) / 8
    return gained


def drift(
    fit: Sequence[Week],
    later: Sequence[Week],
    groups: Mapping[int, int],
    ways: Sequence[Mapping[int, float]] = (),
    *,
    numeric: bool,
) -> list[Drift]:
    """Each later week of one source and key, held against the fit's weeks.

    `ways` is what groups gain where numbers are times a factor, and divided by it.
    """
    large = [week for week in fit if week.total() >= 20]
    usual = median([week.total() for week in large]) if large else 20
    unknown = [_unknown(week, fit, numeric=numeric) for week in fit]
    unk_share = sum(unknown) / sum(week.total() for week in fit)
    floor = LEAST_USUAL if len(large) >= LEAST_WEEKS else FEW_WEEKS_USUAL
    usual_growth = max(
        [floor]
        + [
            n / week.total() - unk_share
            for n, week in zip(unknown, fit, strict=True)
            if week in large
        ]
    )
    usual_moved = max(
        [floor]
        + [
            _moved(week, [other for other in fit if other is not week], fit, groups, usual)
            for week in large
        ]
    )
    looks = [way for gain in ways if (way := _way(fit, groups, gain, usual)) is not None]
    found = []
    for week in later:
        growth = week[UNK] / week.total() - unk_share
        moved = _moved(week, fit, fit, groups, usual)
        seen = [(_rescaled(week, fit, groups, weights, usual), most) for weights, most in looks]
        share, most = max(seen, key=lambda way: way[0] / way[1], default=(None, None))
        found.append(
            Drift(
                growth,
                growth / usual_growth,
                moved,
                moved / usual_moved,
                share,
                None if share is None or most is None else share / most,
            )
        )
    return found


def _way(
    fit: Sequence[Week], groups: Mapping[int, int], gain: Mapping[int, float], usual: float
) -> tuple[dict[int, float], float] | None:
    """What each group counts, and the most that a week looks rescaled; None above half."""
    large = [week for week in fit if week.total() >= 20]
    if len(large) < LEAST_WEEKS or sum(abs(value) for value in gain.values()) < 0.1:
        return None
    variances = {}
    for group in gain:
        share = _share(fit, group, groups)
        squares = [week.total() * (_share([week], group, groups) - share) ** 2 for week in large]
        sampling = share * (1 - share) + 1 / usual
        variances[group] = max(sum(squares) / (len(large) - 1), sampling)
    total = sum(value**2 / variances[group] for group, value in gain.items())
    weights = {group: value / variances[group] / total for group, value in gain.items()}
    most = max(
        _rescaled(week, [other for other in fit if other is not week], groups, weights, usual)
        for week in large
    )
    return None if most > MOST_RESCALED else (weights, max(most, LEAST_RESCALED))


def _rescaled(
    week: Week,
    others: Sequence[Week],
    groups: Mapping[int, int],
    weights: Mapping[int, float],
    usual: float,
) -> float:
    """How far a week leans the way of its weights, 1 where all values are rescaled."""
    lean = sum(
        weight * (_share([week], group, groups) - _share(others, group, groups))
        for group, weight in weights.items()
    )
    return lean * sqrt(min(1, week.total() / usual))


def _unknown(week: Week, fit: Sequence[Week], *, numeric: bool) -> int:
    """Values of a week that a fit of the other weeks would not know."""
    return sum(
        n
        for token, n in week.items()
        if token == UNK
        or (not numeric and not any(other[token] for other in fit if other is not week))
    )


def _moved(
    week: Week,
    others: Sequence[Week],
    fit: Sequence[Week],
    groups: Mapping[int, int],
    usual: float,
) -> float:
    """Half the distance of a week's shares from those of others, beyond two standard deviations."""
    moved = 0.0
    large = [other for other in others if other.total() >= 20]
    for group in set(groups.values()):
        share = _share(others, group, groups)
        of_all = _share(fit, group, groups)
        sampling = share * (1 - share)
        if sum(one.total() >= 20 for one in fit) >= LEAST_WEEKS:
            squares = [
                other.total() * (_share([other], group, groups) - of_all) ** 2 for other in large
            ]
            spread = sum(squares) / max(len(squares) - 1, 1)
        else:
            spread = 10 * sampling
        variance = max(spread, sampling + 1 / usual) / min(week.total(), usual)
        moved += max(0.0, abs(_share([week], group, groups) - share) - 2 * sqrt(variance))
    return moved / 2


def _share(weeks: Sequence[Week], group: int, groups: Mapping[int, int]) -> float:
    """The share of a group among the values of some weeks."""
    found = sum(n for week in weeks for token, n in week.items() if groups[token] == group)
    return found / sum(week.total() for week in weeks)
