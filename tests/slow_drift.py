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

Week = Counter[int]
"""How often each token occurs."""


@dataclass(frozen=True)
class Drift:
    """What a week of a key is, beside the fit's."""

    unk_growth: float
    unk_growth_times: float
    moved: float
    moved_times: float


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
            groups[token] = firsts.setdefault(int(round(place / 0.02, 6)), token)
        else:
            groups[token] = token if share >= 0.005 else 0
    return groups


def drift(
    fit: Sequence[Week], later: Sequence[Week], groups: Mapping[int, int], *, numeric: bool
) -> list[Drift]:
    """Each later week of one source and key, held against the fit's weeks."""
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
    found = []
    for week in later:
        growth = week[UNK] / week.total() - unk_share
        moved = _moved(week, fit, fit, groups, usual)
        found.append(Drift(growth, growth / usual_growth, moved, moved / usual_moved))
    return found


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
