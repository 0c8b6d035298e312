"""Windows that suit the pace of a dataset, and the scale of its activity.

A clickstream of minutes and a file of monthly statements need other windows than card purchases.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import torch

from pragma_model.model.model import PragmaModel
from pragma_model.training.ahead import draw_moments, what_follows
from pragma_model.training.data import SplitReader
from pragma_model.training.settings import LookAheadSettings
from pragma_sql.formats.activity import ABOUT, DAY, SECOND, ActivitySpec, Wide, code_numbers
from pragma_sql.formats.histories import Histories, Int

RUNGS = (60, 300, 900, 3600, 6 * 3600, DAY, 7 * DAY, 30 * DAY, 90 * DAY, 365 * DAY)
"""Windows to choose from, in seconds."""

MAX_WINDOWS = 5
MAX_AHEAD = 3
LONGEST_AHEAD = 90 * DAY

SHARE_AHEAD = 0.6
"""Most of a usual history's length that a window ahead may take: moments need a past, too."""

SHARE_OF_GAP = 0.25
"""Least of the usual time between events that a window may take; less would hold no event."""

MAX_KEYS = 64
"""Most keys of each kind whose numbers are kept, the most frequent ones."""

SAMPLED_USERS = 1024
SAMPLED_MOMENTS = 4


@dataclass(frozen=True)
class Pace:
    """What was found in a sample of training users."""

    spec: ActivitySpec
    users: Histories
    """The sample, for the scales of activity and amounts."""


def measure_pace(reader: SplitReader, settings: LookAheadSettings) -> Pace:
    """Choose windows and keys by a sample of training users; the same for the same shards.

    Args:
        reader: the split `train`.
        settings: given windows take the place of chosen ones.
    """
    users = _sample(reader)
    span, gap = _span_and_gap(users)
    fitting = [rung for rung in RUNGS if rung >= SHARE_OF_GAP * gap]
    ahead = settings.windows or tuple(
        [rung for rung in fitting if rung <= min(LONGEST_AHEAD, SHARE_AHEAD * span)][-MAX_AHEAD:]
    )
    windows = tuple([rung for rung in fitting if rung <= span][-MAX_WINDOWS:])
    ahead = ahead or (LONGEST_AHEAD,)
    manifest = reader.shards.manifest
    vocabulary = reader.shards.tokenizer / "vocabulary.parquet"
    codes = code_numbers(vocabulary, manifest.vocabulary_size)
    bins = np.where(np.isnan(codes), reader.numbers, np.nan)
    spec = ActivitySpec(
        windows=windows or ahead,
        ahead=ahead,
        keys=_frequent_keys(users.tokens, bins),
        max_events=manifest.max_events,
        codes=_frequent_keys(users.tokens, codes),
        attributes=_frequent_keys(users.item_tokens, reader.numbers),
        about=ABOUT,
    )
    return Pace(spec, users)


def _sample(reader: SplitReader) -> Histories:
    """Users at random from the first shards, up to `SAMPLED_USERS`."""
    tables: list[pa.Table] = []
    missing = SAMPLED_USERS
    for number, file in enumerate(reader.files):
        part = reader.part(file)
        random = np.random.default_rng(number)
        chosen = random.permutation(part.users)[:missing]
        tables.append(part.table.take(np.sort(chosen)))
        missing -= len(chosen)
        if not missing:
            break
    return reader.read_table(pa.concat_tables(tables))


def _span_and_gap(users: Histories) -> tuple[float, float]:
    """The length of long histories and the usual time between two events, in seconds."""
    some = np.flatnonzero(np.diff(users.event_offsets))
    length = users.ts[users.event_offsets[some + 1] - 1] - users.ts[users.event_offsets[some]]
    gaps = np.diff(users.ts)[np.diff(users.event_user) == 0]
    gaps = gaps[gaps > 0]
    span = float(np.quantile(length, 0.9)) if len(length) else 0.0
    return span / SECOND, float(np.median(gaps)) / SECOND if len(gaps) else 0.0


def _frequent_keys(tokens: Int, numbers: Wide) -> tuple[int, ...]:
    """The keys of tokens that stand for a number, the most frequent ones, in the order of ids."""
    keys, values = tokens[:, 0], tokens[:, 1]
    counts = np.bincount(keys[~np.isnan(numbers[values])], minlength=1)
    frequent = np.argsort(-counts, kind="stable")[:MAX_KEYS]
    return tuple(sorted(int(key) for key in frequent if counts[key]))


def fit_scales(model: PragmaModel, pace: Pace, reader: SplitReader) -> None:
    """Standardise the model's activity and amounts by moments of the sample."""
    if model.activity is None or model.look_ahead is None:
        raise ValueError("this model has no activity")
    cut = int(reader.shards.manifest.moments(1)[0])
    random = np.random.default_rng(0)
    users, moments = draw_moments(pace.users, pace.spec, cut, SAMPLED_MOMENTS, random)
    if not len(users):  # nobody has a past and a future: take the activity as of the cut-off
        users = np.arange(len(pace.users))
        moments = np.full(len(users), cut)
    timeline = reader.timeline(pace.users, pace.spec)
    found = what_follows(timeline, users, moments, cut)
    state = timeline.state(users, moments)
    # What becomes known shortly before the cut-off, as an undated profile, no such moment shows.
    everyone = np.arange(len(pace.users))
    at_cut = timeline.state(everyone, np.full(len(everyone), cut))
    at_cut[:, ~np.isnan(state).all(axis=0)] = np.nan
    model.activity.standard.fit(torch.from_numpy(np.concatenate([state, at_cut])))
    known = np.repeat(found.known, found.amounts.shape[1] // found.known.shape[1], axis=1)
    model.look_ahead.standard.fit(torch.from_numpy(found.amounts), torch.from_numpy(known))
