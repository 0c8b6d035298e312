"""A run from shards to bundle: it learns, repeats itself, says what it did, and refuses clearly."""

from __future__ import annotations

import io
import json
import re
import subprocess
import sys
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
import typer
from histories_fixture import (
    CUT,
    DAY,
    SEGMENT,
    SHOP,
    TEXT,
    VOCABULARY_SIZE,
    Event,
    Item,
    User,
    ragged_users,
    shoppers,
    write_shards,
)
from rich.console import Console
from typer.testing import CliRunner

from pragma_model.commands import train as train_command
from pragma_model.evaluation.breakdown import Found
from pragma_model.model.attention.base import Kernel
from pragma_model.model.model import PragmaModel
from pragma_model.runs.metrics import RunState, StepMetrics, Validation
from pragma_model.runs.progress import Lines, progress
from pragma_model.training.data import ReaderPosition, SplitReader
from pragma_model.training.distributed import DistributedContext
from pragma_model.training.objective import value_loss
from pragma_model.training.settings import RunOptions, TrainSettings
from pragma_model.training.steps import Trainer, train_steps
from pragma_model.training.trainer import reproducible, train
from pragma_sql.formats.activity import ActivitySpec
from pragma_sql.formats.bundle import open_bundle
from pragma_sql.formats.errors import PragmaError
from pragma_sql.formats.packing import log_time
from pragma_sql.formats.paths import Home
from pragma_sql.formats.shards import Shards, open_shards

ALONE = DistributedContext(rank=0, count=1, device=torch.device("cpu"))
STEPS = 60
SETTINGS = TrainSettings(steps=STEPS, budget=512)


@pytest.fixture(scope="module")
def shards(tmp_path_factory: pytest.TempPathFactory) -> Shards:
    """Shoppers with habits; one of them has no event yet."""
    users = shoppers(200)
    return write_shards(
        tmp_path_factory.mktemp("dataset") / "shards",
        {"train": [*users[:160], User("new")], "validation": users[160:]},
    )


def losses(shards: Shards, settings: TrainSettings) -> list[float | None]:
    """The loss of each step, without validation and export."""
    with reproducible(settings.seed):
        model = PragmaModel(settings.model_size, VOCABULARY_SIZE)
        trainer = Trainer(model, settings, ALONE, RunOptions())
        reader = SplitReader(shards, "train", settings.budget)
        return [metrics.loss for metrics in train_steps(trainer, reader, RunState())]


# --- one whole run, through the command ---


@dataclass(frozen=True)
class Run:
    """What a run left behind."""

    told: dict[str, object]
    steps: list[StepMetrics]
    validation: Validation
    folder: Path


@pytest.fixture(scope="module")
def run(shards: Shards, tmp_path_factory: pytest.TempPathFactory) -> Run:
    home = Home(tmp_path_factory.mktemp("home"))
    app = typer.Typer()
    app.command()(train_command)
    options = f"--run first --steps {STEPS} --batch-tokens 512 --home {home.root} --json"
    result = CliRunner().invoke(app, [str(shards.path), *options.split()], catch_exceptions=False)
    *steps, last = map(json.loads, (home.runs / "first" / "metrics.jsonl").open())
    return Run(
        told=json.loads(result.stdout),
        steps=[StepMetrics(**line) for line in steps],
        validation=Validation(**last),
        folder=home.runs / "first",
    )


def test_training_lowers_the_loss(run: Run) -> None:
    curve = [metrics.loss for metrics in run.steps]
    assert len(curve) == STEPS
    assert np.mean(curve[-10:]) < 0.6 * np.mean(curve[:10])


def test_the_model_beats_the_majority_of_each_key_on_users_it_has_not_seen(run: Run) -> None:
    assert run.validation.accuracy > run.validation.baseline_accuracy + 0.2
    assert set(run.validation.key_accuracy) == {"source", "shop", "amount"}


def test_a_step_counts_tokens_and_events(run: Run) -> None:
    # Shoppers have three values an event.
    for metrics in run.steps:
        assert metrics.tokens_per_s == pytest.approx(3 * metrics.events_per_s)


def test_a_step_and_the_validation_tell_of_each_kind_of_mask_and_each_field(run: Run) -> None:
    for metrics in (*run.steps, run.validation):
        assert set(metrics.by_field) <= {"source", "shop", "amount"}
        for parts in (metrics.by_mask, metrics.by_field):
            found = [Found(**part) for part in parts.values()]  # type: ignore[arg-type]
            values = [part.values for part in found]
            mean = np.average([part.loss for part in found], weights=values)
            assert mean == pytest.approx(metrics.loss, abs=2e-4)
            share = np.average([part.accuracy for part in found], weights=values)
            assert share == pytest.approx(metrics.accuracy, abs=2e-4)
    assert list(run.validation.by_mask) == ["token", "key", "event"]


def test_the_bundle_says_what_the_model_is_and_how_good(run: Run, shards: Shards) -> None:
    manifest = open_bundle(run.folder / "bundle").manifest
    assert manifest.tokenizer_hash == shards.manifest.tokenizer_hash
    assert manifest.trained_until == shards.manifest.as_of
    width = manifest.activity.width if manifest.activity else 0
    assert manifest.readout == "user,state,hinges"
    assert (manifest.size, manifest.embedding_size) == ("nano", 64 + 4 * width)
    assert manifest.metrics["validation_accuracy"] == run.validation.accuracy
    assert manifest.metrics["validation_bigram_accuracy"] == run.validation.bigram_accuracy
    assert manifest.metrics["onnx_max_abs_diff"] <= 1e-4
    assert manifest.settings["budget"] == 512


def test_the_summary_ends_with_the_next_command(run: Run) -> None:
    assert run.told["next"] == "pragma register first"
    assert run.told["bundle"] == str(run.folder / "bundle")
    assert run.told["tokens"] == sum(metrics.tokens for metrics in run.steps)


# --- it repeats itself ---


def test_two_runs_with_one_seed_give_identical_losses(shards: Shards) -> None:
    few = TrainSettings(steps=8, budget=512, seed=5, dropout=0.1)
    assert losses(shards, few) == losses(shards, few)


def test_another_seed_gives_other_losses(shards: Shards) -> None:
    one, other = (TrainSettings(steps=3, budget=512, seed=seed) for seed in (1, 2))
    assert losses(shards, one) != losses(shards, other)


def test_a_run_leaves_the_random_state_of_its_caller_alone(shards: Shards) -> None:
    torch.manual_seed(11)
    expected = torch.rand(3)
    torch.manual_seed(11)
    losses(shards, TrainSettings(steps=1, budget=512))
    assert torch.equal(torch.rand(3), expected)


# --- batches ---


def reader_of(tmp_path: Path, users: list[User], budget: int, window: int | None) -> SplitReader:
    return SplitReader(write_shards(tmp_path / "s", {"train": users}), "train", budget, window)


def shop_user(name: str, events: int, milestone: int | None = None) -> User:
    """A daily event of one value; with [EVT] that makes two tokens."""
    days = [Event(CUT - day * DAY, [(SHOP, 20, 0)]) for day in range(events, 0, -1)]
    return User(name, days, [] if milestone is None else [Item([(SEGMENT, 11, 0)], milestone)])


def groups(reader: SplitReader, epoch: int) -> list[list[str]]:
    """The names of the users of each batch."""
    return [
        reader.cut(group.part, group.rows, np.random.default_rng(0)).histories.user_ids
        for group in reader.groups(0, ReaderPosition(epoch))
    ]


def test_an_epoch_sees_every_user_with_events_once(shards: Shards) -> None:
    reader = SplitReader(shards, "train", budget=512)
    seen = sorted(name for group in groups(reader, epoch=0) for name in group)
    assert seen == sorted(user.user_id for user in shoppers(200)[:160])


def test_epochs_group_users_anew(shards: Shards) -> None:
    reader = SplitReader(shards, "train", budget=512)
    first, second = ({frozenset(group) for group in groups(reader, epoch)} for epoch in (0, 1))
    assert first != second


@pytest.mark.parametrize("window", [None, 8])
def test_no_batch_is_over_the_budget(tmp_path: Path, window: int | None) -> None:
    # Long and short events in turn, so that windows of one user differ in size.
    tokens = [(TEXT, 30 + at, at) for at in range(20)]
    events = [
        Event(CUT - day * DAY, tokens[: 1 + 19 * (day % 20 > 10)]) for day in range(90, 0, -1)
    ]
    users = [*ragged_users(), *(User(f"uneven {n}", events) for n in range(5))]
    reader = reader_of(tmp_path, users, budget=128, window=window)
    for epoch in range(3):
        assert all(len(packed.event_tokens) <= 128 for packed in reader.epoch(0, epoch))


def test_a_user_over_the_budget_keeps_the_most_recent_events(tmp_path: Path) -> None:
    reader = reader_of(tmp_path, [shop_user("long", 100)], budget=64, window=None)
    (packed,) = reader.epoch(seed=0, epoch=0)
    daily = np.arange(31, -1, -1) * DAY
    np.testing.assert_allclose(packed.history_time[packed.event_slot], log_time(daily))


def test_a_window_is_as_long_as_asked_and_moves_from_epoch_to_epoch(tmp_path: Path) -> None:
    reader = reader_of(tmp_path, [shop_user("long", 100)], budget=512, window=10)
    part = reader.part(reader.files[0])
    ends = set()
    for epoch in range(5):
        cut = reader.cut(part, np.array([0]), np.random.default_rng(epoch))
        assert len(cut.histories.ts) == 10
        assert cut.histories.ts[-1] < cut.moments[0]
        ends.add(int(cut.histories.ts[-1]))
    assert len(ends) > 1


def test_a_history_shorter_than_the_window_is_read_whole(tmp_path: Path) -> None:
    reader = reader_of(tmp_path, [shop_user("short", 9)], budget=512, window=10)
    part = reader.part(reader.files[0])
    cut = reader.cut(part, np.array([0]), np.random.default_rng(0))
    assert len(cut.histories.ts) == 9
    assert cut.moments.tolist() == reader.shards.manifest.moments(1).tolist()


def test_a_window_knows_nothing_of_the_profile_after_its_moment(tmp_path: Path) -> None:
    yesterday = CUT - DAY + 1
    reader = reader_of(tmp_path, [shop_user("long", 100, milestone=yesterday)], 512, window=10)
    part = reader.part(reader.files[0])
    seen = [reader.cut(part, np.array([0]), np.random.default_rng(epoch)) for epoch in range(40)]
    for cut in seen:
        assert len(cut.histories.item_ts) == (cut.moments[0] > yesterday * 1_000_000)
    assert {len(cut.histories.item_ts) for cut in seen} == {0, 1}


def test_with_activity_a_moment_lies_in_the_gap_before_the_next_event(tmp_path: Path) -> None:
    spec = ActivitySpec((DAY,), (DAY,), (), 6500)
    reader = replace(reader_of(tmp_path, [shop_user("long", 100)], 512, window=10), spec=spec)
    part = reader.part(reader.files[0])
    waited = []
    for epoch in range(40):
        cut = reader.cut(part, np.array([0]), np.random.default_rng(epoch))
        assert len(cut.histories.ts) == 10
        waited.append(int(cut.moments[0] - cut.histories.ts[-1]) / (DAY * 1_000_000))
    assert 0 < min(waited) < 0.3 < 0.7 < max(waited) <= 1.0


# --- the loss ---


def test_the_loss_and_its_gradients_are_those_of_cross_entropy(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    torch.manual_seed(0)
    guesses = torch.randn(70, 16, dtype=torch.float64, requires_grad=True)
    table = torch.randn(90, 16, dtype=torch.float64, requires_grad=True)
    values = torch.randint(90, (70,))
    expected = F.cross_entropy(guesses @ table.T, values, label_smoothing=0.1)
    monkeypatch.setattr(
        "pragma_model.training.objective.CHUNK_SCORES", 90 * 16
    )  # five chunks, the last smaller
    found = value_loss(guesses, table, values, smoothing=0.1)
    torch.testing.assert_close(found.loss, expected)
    for one, other in zip(
        torch.autograd.grad(3 * found.loss, (guesses, table)),
        torch.autograd.grad(3 * expected, (guesses, table)),
        strict=True,
    ):
        torch.testing.assert_close(one, other)
    assert torch.equal(found.correct, (guesses @ table.T).argmax(1) == values)
    each = F.cross_entropy(guesses @ table.T, values, label_smoothing=0.1, reduction="none")
    torch.testing.assert_close(found.losses, each)


def test_a_batch_in_which_nothing_is_hidden_has_no_loss() -> None:
    found = value_loss(torch.zeros(0, 4), torch.ones(9, 4), torch.zeros(0, dtype=torch.int64), 0.1)
    assert found.loss == 0


# --- refusals ---


def test_a_used_name_is_refused(run: Run, shards: Shards) -> None:
    home = Home(run.folder.parent.parent)
    with pytest.raises(PragmaError, match=r"(?s)run 'first' exists.*--overwrite"):
        train(shards, SETTINGS, home, "first")


@pytest.mark.parametrize("name", ["", "../up", ".hidden", "a b"])
def test_a_name_that_is_no_folder_of_its_own_is_refused(
    shards: Shards, tmp_path: Path, name: str
) -> None:
    with pytest.raises(PragmaError, match="cannot name a run"):
        train(shards, SETTINGS, Home(tmp_path), name)


def test_shards_with_a_changed_byte_are_refused(tmp_path: Path) -> None:
    shards = write_shards(tmp_path / "s", {"train": shoppers(3)})
    file = shards.path / "train-00000.arrow"
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)
    with pytest.raises(PragmaError, match="content differs from its manifest"):
        open_shards(shards.path)


def test_shards_without_any_event_to_train_on_are_refused(tmp_path: Path) -> None:
    shards = write_shards(tmp_path / "s", {"train": [User("new")]})
    with pytest.raises(PragmaError, match="no user of split 'train' has an event"):
        train(shards, SETTINGS, Home(tmp_path), "a")


def test_a_token_beyond_the_vocabulary_is_refused(tmp_path: Path) -> None:
    stranger = User("a", [Event(CUT - DAY, [(SHOP, VOCABULARY_SIZE, 0)])])
    shards = write_shards(tmp_path / "s", {"train": [stranger]})
    with pytest.raises(PragmaError, match=r"token id 50 in split 'train'.*holds 50"):
        train(shards, SETTINGS, Home(tmp_path), "a")


def test_an_attention_kernel_that_does_not_run_here_is_refused(
    shards: Shards, tmp_path: Path
) -> None:
    with pytest.raises(PragmaError, match=r"(?s)no attention kernel 'fast'.*one of auto"):
        train(shards, replace(SETTINGS, attention="fast"), Home(tmp_path), "a")
    assert not list(tmp_path.iterdir()), "no run was begun"


def test_a_forced_kernel_gives_the_losses_of_the_chosen_one(shards: Shards) -> None:
    short = replace(SETTINGS, steps=3)
    reader = SplitReader(shards, "train", short.budget)
    curves = []
    for kernel in (Kernel.AUTO, Kernel.PADDED):
        with reproducible(0):
            model = PragmaModel(short.model_size, VOCABULARY_SIZE)
            model.attend_with(kernel)
            trainer = Trainer(model, short, ALONE, RunOptions())
            curves.append([metrics.loss for metrics in train_steps(trainer, reader, RunState())])
    assert curves[0] == pytest.approx(curves[1], abs=1e-3)


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("steps", 0),
        ("budget", 63),
        ("window", 0),
        ("seed", -1),
        ("learning_rate", 0.0),
        ("dropout", 1.0),
    ],
)
def test_a_setting_out_of_range_is_refused_by_name(setting: str, value: float) -> None:
    with pytest.raises(PragmaError, match=rf"{setting} is {value}"):
        replace(SETTINGS, **{setting: value})  # type: ignore[arg-type]


def test_without_torch_the_command_names_the_extra_to_install() -> None:
    script = (
        "import sys; sys.modules['torch'] = None\n"
        "import typer; from pragma_model.commands import train\n"
        "app = typer.Typer(); app.command()(train); app(['shards'])"
    )
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert "pragma train needs torch" in result.stderr
    assert "pip install 'pragma-sql[train]'" in result.stderr


# --- what a person sees ---


def step_metrics(step: int, seconds: float) -> StepMetrics:
    return StepMetrics(
        step=step,
        epoch=0,
        loss=2.5,
        accuracy=0.25,
        tokens=900,
        events=90,
        padding=0.0,
        learning_rate=1e-3,
        tokens_per_s=1000.0,
        seconds=seconds,
    )


def test_outside_a_terminal_a_line_comes_every_half_minute_and_at_the_end() -> None:
    out = io.StringIO()
    lines = Lines(steps=30, console=Console(file=out))
    for step in range(1, 31):
        lines.step(step_metrics(step, seconds=step * 3.0))
    shown = [line.split()[1] for line in out.getvalue().splitlines()]
    assert shown == ["1/30", "11/30", "21/30", "30/30"]


def test_in_a_terminal_a_bar_shows_loss_accuracy_speed_and_what_follows_training() -> None:
    out = io.StringIO()
    terminal = Console(file=out, force_terminal=True, width=120)
    with progress(30, terminal) as listener:
        listener.step(step_metrics(15, seconds=15.0))
        listener.stage("validate")
    for shown in ("15/30", "loss 2.500", "accuracy 25.0%", "1,000 tokens/s", "validate"):
        assert shown in re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", out.getvalue())
