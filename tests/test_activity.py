"""Activity is what a person would count by hand, of what was known strictly before a moment."""

from __future__ import annotations

import math
import statistics
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from histories_fixture import (
    AMOUNT,
    DAY,
    SEGMENT,
    SHOP,
    SOURCE,
    TEXT,
    Event,
    Item,
    User,
    histories,
)
from hypothesis import given
from hypothesis import strategies as st

from pragma_sql.formats.activity import (
    ABOUT,
    SECOND,
    ActivitySpec,
    Timeline,
    code_numbers,
    duration,
    signed_log,
    token_numbers,
)
from pragma_sql.formats.histories import Histories

START = 1_600_000_000
NUMBERS = np.full(50, np.nan)
NUMBERS[30:40] = [0.0, 1.5, -2.0, 10.0, 100.0, 1e6, -1e6, 3.25, 7.0, 12.0]
SPEC = ActivitySpec(
    windows=(DAY, 7 * DAY, 30 * DAY),
    ahead=(7 * DAY, 30 * DAY),
    keys=(SHOP, AMOUNT),
    max_events=20,
    codes=(TEXT,),
    attributes=(AMOUNT, SEGMENT),
    about=ABOUT,
)

events = st.builds(
    lambda ts, key, value: Event(ts, [(SOURCE, 10, 0), (key, value, 0)]),
    ts=st.integers(START, START + 60 * DAY),
    key=st.sampled_from([SHOP, AMOUNT, TEXT]),
    value=st.integers(25, 42),
)
snapshots = st.dictionaries(
    st.tuples(st.integers(START, START + 60 * DAY), st.sampled_from([SHOP, AMOUNT, SEGMENT])),
    st.integers(25, 42),
    max_size=6,
).map(lambda found: [Item([(k, v, 0)], as_of=as_of) for (as_of, k), v in sorted(found.items())])
users = st.lists(st.tuples(st.lists(events, max_size=30), snapshots), min_size=1, max_size=5).map(
    lambda lists: [
        User(f"user {n}", sorted(own, key=lambda event: event.ts), items)
        for n, (own, items) in enumerate(lists)
    ]
)
moments = st.integers(START - DAY, START + 70 * DAY)


def timeline(people: list[User]) -> Timeline:
    return Timeline(histories(people), SPEC, NUMBERS)


def by_hand(user: User, moment: int) -> list[float]:
    """The numbers of `SPEC`, counted event by event."""
    known = [event for event in user.events if event.ts < moment][-SPEC.max_events :]
    of_window = {w: [e for e in known if e.ts >= moment - w] for w in SPEC.windows}
    everything = [*of_window.values(), known]
    out = [math.log1p(len(some)) for some in everything]
    ages = [moment - known[-1].ts, moment - known[0].ts] if known else [math.nan] * 2
    out += [math.log1p(age / DAY) for age in ages]
    out += [math.log1p(len({e.ts // DAY for e in some})) for some in everything[1:]]
    for key in (*SPEC.keys, *SPEC.codes):

        def values(some: list[Event], key: int = key) -> list[float]:
            found = [NUMBERS[v] for e in some for k, v, _ in e.tokens if k == key]
            return [number for number in found if not math.isnan(number)]

        if key in SPEC.keys:
            out += [float(signed_log(sum(values(some)))) for some in everything]
        own = values(known)
        out.append(math.log1p(len(own)))
        about = [math.nan] * 5
        if own:
            about = [sum(own) / len(own), own[-1], min(own), max(own), statistics.pstdev(own)]
        out += [float(signed_log(number)) for number in about]
    newest = max((item.as_of for item in user.items if item.as_of <= moment), default=None)
    snapshot = {i.tokens[0][0]: i.tokens[0][1] for i in user.items if i.as_of == newest}
    attributes = [
        NUMBERS[snapshot[key]] if key in snapshot else math.nan for key in SPEC.attributes
    ]
    return out + [float(signed_log(number)) for number in attributes]


@given(users, moments)
def test_the_numbers_are_those_counted_by_hand(people: list[User], moment: int) -> None:
    everyone = np.arange(len(people))
    found = timeline(people).state(everyone, np.full(len(people), moment * SECOND))
    expected = [by_hand(user, moment) for user in people]
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)
    assert found.shape[1] == SPEC.width == len(SPEC.names({}))


@given(users, moments)
def test_what_follows_is_counted_by_hand_too(people: list[User], moment: int) -> None:
    everyone = np.arange(len(people))
    found = timeline(people).ahead(everyone, np.full(len(people), moment * SECOND))
    for n, user in enumerate(people):
        for w, window in enumerate(SPEC.ahead):
            coming = [e for e in user.events if moment <= e.ts < moment + window]
            assert found.counts[n, w] == len(coming)
            assert found.periods[n, w] == len({e.ts // DAY for e in coming})
            for k, key in enumerate(SPEC.keys):
                total = sum(
                    NUMBERS[v]
                    for e in coming
                    for i, v, _ in e.tokens
                    if i == key and v in range(30, 40)
                )
                assert found.sums[n, w, k] == pytest.approx(total)


@given(users, moments)
def test_neither_later_events_nor_other_users_change_a_bit(people: list[User], moment: int) -> None:
    together = timeline(people).state(np.arange(len(people)), np.full(len(people), moment * SECOND))
    for n, user in enumerate(people):
        past = replace(user, events=[event for event in user.events if event.ts < moment])
        betrayer = Event(moment, [(AMOUNT, 35, 0)])
        known = [item for item in user.items if item.as_of <= moment]
        told = Item([(SEGMENT, 36, 0)], as_of=moment + 1)
        planted = replace(past, events=[*past.events, betrayer], items=[*known, told])
        alone = timeline([planted]).state(np.zeros(1, np.int64), np.array([moment * SECOND]))
        np.testing.assert_array_equal(alone[0], together[n])


def test_a_user_without_events_has_counts_of_zero_and_unknown_times() -> None:
    state = timeline([User("nobody")]).state(np.zeros(1, np.int64), np.array([START * SECOND]))
    named = dict(zip(SPEC.names({SHOP: "shop", AMOUNT: "amount"}), state[0], strict=True))
    assert named["events"] == named["events_7d"] == named["active"] == named["amount_sum"] == 0
    assert math.isnan(named["since_last"])
    assert math.isnan(named["amount_mean"])


def test_many_moments_of_a_user_need_no_copies_of_the_history() -> None:
    user = User("one", [Event(START + day * DAY, [(AMOUNT, 33, 0)]) for day in range(10)])
    whole = timeline([user])
    days = np.array([9, 0, 5, 5])
    found = whole.state(np.zeros(4, np.int64), (START + days * DAY) * SECOND)
    np.testing.assert_allclose(np.expm1(found[:, 3]), days, rtol=1e-6)


def test_a_token_stands_for_the_mean_of_its_bin_or_in_an_old_tokenizer_for_the_middle(
    tmp_path: Path,
) -> None:
    rows = {
        "token_id": [0, 1, 2, 3, 4, 5],
        "kind": ["key", "number", "number", "number", "number", "number"],
        "key": ["amount"] * 6,
        "value": ["", "0", "(-inf, -1.5]", "(-1.5, 2.5]", "(2.5, inf)", "(-inf, inf)"],
    }
    path = tmp_path / "vocabulary.parquet"
    pq.write_table(pa.table(rows), path)
    np.testing.assert_array_equal(token_numbers(path, 6), [np.nan, 0, -1.5, 0.5, 2.5, 0])
    means = pa.array([None, 0, -7.5, 0.25, 90, None], pa.float64())
    pq.write_table(pa.table({**rows, "mean": means}), path)
    np.testing.assert_array_equal(token_numbers(path, 6), [np.nan, 0, -7.5, 0.25, 90, 0])


def test_categories_that_are_numbers_are_ordered_where_a_key_has_few_and_no_other(
    tmp_path: Path,
) -> None:
    of_keys = {"grade": ["3", "1.5"], "shop": ["7", "seven"], "id": map(str, range(65))}
    rows = [
        {"token_id": 0, "kind": "key", "key": "grade", "value": ""},
        *(
            {"token_id": 0, "kind": "category", "key": key, "value": value}
            for key, values in of_keys.items()
            for value in values
        ),
    ]
    rows = [{**row, "token_id": token} for token, row in enumerate(rows)]
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "vocabulary.parquet")
    found = code_numbers(tmp_path / "vocabulary.parquet", 100)
    assert found[1:3].tolist() == [3.0, 1.5]
    assert np.isnan(found[3:]).all()
    np.testing.assert_array_equal(token_numbers(tmp_path / "vocabulary.parquet", 100), found)


def test_a_model_of_before_there_were_codes_and_profiles_keeps_its_numbers() -> None:
    user = User("one", [Event(START, [(AMOUNT, 33, 0), (TEXT, 34, 0)])], [Item([(SEGMENT, 31, 0)])])
    then = np.array([(START + DAY) * SECOND])
    old = ActivitySpec(SPEC.windows, SPEC.ahead, SPEC.keys, SPEC.max_events)
    new = dict(
        zip(
            SPEC.names({}),
            Timeline(histories([user]), SPEC, NUMBERS).state(np.zeros(1, np.int64), then)[0],
            strict=True,
        )
    )
    before = Timeline(histories([user]), old, NUMBERS).state(np.zeros(1, np.int64), then)[0]
    assert len(before) == old.width == SPEC.width - 2 - 6 - 2
    assert before.tolist() == pytest.approx([new[n] for n in old.names({})], nan_ok=True)


def test_a_window_is_named_in_its_largest_unit() -> None:
    assert [duration(seconds) for seconds in (90 * DAY, 6 * 3600, 300, 45)] == [
        "90d",
        "6h",
        "5m",
        "45s",
    ]


def test_a_cut_that_is_capped_keeps_the_activity_of_the_whole_history() -> None:
    days = [Event(START + day * DAY, [(AMOUNT, 33, 0)]) for day in range(25)]
    whole: Histories = histories([User("one", days)])
    state = Timeline(whole, SPEC, NUMBERS).state(
        np.zeros(1, np.int64), np.array([(START + 30 * DAY) * SECOND])
    )
    assert np.expm1(state[0, 3]) == pytest.approx(SPEC.max_events)
