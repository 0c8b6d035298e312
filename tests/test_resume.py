"""A run that is killed, stopped or starved goes on as if nothing had happened, or says why not."""

from __future__ import annotations

import json
import random
import shutil
import signal
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
import typer
from histories_fixture import CUT, DAY, SHOP, Event, User, shopper_shards, shoppers, write_shards
from training import command, ended, finished, lines, started, wait_until
from typer.testing import CliRunner

from pragma_model.runs.metrics import ProgressListener, StepMetrics
from pragma_model.training import objective as reconstruction
from pragma_model.training.checkpoint import begun_settings
from pragma_model.training.settings import RunOptions, TrainSettings
from pragma_model.training.trainer import train
from pragma_sql.formats.bundle import open_bundle
from pragma_sql.formats.errors import PragmaError
from pragma_sql.formats.paths import Home
from pragma_sql.formats.shards import Shards, open_shards

pytestmark = pytest.mark.long

STEPS = 30
FEW = ("--steps", str(STEPS), "--batch-tokens", "128", "--dropout", "0.1", "--run", "a")
OFTEN = ("--checkpoint-minutes", "0")
STEPS_ONLY = "--no-bundle"


@pytest.fixture(scope="module")
def shards(tmp_path_factory: pytest.TempPathFactory) -> Shards:
    """Few shoppers: thirty steps of the smallest batches are several epochs."""
    return shopper_shards(tmp_path_factory.mktemp("dataset") / "shards", 40, train=32)


@pytest.fixture(scope="module")
def unbroken(shards: Shards, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a run that nothing happened to."""
    home = Home(tmp_path_factory.mktemp("unbroken"))
    finished(command(shards, home, *FEW, STEPS_ONLY))
    return home.runs / "a"


def test_a_killed_run_resumes_with_the_losses_of_an_unbroken_one_bit_for_bit(
    shards: Shards, unbroken: Path, tmp_path: Path
) -> None:
    home, folder = Home(tmp_path), tmp_path / "runs" / "a"
    process = started(command(shards, home, *FEW, *OFTEN, STEPS_ONLY))
    step = random.randint(8, STEPS - 5)
    wait_until(lambda: len(lines(folder)) >= step, process)
    process.kill()
    process.communicate()
    finished(command(shards, home, *FEW, STEPS_ONLY, "--resume"))
    assert lines(folder) == lines(unbroken), f"killed at step {step}"
    last = f"checkpoints/step-{STEPS:08}/model.safetensors"
    same = [(f / last).read_bytes() for f in (folder, unbroken)]
    assert same[0] == same[1]


@pytest.mark.parametrize(
    "number", [pytest.param(signal.SIGINT, marks=pytest.mark.slow), signal.SIGTERM]
)
def test_a_run_that_is_asked_to_stop_saves_and_says_how_to_go_on(
    shards: Shards, unbroken: Path, tmp_path: Path, number: signal.Signals
) -> None:
    home, folder = Home(tmp_path), tmp_path / "runs" / "a"
    process = started(command(shards, home, *FEW))
    wait_until(lambda: len(lines(folder)) >= 1, process)
    process.send_signal(number)
    code, said = ended(process)
    assert code == 128 + number
    assert "run 'a' was stopped after step" in said
    assert "--resume" in said
    assert json.loads((folder / "run.json").read_text())["state"] == "stopped"
    assert not (folder / "bundle").exists()
    if number == signal.SIGTERM:  # resumes as the other does
        return
    finished(command(shards, home, "--run", "a", "--resume", STEPS_ONLY))
    assert lines(folder) == lines(unbroken), "settings that are not given are as they were"


class StopAfter(ProgressListener):
    """Ends a run from within, as a fault of the machine would."""

    def __init__(self, step: int) -> None:
        self.last = step
        self.warnings: list[str] = []

    def step(self, metrics: StepMetrics) -> None:
        if metrics.step == self.last:
            raise RuntimeError("the power went")

    def warn(self, message: str) -> None:
        self.warnings.append(message)


def run_to_the_last_step(
    shards: Shards, home: Home, options: RunOptions, listener: StopAfter
) -> None:
    """Without validation and export, which take longer than the steps."""
    with pytest.raises(RuntimeError, match="the power went"):
        train(shards, SETTINGS, home, "a", options, listener)


SETTINGS = TrainSettings(steps=6, budget=128, dropout=0.1)
EVERY_STEP = RunOptions(checkpoint_minutes=0)
RESUMED = replace(EVERY_STEP, resume=True)


@pytest.fixture
def halted(shards: Shards, tmp_path: Path) -> Home:
    """A run of six steps that ended in the fifth, with a checkpoint after each step."""
    home = Home(tmp_path / "halted")
    run_to_the_last_step(shards, home, EVERY_STEP, StopAfter(5))
    return home


def test_the_last_two_checkpoints_are_kept(halted: Home) -> None:
    kept = sorted(path.name for path in (halted.runs / "a" / "checkpoints").iterdir())
    assert kept == ["step-00000003", "step-00000004"]


def test_a_damaged_checkpoint_is_passed_over_for_the_one_before_it(
    halted: Home, shards: Shards, tmp_path: Path
) -> None:
    folder = halted.runs / "a"
    weights = folder / "checkpoints" / "step-00000004" / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-8])
    listener = StopAfter(6)
    run_to_the_last_step(shards, halted, RESUMED, listener)
    (warning,) = listener.warnings
    assert "step-00000004 is damaged" in warning
    run_to_the_last_step(shards, Home(tmp_path), EVERY_STEP, StopAfter(6))
    assert lines(folder) == lines(tmp_path / "runs" / "a")


def test_checkpoints_are_readable_without_unpickling(halted: Home) -> None:
    (path,) = (halted.runs / "a" / "checkpoints").glob("*4")
    assert sorted(file.name for file in path.iterdir()) == [
        "model.safetensors",
        "optimizer.safetensors",
        "state.json",
    ]


def other_dataset(folder: Path) -> Shards:
    return write_shards(folder, {"train": shoppers(20, seed=9)})


def rehashed(shards: Shards, folder: Path) -> Shards:
    """The same users under another tokenizer."""
    written = other_dataset(folder)
    manifest = folder / "manifest.json"
    manifest.write_text(manifest.read_text().replace("0" * 64, "f" * 64))
    return open_shards(written.path)


def test_a_run_does_not_go_on_with_another_tokenizer(
    halted: Home, shards: Shards, tmp_path: Path
) -> None:
    strange = rehashed(shards, tmp_path / "strange")
    with pytest.raises(PragmaError, match=r"(?s)begun with tokenizer 000.*of tokenizer fff.*next"):
        train(strange, SETTINGS, halted, "a", RESUMED)


def test_a_run_does_not_go_on_with_other_shards(
    halted: Home, shards: Shards, tmp_path: Path
) -> None:
    with pytest.raises(PragmaError, match="begun with other shards"):
        train(other_dataset(tmp_path / "other"), SETTINGS, halted, "a", RESUMED)


@pytest.mark.parametrize(("setting", "value"), [("size", "small"), ("budget", 256), ("seed", 1)])
def test_a_run_does_not_go_on_with_another_setting(
    halted: Home, shards: Shards, setting: str, value: object
) -> None:
    other = SETTINGS.having({setting: value})
    with pytest.raises(PragmaError, match=rf"begun with {setting} .*, not {value}"):
        train(shards, other, halted, "a", RESUMED)


# --- each advice works when it is followed ---


def trained(shards: Shards, home: Home, *options: str) -> PragmaError | None:
    """`pragma train` in this process; the error that it ends with."""
    from pragma_model.commands import train as train_command

    app = typer.Typer()
    app.command()(train_command)
    few = ("--steps", "6", "--batch-tokens", "128", "--validation-batches", "1", STEPS_ONLY)
    words = [str(shards.path), "--home", str(home.root), *few, *OFTEN, *options]
    ran = CliRunner().invoke(app, words)
    assert ran.exception is None or isinstance(ran.exception, PragmaError), ran.exception
    return ran.exception


def damage(run: Path, *steps: int) -> None:
    for step in steps:
        (run / "checkpoints" / f"step-{step:08}" / "state.json").write_text("{")


def test_where_every_checkpoint_is_damaged_the_advice_begins_anew(
    halted: Home, shards: Shards
) -> None:
    damage(halted.runs / "a", 3, 4)
    refused = trained(shards, halted, "--run", "a", "--resume")
    assert refused
    assert refused.what == "run 'a' has no good checkpoint"
    assert refused.next_step == "the same command with --overwrite instead of --resume"
    assert trained(shards, halted, "--run", "a", "--overwrite") is None


def test_where_a_run_ended_before_its_first_checkpoint_the_advice_begins_anew(
    halted: Home, shards: Shards
) -> None:
    shutil.rmtree(halted.runs / "a" / "checkpoints")
    refused = trained(shards, halted, "--run", "a")
    assert refused
    assert refused.next_step == "another --run, or --overwrite"
    refused = trained(shards, halted, "--run", "a", "--resume")
    assert refused
    assert refused.next_step == "the same command with --overwrite instead of --resume"
    assert trained(shards, halted, "--run", "b") is None


def test_a_misspelt_run_is_named_with_the_one_that_is_meant(halted: Home, shards: Shards) -> None:
    (halted.runs / "a").rename(halted.runs / "monthly")
    refused = trained(shards, halted, "--run", "montly", "--resume")
    assert refused
    assert "there is no run 'montly'" in refused.what
    meant, _, other = refused.next_step.partition(", or ")
    assert meant == "--run monthly --resume"
    assert trained(shards, halted, *meant.split()) is None
    assert other == "leave out --resume to begin 'montly'"
    assert trained(shards, halted, "--run", "montly") is None


def test_only_a_checkpoint_that_has_one_before_it_is_said_to_be_passed_over(
    halted: Home, shards: Shards
) -> None:
    damage(halted.runs / "a", 3, 4)
    listener = StopAfter(6)
    with pytest.raises(PragmaError, match="no good checkpoint"):
        train(shards, SETTINGS, halted, "a", RESUMED, listener)
    assert ["the one before it is used" in warning for warning in listener.warnings] == [
        True,
        False,
    ]


def test_there_is_nothing_to_resume_where_there_is_no_run(shards: Shards, tmp_path: Path) -> None:
    with pytest.raises(PragmaError, match=r"no run 'b'"):
        train(shards, SETTINGS, Home(tmp_path), "b", RESUMED)


@pytest.mark.slow
def test_a_run_that_left_out_its_bundle_writes_it_when_resumed_and_is_finished_then(
    shards: Shards, tmp_path: Path
) -> None:
    home = Home(tmp_path)
    done = train(shards, SETTINGS, home, "a", RunOptions(bundle=False))
    assert done is not None
    assert done.bundle is None
    assert done.next_step.startswith("pragma train SHARDS --run a --resume")
    steps = lines(home.runs / "a")
    assert not (home.runs / "a" / "bundle").exists()
    resumed = train(shards, SETTINGS, home, "a", RESUMED)
    assert resumed is not None
    assert resumed.bundle == open_bundle(home.runs / "a" / "bundle")
    assert lines(home.runs / "a") == steps
    with pytest.raises(PragmaError, match=r"(?s)run 'a' is finished.*pragma register a"):
        train(shards, SETTINGS, home, "a", RESUMED)


@pytest.mark.slow
def test_a_finished_run_is_resumed_for_an_embedding_of_other_states(
    shards: Shards, tmp_path: Path
) -> None:
    home = Home(tmp_path)
    train(shards, SETTINGS, home, "a", EVERY_STEP)
    both = open_bundle(home.runs / "a" / "bundle").manifest
    settings = begun_settings(home.runs / "a")
    done = train(shards, settings, home, "a", replace(RESUMED, readout="user"))
    assert done is not None
    assert done.bundle is not None
    assert done.bundle.manifest.embedding_size == both.embedding_size // 2
    assert done.bundle.manifest.files["model.safetensors"] == both.files["model.safetensors"]
    with pytest.raises(PragmaError, match="is finished"):
        train(shards, settings, home, "a", RESUMED)


def test_a_run_begun_anew_keeps_nothing_of_the_old_one(halted: Home, shards: Shards) -> None:
    run_to_the_last_step(shards, halted, RunOptions(overwrite=True), StopAfter(6))
    steps = [line["step"] for line in lines(halted.runs / "a") if "epoch" in line]
    assert steps == list(range(1, 7))


# --- losses that are no numbers ---


def test_a_step_without_a_finite_loss_is_skipped_and_its_batch_kept(
    shards: Shards, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    poisoned_in(monkeypatch, {3})
    run_to_the_last_step(shards, Home(tmp_path), EVERY_STEP, StopAfter(6))
    skipped = [line["step"] for line in lines(tmp_path / "runs" / "a") if line.get("skipped")]
    assert skipped == [3]
    assert "NaN" not in (tmp_path / "runs" / "a" / "metrics.jsonl").read_text(), "no JSON"
    (batch,) = (tmp_path / "runs" / "a" / "bad_batches").iterdir()
    assert batch.name == "step-00000003-0-0.safetensors"


def test_after_fifty_bad_steps_in_a_row_a_run_stops(
    shards: Shards, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    poisoned_in(monkeypatch, set(range(3, 999)))
    with pytest.raises(PragmaError, match=r"(?s)50 steps in a row.*step 52.*--learning-rate"):
        train(shards, replace(SETTINGS, steps=80, budget=1024), Home(tmp_path), "a")


def poisoned_in(monkeypatch: pytest.MonkeyPatch, calls: set[int]) -> None:
    """Make what the loss is taken of infinite in these calls."""
    whole: Callable[..., object] = reconstruction.value_loss
    made = 0

    def poisoned(guesses: torch.Tensor, *rest: object) -> object:
        nonlocal made
        made += 1
        return whole(guesses * float("inf") if made in calls else guesses, *rest)

    monkeypatch.setattr(reconstruction, "value_loss", poisoned)


# --- neither memory nor disk ---


@pytest.mark.slow
def test_a_run_out_of_memory_names_the_setting_to_lower(tmp_path: Path) -> None:
    events = [Event(CUT - day * DAY, [(SHOP, 20 + at % 10, at) for at in range(24)])
              for day in range(400, 0, -1)]  # fmt: skip
    users = [User(f"user {number}", events) for number in range(40)]
    shards = write_shards(tmp_path / "s", {"train": users})
    starve = (
        "import resource, torch, pragma_model.training.trainer\n"
        "used = int(open('/proc/self/statm').read().split()[0]) * resource.getpagesize()\n"
        "resource.setrlimit(resource.RLIMIT_AS, (used + 2_000_000_000,) * 2)"
    )
    words = ("--batch-tokens", "200000", "--window", "400", "--size", "small", "--steps", "2")
    code, said = ended(started(command(shards, Home(tmp_path), *words, before=starve)))
    assert code == 1
    assert "out of memory with 200,000 tokens a batch at size small" in said
    assert "--overwrite --batch-tokens 100000 --grad-accum 2" in said


@pytest.mark.slow
def test_a_full_disk_while_saving_leaves_the_last_good_checkpoint_and_the_run_alive(
    shards: Shards, tmp_path: Path
) -> None:
    # A limit on the size of files fails a write half way, as a full disk does.
    fill = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (200_000,) * 2)"
    home, folder = Home(tmp_path), tmp_path / "runs" / "a"
    code, said = ended(started(command(shards, home, *FEW, *OFTEN, before=fill)))
    assert code == 1
    assert len(lines(folder)) >= STEPS, "the run went on to its last step"
    assert "no room for a checkpoint of step 1 " in said
    assert "no room on the disk" in said, "and the bundle could not be written"
    assert "make room, then the same command with --overwrite" in said
    assert list((folder / "checkpoints").iterdir()) == []
