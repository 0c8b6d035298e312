"""What a run is not told is sized by shards and device, and computed as the hardware can."""

from __future__ import annotations

import json
from dataclasses import asdict, replace

import pytest
import torch
from histories_fixture import VOCABULARY_SIZE, shoppers, write_shards

from pragma_model.model.model import PragmaModel
from pragma_model.runs.metrics import RunState
from pragma_model.training import sizing
from pragma_model.training.data import SplitReader
from pragma_model.training.distributed import DistributedContext
from pragma_model.training.settings import RunOptions, TrainSettings
from pragma_model.training.sizing import best_precision, resolve_settings
from pragma_model.training.steps import Trainer, train_steps
from pragma_model.training.trainer import reproducible
from pragma_sql.formats.shards import Shards

ALONE = DistributedContext(rank=0, count=1, device=torch.device("cpu"))
FEW = TrainSettings(steps=4, budget=256)
GB = 10**9


@pytest.fixture(scope="module")
def shards(tmp_path_factory: pytest.TempPathFactory) -> Shards:
    return write_shards(tmp_path_factory.mktemp("dataset") / "shards", {"train": shoppers(60)})


def losses(shards: Shards, settings: TrainSettings, options: RunOptions) -> list[float | None]:
    with reproducible(settings.seed):
        model = PragmaModel(settings.model_size, VOCABULARY_SIZE)
        trainer = Trainer(model, settings, ALONE, options)
        reader = SplitReader(shards, "train", settings.budget, settings.window)
        steps = train_steps(trainer, reader, RunState(), readers=options.readers)
        return [metrics.loss for metrics in steps]


# --- the same losses, however they are computed ---


@pytest.mark.parametrize(
    "options", [RunOptions(readers=0), RunOptions(readers=3), RunOptions(recompute=True)], ids=str
)
def test_how_a_run_goes_about_it_does_not_change_its_losses(
    shards: Shards, options: RunOptions
) -> None:
    settings = replace(FEW, dropout=0.1)
    assert losses(shards, settings, options) == losses(shards, settings, RunOptions())


def test_two_batches_a_step_have_the_loss_of_both(shards: Shards) -> None:
    # Before anything is learnt, the first steps of one run are the first step of the other.
    still = replace(FEW, learning_rate=1e-9, muon_learning_rate=1e-9, steps=2)
    one, two = losses(shards, still, RunOptions())
    both = losses(shards, replace(still, steps=1, accumulation=2), RunOptions())
    assert one is not None
    assert two is not None
    assert both[0] == pytest.approx((one + two) / 2, rel=0.1)


def test_in_bfloat16_a_run_learns_alike(shards: Shards) -> None:
    full, half = (losses(shards, replace(FEW, precision=p), RunOptions()) for p in ("fp32", "bf16"))
    assert half != full
    assert half == pytest.approx(full, rel=0.03)


# --- sizes ---


def auto(
    shards: Shards, monkeypatch: pytest.MonkeyPatch, free: int, **given: object
) -> dict[str, object]:
    monkeypatch.setattr(sizing, "free_memory", lambda: free)
    settings, reasons = resolve_settings(given, shards, None, auto=True)
    assert len(reasons) == 5 - len(given.keys() - {"size"})
    return settings.flat()


def test_less_memory_gives_smaller_batches_and_more_of_them(
    shards: Shards, monkeypatch: pytest.MonkeyPatch
) -> None:
    roomy = auto(shards, monkeypatch, 200 * GB, size="small")
    tight = auto(shards, monkeypatch, 2 * GB, size="small")
    assert (roomy["budget"], roomy["accumulation"]) == (16_384, 1)
    assert (tight["budget"], tight["accumulation"]) == (4_096, 4)


def test_what_is_given_is_not_sized(shards: Shards, monkeypatch: pytest.MonkeyPatch) -> None:
    sized = auto(shards, monkeypatch, 200 * GB, budget=1_024, steps=70)
    assert (sized["budget"], sized["steps"], sized["accumulation"]) == (1_024, 70, 16)


def test_steps_grow_with_the_shards_and_the_warm_up_has_an_end(
    shards: Shards, monkeypatch: pytest.MonkeyPatch
) -> None:
    few = auto(shards, monkeypatch, 200 * GB)
    (file,) = shards.manifest.shards
    large = replace(shards.manifest, shards=(replace(file, tokens=10**9),))
    many = auto(replace(shards, manifest=large), monkeypatch, 200 * GB)
    assert (few["steps"], few["warm_up"]) == (200, 0.1)
    assert many["steps"] == round(4 * 10**9 / 16_384)
    assert many["warm_up"] == pytest.approx(500 / many["steps"], abs=1e-6)


def test_windows_are_as_long_as_leaves_many_users_a_step(
    shards: Shards, monkeypatch: pytest.MonkeyPatch
) -> None:
    (file,) = shards.manifest.shards

    def window(tokens_an_event: int) -> object:
        counted = replace(file, events=1_000, tokens=1_000 * tokens_an_event)
        dataset = replace(shards, manifest=replace(shards.manifest, shards=(counted,)))
        return auto(dataset, monkeypatch, 200 * GB)["window"]

    # A step of 16,384 tokens has 1,024 for each of 16 users; an event's marker is a token too.
    assert (window(7), window(3)) == (128, 256)
    assert window(100) == TrainSettings().window


def test_batches_are_shared_evenly_by_the_processes_of_torchrun(
    shards: Shards, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WORLD_SIZE", "3")
    assert auto(shards, monkeypatch, 2 * GB, size="small")["accumulation"] == 6
    settings, _ = resolve_settings({}, shards, None, auto=False)
    assert settings.accumulation == 3


def test_bfloat16_is_chosen_only_where_the_hardware_has_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    for able, chosen in (({"avx512_bf16": True}, "bf16"), ({"avx512_f": True}, "fp32")):
        monkeypatch.setattr(torch.cpu, "get_capabilities", lambda able=able: able)
        assert best_precision() == chosen


def test_the_settings_of_a_run_survive_json() -> None:

    settings = TrainSettings(size="small", warm_up=0.25, accumulation=3)
    assert TrainSettings.from_json(json.loads(json.dumps(asdict(settings)))) == settings
