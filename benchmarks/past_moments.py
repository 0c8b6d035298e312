"""A LightGBM that learns silence from past moments: what a forecast can be measured against."""

from __future__ import annotations

from pathlib import Path

import duckdb
import numpy as np
import numpy.typing as npt

from pragma_model.evaluation.probe_fits import Sample, boosted_trees
from pragma_model.training.ahead import draw_moments, what_follows
from pragma_sql.formats.activity import ActivitySpec, Timeline, token_numbers
from pragma_sql.formats.bundle import open_bundle
from pragma_sql.formats.histories import Histories
from pragma_sql.formats.shards import Shards, Split, open_shards

MOMENTS = 20
"""Moments of each training user."""

Numbers = npt.NDArray[np.float64]


def chance_of_silence(
    home: Path, run: str, users: npt.NDArray[np.str_], moments: npt.NDArray[np.int64], window: int
) -> Numbers:
    """The chance of no event in a window after each moment, [n], learnt from training users alone.

    It is told the activity that the run's model is told. Its moments are drawn as the model's are,
    and its windows, too, end before the cut-off.

    Args:
        home: a warehouse with shards and the run's bundle.
        run: names the activity.
        users: [n] ids.
        moments: [n] microseconds UTC.
        window: which of the model's windows.
    """
    shards = open_shards(home / "shards")
    bundle = open_bundle(home / "runs" / run / "bundle")
    spec, size = bundle.manifest.activity, bundle.manifest.vocabulary_size
    assert spec is not None
    numbers = token_numbers(bundle.path / "vocabulary.parquet", size)
    train, validation = (
        _past(shards, split, spec, numbers, window) for split in ("train", "validation")
    )
    score = boosted_trees(train, validation, 0)
    with duckdb.connect(str(home / "pragma.duckdb"), read_only=True) as con:
        asked = con.execute(
            "from tokens.user_tokens where user_id in (select unnest($users)) order by user_id",
            {"users": np.unique(users).tolist()},
        ).to_arrow_table()
    timeline = Timeline(Histories.from_arrow(asked), spec, numbers)
    place = {user: number for number, user in enumerate(asked["user_id"].to_pylist())}
    rows = np.array([place[user] for user in users])
    return score(timeline.state(rows, moments).astype(np.float64))


def _past(
    shards: Shards, split: Split, spec: ActivitySpec, numbers: Numbers, window: int
) -> Sample:
    """Activity as of random moments, and whether nothing happened in the window after."""
    histories = Histories.from_arrow(shards.table(split))
    cut = int(shards.manifest.moments(1)[0])
    random = np.random.default_rng(0)
    users, moments = draw_moments(histories, spec, cut, MOMENTS, random)
    timeline = Timeline(histories, spec, numbers)
    found = what_follows(timeline, users, moments, cut)
    known = found.known[:, window] > 0
    silent = (found.counts[:, window] == 0).astype(np.float64)
    state = timeline.state(users, moments).astype(np.float64)
    return Sample(state[known], silent[known], users[known])
