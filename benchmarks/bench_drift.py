"""How often a build cries wolf, and whether it hears planted drift within a week.

Weeks are shuffled so that none drifts, the first half is fitted on, and the second is judged week
by week. Then each pair of weeks of the second half gets one drift for seven days, from a Thursday
on: it is found when either week is beyond the limits. `days beyond`: of the same undisturbed weeks
day by day, as deliveries. And each week of the second half gets one factor from Monday to Sunday:
`whole weeks` are found when they are beyond the limits themselves.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path

import duckdb
from drift_datasets import DATASETS, Dataset, shuffled, write
from page import machine, write_section

from pragma_sql.datasets.dataset import dataset_vars
from pragma_sql.formats.paths import Home
from pragma_sql.warehouse.build import build

SEEDS = (21, 22, 23, 24)
"""None of those that the limits were chosen on."""
KINDS = ("new source", "amounts x 1.2", "amounts x 25", "amounts x 100", "renamed category")
FACTORS = (1.2, 1.5, 2)
"""Of whole weeks, one after the other."""
SELECT = ["+drift_lines", "+token_drift"]


def planted(dataset: Dataset, middle: str) -> Mapping[str, str]:
    """What columns are instead: pair by pair of weeks another kind, from Thursday to Wednesday."""
    day = f"datediff('day', date '{middle}', ts::date)"
    lasts = f"{day} >= 0 and {day} % 14 between 3 and 9"

    def of(kind: str) -> str:
        return f"{lasts} and {day} // 14 % {len(KINDS)} = {KINDS.index(kind)}"

    factors = "".join(
        f" when {of(f'amounts x {factor}')} then round({dataset.amount} * {factor}, 2)"
        for factor in ("1.2", "25", "100")
    )
    return {
        "source": f"case when {of('new source')} and hash(event_id) % 200 = 0"
        " then 'unheard of' else source end",
        dataset.amount: f"case {factors} else {dataset.amount} end",
        dataset.category: f"case when {of('renamed category')}"
        f" and {dataset.category} = '{dataset.common}'"
        f" then 'spelt otherwise' else {dataset.category} end",
    }


def whole_weeks(dataset: Dataset, middle: str) -> Mapping[str, str]:
    """Amounts of each week since the middle times another factor."""
    days = f"datediff('day', date '{middle}', ts::date)"
    factors = f"[{', '.join(map(str, FACTORS))}][1 + {days} // 7 % {len(FACTORS)}]"
    return {
        dataset.amount: f"case when {days} >= 0 then round({dataset.amount} * {factors}, 2)"
        f" else {dataset.amount} end"
    }


def beyond(home: Home, view: str, column: str) -> set[tuple[str, int]]:
    """Keys and days, since the fit, that are beyond the limits or unseen."""
    with duckdb.connect(str(home.warehouse), read_only=True) as con:
        return set(
            con.execute(
                f"""
                select key, datediff('day', fit_until::date, {column})
                from tokens.{view}
                cross join fit.population
                where is_beyond or (is_unseen and key = 'source')
                """  # noqa: S608 - our own text
            ).fetchall()
        )


def measure(dataset: Dataset, folder: Path, seed: int, counts: dict[str, list[int]]) -> None:
    """One shuffle: build it undisturbed, then with the drifts, and add up what was found."""
    con, weeks, middle = shuffled(dataset, seed)
    later = weeks - weeks // 2
    home, contract = Home.of(folder / "home"), folder / "contract"
    write(con, dataset, contract, {})
    variables = {**dataset_vars(contract, []), "fit_until": middle}
    build(home, variables, select=SELECT)
    alarms = {day for _, day in beyond(home, "weekly_drift", "week")}
    counts["false weeks"][0] += len(alarms)
    counts["false weeks"][1] += later
    days = {day for _, day in beyond(home, "token_drift", "day")}
    counts["false days"][0] += len(days)
    counts["false days"][1] += later * 7
    write(con, dataset, contract, planted(dataset, middle))
    build(home, variables, select=SELECT)
    found = beyond(home, "weekly_drift", "week")
    for pair in range(later // 2):
        kind = KINDS[pair % len(KINDS)]
        key = {"new source": "source", "renamed category": dataset.category}.get(
            kind, dataset.amount
        )
        counts[kind][0] += bool({(key, pair * 14), (key, pair * 14 + 7)} & found)
        counts[kind][1] += 1
    write(con, dataset, contract, whole_weeks(dataset, middle))
    build(home, variables, select=SELECT)
    found = beyond(home, "weekly_drift", "week")
    for week in range(later):
        factor = FACTORS[week % len(FACTORS)]
        counts[f"whole {factor}"][0] += (dataset.amount, week * 7) in found
        counts[f"whole {factor}"][1] += 1


def main() -> None:
    chosen = sys.argv[1:] or [dataset.name for dataset in DATASETS]
    lines = [
        "| dataset | weeks judged | false alarms | days beyond, undisturbed | "
        + " | ".join(f"{kind} found" for kind in KINDS)
        + " | "
        + " | ".join(f"whole weeks x {factor} found" for factor in FACTORS)
        + " |",
        "|---|" + "---:|" * (3 + len(KINDS) + len(FACTORS)),
    ]
    for dataset in DATASETS:
        if dataset.name not in chosen:
            continue
        counts: dict[str, list[int]] = defaultdict(lambda: [0, 0])
        for seed in SEEDS:
            folder = Path(tempfile.mkdtemp())
            measure(dataset, folder, seed, counts)
            shutil.rmtree(folder)
        false, weeks = counts["false weeks"]
        planned = [*KINDS, *(f"whole {factor}" for factor in FACTORS)]
        cells = [f"{counts[kind][0]} of {counts[kind][1]}" for kind in planned]
        days = "{} of {}".format(*counts["false days"])
        lines.append(f"| {dataset.name} | {weeks} | {false} | {days} | " + " | ".join(cells) + " |")
        print(lines[-1], flush=True)
    body = "\n".join([f"{machine()}. {__doc__.partition(chr(10) * 2)[2].strip()}", "", *lines])
    write_section("Drift", body)


if __name__ == "__main__":
    main()
