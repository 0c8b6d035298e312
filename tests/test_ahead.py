"""Inputs end before a moment, targets before the cut-off; the paper stays as it was."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from histories_fixture import (
    AMOUNT,
    CUT,
    DAY,
    FIRST_VALUE,
    SHOP,
    VOCABULARY_SIZE,
    Event,
    Item,
    User,
    shopper_shards,
    write_shards,
)

torch = pytest.importorskip("torch", reason="the `train` extra is not installed")

from pragma_model.model.model import PragmaModel  # noqa: E402
from pragma_model.model.sizes import NANO  # noqa: E402
from pragma_model.runs.metrics import RunState  # noqa: E402
from pragma_model.training import calibrate as calibration  # noqa: E402
from pragma_model.training.ahead import AheadReader, PackedAhead  # noqa: E402
from pragma_model.training.ahead_loss import AheadBatch, ahead_loss  # noqa: E402
from pragma_model.training.data import BEGINNING, SplitReader  # noqa: E402
from pragma_model.training.distributed import DistributedContext  # noqa: E402
from pragma_model.training.pace import measure_pace  # noqa: E402
from pragma_model.training.settings import RunOptions, TrainSettings  # noqa: E402
from pragma_model.training.steps import Trainer, train_steps  # noqa: E402
from pragma_model.training.trainer import new_model, reproducible  # noqa: E402
from pragma_sql.formats.activity import ActivitySpec  # noqa: E402
from pragma_sql.formats.errors import PragmaError  # noqa: E402
from pragma_sql.formats.shards import Shards  # noqa: E402

SECOND = 1_000_000
BETRAYER = VOCABULARY_SIZE - 1
"""A value that only the planted event has."""

SPEC = ActivitySpec((DAY, 30 * DAY), (7 * DAY, 30 * DAY), (), 6500)
SETTINGS = TrainSettings(steps=4, budget=2048)


def daily(name: str, days: range, value: int = FIRST_VALUE) -> User:
    """An event a day, counted back from the cut-off, the oldest first."""
    tokens = [(SHOP, value, 0), (AMOUNT, 30, 0)]
    return User(name, [Event(CUT - day * DAY, tokens) for day in days], [Item([(SHOP, 11, 0)])])


def read(
    folder: Path, users: Sequence[User], settings: TrainSettings = SETTINGS
) -> list[PackedAhead]:
    reader = AheadReader.of(write_shards(folder, {"train": users}), settings, SPEC)
    groups = reader.reader.groups(0, BEGINNING)
    return [batch for group in groups if (batch := reader.read(group)) is not None]


def test_no_input_holds_an_event_at_or_after_its_moment(tmp_path: Path) -> None:
    planted = daily("a", range(90, 10, -1)), daily("a", range(9, 0, -1), BETRAYER)
    user = replace(planted[0], events=[*planted[0].events, *planted[1].events])
    seen = {False: 0, True: 0}
    for batch in read(tmp_path / "shards", [replace(user, user_id=str(n)) for n in range(30)]):
        rows = batch.users.event_tokens[:, 1] == BETRAYER
        betrayed = np.zeros(len(batch.users.event_first), np.bool_)
        betrayed[batch.users.event_layout.unpad[rows] // batch.users.event_layout.mask.shape[1]] = (
            True
        )
        sees = np.zeros(len(batch.next.counts), np.bool_)
        np.logical_or.at(sees, batch.users.event_user, betrayed[batch.users.event_row])
        for n, some in enumerate(sees):
            # The nine betraying days are all that is left, so who has seen one has fewer to come.
            events_left = batch.next.counts[n, 1]
            seen[bool(some)] += 1
            if batch.next.known[n, 1] and some:
                pytest.fail("a moment 30 days before the cut-off saw the last nine days")
            if some:
                assert events_left < 9
    assert seen[False]
    assert seen[True]


def test_a_window_beyond_the_cut_off_is_unknown_and_not_empty(tmp_path: Path) -> None:
    for batch in read(tmp_path / "shards", [daily(str(n), range(40, 0, -1)) for n in range(20)]):
        known, counts = batch.next.known > 0, batch.next.counts
        assert known[:, 0].all()
        assert not known[:, 1].all()
        assert (counts[known[:, 0], 0] == 7).all()
        assert (counts[known[:, 1], 1] == 30).all()


def test_what_the_loss_does_not_know_does_not_count(tmp_path: Path) -> None:
    shards = shopper_shards(tmp_path / "shards", 40, train=40)
    torch.manual_seed(0)
    model = PragmaModel(NANO, VOCABULARY_SIZE, spec=SPEC)
    reader = AheadReader.of(shards, SETTINGS, SPEC)
    batches = [reader.read(group) for group in reader.reader.groups(0, BEGINNING)]
    (first, *_) = [batch for batch in batches if batch is not None]

    def loss(batch: PackedAhead) -> float:
        return float(ahead_loss(model, AheadBatch.of(batch), SETTINGS.ahead).detach())

    def betrayed(packed: PackedAhead) -> PackedAhead:
        following = packed.next
        unknown = following.known == 0
        assert unknown.any()
        counts = np.where(unknown, 1e6, following.counts).astype(np.float32)
        return packed._replace(next=following._replace(counts=counts))

    assert loss(betrayed(first)) == loss(first)
    changed = first.next._replace(counts=first.next.counts + 1)
    assert loss(first._replace(next=changed)) != loss(first)


def test_values_asked_for_come_after_the_moment(tmp_path: Path) -> None:
    users = [daily(str(n), range(60, 0, -1)) for n in range(10)]
    for batch in read(tmp_path / "shards", users):
        drawn = np.bincount(batch.values[:, 2], minlength=len(batch.next.counts))
        assert ((drawn > 0) == (batch.next.counts[:, 1] > 0)).all()
        assert drawn.max() <= SETTINGS.ahead.sampled


def test_a_file_of_months_and_a_stream_of_minutes_get_other_windows(tmp_path: Path) -> None:
    def windows(name: str, gap: int, events: int) -> ActivitySpec:
        tokens = [(SHOP, FIRST_VALUE, 0)]
        users = [
            User(
                str(n), [Event(CUT - DAY - n - gap * back, tokens) for back in range(events, 0, -1)]
            )
            for n in range(20)
        ]
        shards = write_shards(tmp_path / name, {"train": users})
        return measure_pace(SplitReader(shards, "train", 512), SETTINGS.ahead).spec

    months, minutes = windows("months", 30 * DAY, 12), windows("minutes", 60, 50)
    assert months.ahead == (30 * DAY, 90 * DAY)
    assert months.unit == DAY
    assert minutes.ahead == (60, 300, 900)
    assert minutes.unit == 60
    assert windows("days", DAY, 400).ahead == (7 * DAY, 30 * DAY, 90 * DAY)


def test_given_windows_take_the_place_of_chosen_ones(tmp_path: Path) -> None:
    shards = shopper_shards(tmp_path / "shards", 20, train=20)
    given = replace(SETTINGS.ahead, windows=(DAY, 3 * DAY))
    assert measure_pace(SplitReader(shards, "train", 512), given).spec.ahead == (DAY, 3 * DAY)


def losses(shards: Shards, settings: TrainSettings) -> tuple[PragmaModel, list[float | None]]:
    alone = DistributedContext(rank=0, count=1, device=torch.device("cpu"))
    reader = SplitReader(shards, "train", settings.masked_budget, settings.window)
    with reproducible(settings.seed):
        model = new_model(shards, settings, reader)
        ahead = AheadReader.of(shards, settings, model.spec) if model.spec else None
        trainer = Trainer(model, settings, alone, RunOptions())
        reader = replace(reader, spec=model.spec)
        steps = train_steps(trainer, reader, RunState(), ahead=ahead)
        return model, [metrics.ahead_loss for metrics in steps]


def test_what_comes_next_is_learnt(tmp_path: Path) -> None:
    shards = shopper_shards(tmp_path / "shards", 120, train=120)
    _, curve = losses(shards, replace(SETTINGS, steps=30))
    first, last = curve[0], curve[-1]
    assert first is not None
    assert last is not None
    assert last < 0.7 * first


def test_paper_mode_has_no_other_weight_and_the_same_ones_at_the_start(tmp_path: Path) -> None:
    shards = shopper_shards(tmp_path / "shards", 40, train=40)
    paper, curve = losses(shards, replace(SETTINGS, steps=1, objective="paper"))
    assert curve == [None]
    names = {name.split(".")[0] for name in paper.state_dict()}
    assert not names & {"activity", "look_ahead"}
    reader = SplitReader(shards, "train", 512)
    with reproducible(0):
        bare = new_model(shards, replace(SETTINGS, objective="paper"), reader).state_dict()
        after = torch.rand(())
    with reproducible(0):
        PragmaModel(SETTINGS.model_size, VOCABULARY_SIZE)
        assert torch.rand(()) == after, "the paper's objective drew another random number"
    with reproducible(0):
        full = new_model(shards, SETTINGS, reader).state_dict()
    assert all(torch.equal(full[name], weight) for name, weight in bare.items())


def test_a_block_of_activity_is_refused_where_there_is_none() -> None:
    with pytest.raises(PragmaError, match="objective 'paper' has no activity"):
        RunOptions(readout="user,state").blocks(replace(SETTINGS, objective="paper"), 0)
    with pytest.raises(PragmaError, match="there is no block 'stat'; did you mean state"):
        RunOptions(readout="user,stat")


def test_calibration_makes_held_out_counts_and_silence_right_on_average(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    users = []
    for number in range(240):
        days = np.sort(random.choice(np.arange(1, 200), int(random.integers(5, 60)), replace=False))
        tokens = [(SHOP, FIRST_VALUE, 0), (AMOUNT, 30, 0)]
        users.append(User(str(number), [Event(CUT - int(day) * DAY, tokens) for day in days[::-1]]))
    shards = write_shards(tmp_path / "shards", {"train": users[:120], "validation": users[120:]})
    model, _ = losses(shards, replace(SETTINGS, steps=20))
    model.eval()

    def misses() -> tuple[np.ndarray, np.ndarray]:
        found = calibration.held_out(model, shards, SETTINGS, "validation")
        assert found is not None
        assert model.look_ahead is not None
        with torch.inference_mode():
            forecasts = model.look_ahead.forecast(found.users).numpy()
        windows, known = found.counts.shape[1], found.known
        total = known.sum(0)
        events = ((forecasts[:, :windows] - found.counts) * known).sum(0) / total
        silent = ((forecasts[:, windows : 2 * windows] - (found.counts == 0)) * known).sum(
            0
        ) / total
        return np.abs(events), np.abs(silent)

    before = misses()
    calibration.calibrate(model, shards, SETTINGS)
    after = misses()
    assert (after[1] < 0.02).all()
    assert (after[0] <= before[0] + 1e-3).all()
    assert (after[0] < 0.2).all()
