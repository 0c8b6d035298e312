"""What can be guessed without a model, and that it is asked for the very same hidden values."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from histories_fixture import (
    AMOUNT,
    CUT,
    DAY,
    SHOP,
    SOURCE,
    TEXT,
    VOCABULARY_SIZE,
    Event,
    Token,
    User,
    ragged_users,
    write_shards,
)

from pragma_model.evaluation import baselines
from pragma_model.evaluation.baselines import NONE, fit_baselines, values_before
from pragma_model.evaluation.validation import validate
from pragma_model.model.inputs import Batch
from pragma_model.model.model import PragmaModel
from pragma_model.runs.metrics import Validation
from pragma_model.training.data import SplitReader
from pragma_model.training.masking import mask_values
from pragma_model.training.settings import MaskRates, TrainSettings
from pragma_sql.formats.packing import EVT, MASK, UNK
from pragma_sql.formats.shards import Shards

CAFE, OFFICE, GYM = 20, 21, 22
NO_MASKS = {"event": 0.0, "key": 0.0, "unknown": 0.0}


def daily(name: str, *days: list[Token]) -> User:
    """A user with an event a day, the first one first."""
    oldest = CUT - len(days) * DAY
    return User(name, [Event(oldest + day * DAY, tokens) for day, tokens in enumerate(days)])


def shops(name: str, *values: int) -> User:
    return daily(name, *([(SOURCE, 10, 0), (SHOP, value, 0)] for value in values))


def commuters(count: int) -> list[User]:
    """They go round: café, office, gym, café, ... Each begins somewhere else."""
    way = (CAFE, OFFICE, GYM) * 5
    return [shops(f"commuter {n}", *way[n % 3 : n % 3 + 12]) for n in range(count)]


def train_reader(folder: Path, users: list[User]) -> SplitReader:
    return SplitReader(write_shards(folder, {"train": users}), "train", 512)


# --- what is learnt ---


def test_the_majority_of_a_key_is_its_most_frequent_known_value(tmp_path: Path) -> None:
    values = {SHOP: [20, 21, 21, 2, 2, 2], AMOUNT: [31, 30, 30, 31, 32, 33]}
    users = [
        daily(f"{key} {value} {n}", [(SOURCE, 10, 0), (key, value, 0)])
        for key, given in values.items()
        for n, value in enumerate(given)
    ]
    majority = fit_baselines(train_reader(tmp_path / "s", users)).majority
    assert majority[SOURCE] == 10
    assert majority[SHOP] == 21, "[UNK], id 2, is never a target"
    assert majority[AMOUNT] == 30, "of equally frequent values the first"


def test_the_value_before_says_what_follows(tmp_path: Path) -> None:
    fitted = fit_baselines(train_reader(tmp_path / "s", commuters(6)))
    before = np.array([CAFE, OFFICE, GYM])
    guesses = fitted.by_value_before(np.full(3, SHOP), before)
    assert guesses.tolist() == [OFFICE, GYM, CAFE]


def test_without_a_known_value_before_the_majority_is_guessed(tmp_path: Path) -> None:
    fitted = fit_baselines(train_reader(tmp_path / "s", [shops("a", CAFE, CAFE, OFFICE)]))
    never_seen = np.array([NONE, GYM, OFFICE])
    assert fitted.by_value_before(np.full(3, SHOP), never_seen).tolist() == [CAFE, CAFE, CAFE]


def test_a_user_without_a_second_event_teaches_the_majority_alone(tmp_path: Path) -> None:
    fitted = fit_baselines(train_reader(tmp_path / "s", [shops("a", CAFE), shops("b", CAFE)]))
    assert fitted.by_value_before(np.array([SHOP]), np.array([CAFE])).tolist() == [CAFE]


def test_the_value_before_is_of_the_same_user_key_and_position() -> None:
    user = np.array([0, 0, 0, 0, 0, 1, 1])
    key = np.array([SHOP, TEXT, TEXT, SHOP, TEXT, SHOP, TEXT])
    position = np.array([0, 0, 1, 0, 1, 0, 0])
    value = np.array([20, 30, 31, 21, 32, 22, 33])
    before = values_before(user, key, position, value)
    assert before.tolist() == [NONE, NONE, NONE, 20, 31, NONE, NONE]


def test_hidden_and_unknown_values_are_passed_over() -> None:
    value = np.array([20, MASK, 21, UNK, 22])
    same = np.zeros(5, np.int64)
    before = values_before(same, same + SHOP, same, value)
    assert before.tolist() == [NONE, 20, 20, 21, 21]


def test_counting_stops_after_so_many_tokens(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    users = [shops(f"user {n}", CAFE, OFFICE) for n in range(10)] + [shops("last", GYM, GYM)]
    monkeypatch.setattr(baselines, "SLICE_TOKENS", 6)
    monkeypatch.setattr(baselines, "COUNTED_TOKENS", 12)
    fitted = fit_baselines(train_reader(tmp_path / "s", users))
    assert fitted.by_value_before(np.array([SHOP]), np.array([GYM])).tolist() == [CAFE]


def test_slices_do_not_change_what_is_learnt(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reader = train_reader(tmp_path / "s", commuters(9))
    whole = fit_baselines(reader)
    monkeypatch.setattr(baselines, "SLICE_TOKENS", 30)
    sliced = fit_baselines(reader)
    for name, array in vars(whole).items():
        np.testing.assert_array_equal(getattr(sliced, name), array)


def test_when_pairs_are_too_many_the_frequent_ones_are_remembered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    strays = [shops(f"stray {value}", value, GYM) for value in range(30, 45)]
    monkeypatch.setattr(baselines, "MAX_PAIRS", 4)
    monkeypatch.setattr(baselines, "SLICE_TOKENS", 100)
    fitted = fit_baselines(train_reader(tmp_path / "s", commuters(30) + strays))
    before = np.array([CAFE, OFFICE, GYM])
    assert fitted.by_value_before(np.full(3, SHOP), before).tolist() == [OFFICE, GYM, CAFE]
    assert len(fitted.pairs) <= 4


# --- how it is judged ---


def validated(shards: Shards, settings: TrainSettings) -> Validation:
    """By a model that has learnt nothing: the baselines do not depend on it."""
    model = PragmaModel(settings.model_size, VOCABULARY_SIZE).eval()
    train, held_out = (SplitReader(shards, split, 512) for split in ("train", "validation"))
    found = validate(model, held_out, fit_baselines(train), settings)
    assert found is not None
    return found


def test_where_habits_alternate_the_value_before_beats_the_majority(tmp_path: Path) -> None:
    users = commuters(150)
    shards = write_shards(tmp_path / "s", {"train": users[:30], "validation": users[30:]})
    masks = MaskRates(token=0.1, **NO_MASKS)
    found = validated(shards, TrainSettings(masks=masks))
    # Half of the targets are sources, which are all alike; of the others a third is café.
    assert found.baseline_accuracy == pytest.approx(0.5 + 0.5 / 3, abs=0.05)
    # Who comes first has nothing before it, and what is hidden tells nothing.
    assert found.bigram_accuracy > found.baseline_accuracy + 0.2


def slow_guesses(shards: Shards, settings: TrainSettings) -> tuple[float, float]:
    """Both accuracies, one value after the other, by dictionaries."""
    counted: defaultdict[object, Counter[int]] = defaultdict(Counter)
    for events, _ in slow_users(shards, "train", None):
        last: dict[tuple[int, int], int] = {}
        for event in events:
            for key, value, position in event:
                if value == UNK:
                    continue
                counted[key][value] += 1
                if (key, position) in last:
                    counted[key, last[key, position]][value] += 1
                last[key, position] = value
    asked, by_key, by_value_before = 0, 0, 0
    for events, answers in slow_users(shards, "validation", settings):
        last = {}
        for event, hidden in zip(events, answers, strict=True):
            for (key, _, position), answer in zip(event, hidden, strict=True):
                if answer is not None:
                    before = last.get((key, position))
                    enough = counted[key, before] or counted[key]
                    asked += 1
                    by_key += most_frequent(counted[key]) == answer
                    by_value_before += most_frequent(enough) == answer
            for key, value, position in event:
                if value not in (MASK, UNK):
                    last[key, position] = value
    return by_key / asked, by_value_before / asked


def most_frequent(counts: Counter[int]) -> int:
    return min(counts, key=lambda value: (-counts[value], value), default=NONE)


def slow_users(
    shards: Shards, split: str, settings: TrainSettings | None
) -> Iterator[tuple[list[list[Token]], list[list[int | None]]]]:
    """Users as lists of events; with settings, as they are masked, and the answers."""
    reader = SplitReader(shards, split, 512)  # type: ignore[arg-type]
    generator = torch.Generator().manual_seed(0)
    for packed in reader.epoch(seed=0, epoch=0):
        batch, answer = Batch.of(packed), {}
        if settings is not None:
            masked = mask_values(batch, settings.masks, generator)
            batch = masked.batch
            answer = dict(zip(masked.targets.tolist(), masked.values.tolist(), strict=True))
        users: defaultdict[int, list[list[Token]]] = defaultdict(list)
        answers: defaultdict[int, list[list[int | None]]] = defaultdict(list)
        event = -1
        for place, (key, value, position) in enumerate(batch.events.event_tokens.tolist()):
            if key == EVT:
                event += 1
                user = int(batch.event_user[event])
                users[user].append([])
                answers[user].append([])
                continue
            users[user][-1].append((key, value, position))
            answers[user][-1].append(answer.get(place))
        yield from ((users[user], answers[user]) for user in users)


def test_both_guesses_equal_those_of_a_slow_reference(tmp_path: Path) -> None:
    users = [
        User(f"{seed} {user.user_id}", user.events, user.items)
        for seed in range(20)
        for user in ragged_users(seed)
    ]
    shards = write_shards(tmp_path / "s", {"train": users[:100], "validation": users[100:]})
    settings = TrainSettings(budget=512)
    found = validated(shards, settings)
    slow = slow_guesses(shards, settings)
    assert (found.baseline_accuracy, found.bigram_accuracy) == pytest.approx(slow, abs=1e-12)
    assert found.bigram_accuracy != found.baseline_accuracy, "or it would prove nothing"
