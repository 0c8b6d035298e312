"""Two processes train like one, and when one dies the others stop and can go on."""

from __future__ import annotations

import signal
from collections.abc import Mapping
from pathlib import Path
from typing import cast

import psutil
import pytest
from histories_fixture import shopper_shards
from training import command, ended, finished, lines, started, wait_until

from pragma_model.runs.metrics import RunState
from pragma_model.training.data import ReaderPosition, SplitReader
from pragma_model.training.settings import TrainSettings
from pragma_model.training.steps import plans_of
from pragma_sql.formats.paths import Home
from pragma_sql.formats.shards import Shards

pytestmark = pytest.mark.long

# On a CPU with bfloat16 units, `--precision auto` would round the curves that are compared.
FEW = (
    *("--steps", "12", "--batch-tokens", "256", "--dropout", "0.1", "--run", "a"),
    *("--precision", "fp32"),
)
FOUR = ("--grad-accum", "4")


@pytest.fixture(scope="module")
def shards(tmp_path_factory: pytest.TempPathFactory) -> Shards:
    return shopper_shards(tmp_path_factory.mktemp("dataset") / "shards", 60, train=50)


@pytest.fixture(scope="module")
def alone(shards: Shards, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a run of one process, of four batches a step."""
    home = Home(tmp_path_factory.mktemp("alone"))
    finished(command(shards, home, *FEW, *FOUR, "--no-bundle"))
    return home.runs / "a"


Parts = Mapping[str, Mapping[str, float]]


def same_curve(one: Path, other: Path) -> None:
    """Sums are taken in another order, and Muon, in bfloat16, turns their last digits up."""
    first, second = ([x for x in lines(f) if "epoch" in x] for f in (one, other))
    assert len(first) == len(second) == 12
    for left, right in zip(first, second, strict=True):
        assert left.pop("loss") == pytest.approx(right.pop("loss"), rel=2e-3)
        assert left.pop("ahead_loss") == pytest.approx(right.pop("ahead_loss"), rel=2e-3)
        assert left.pop("accuracy") == pytest.approx(right.pop("accuracy"), abs=0.02)
        for parts in ("by_mask", "by_field"):
            same_parts(cast(Parts, left.pop(parts)), cast(Parts, right.pop(parts)))
        assert left == right


def same_parts(one: Parts, other: Parts) -> None:
    """The same values were hidden, and guessed about alike."""
    assert one.keys() == other.keys()
    for name, part in one.items():
        assert part["values"] == other[name]["values"]
        assert part["loss"] == pytest.approx(other[name]["loss"], rel=1e-2)
        assert part["accuracy"] == pytest.approx(other[name]["accuracy"], abs=0.1)


@pytest.mark.parametrize("parallel", ["ddp", pytest.param("fsdp", marks=pytest.mark.slow)])
def test_two_processes_have_the_losses_of_one_on_the_same_batches(
    shards: Shards, alone: Path, tmp_path: Path, parallel: str
) -> None:
    # Where each process holds a part of the model, the bundle has to be put together.
    bundle = [] if parallel == "fsdp" else ["--no-bundle"]
    words = (*FEW, *FOUR, "--parallel", parallel, *bundle)
    finished(command(shards, Home(tmp_path), *words, processes=2))
    folder = tmp_path / "runs" / "a"
    same_curve(alone, folder)
    assert (folder / "bundle" / "manifest.json").is_file() == (parallel == "fsdp")


PARTED = """
import gc, sys
import torch.distributed as dist
from torch.nn.parallel import DistributedDataParallel
from pragma_sql.cli import main

part = dist.destroy_process_group

def parted():
    models = [x for x in gc.get_objects() if isinstance(x, DistributedDataParallel)]
    print(f"parted with {len(models)} wrapped models", file=sys.stderr)
    part()

dist.destroy_process_group = parted
main()
"""


DISK_FULL = """
from pragma_model.training.checkpoint import Checkpointer

def step(*_):
    raise OSError(28, "No space left on device")

Checkpointer.step = step
"""


@pytest.mark.slow
@pytest.mark.parametrize(("trouble", "ends_well"), [("", True), (DISK_FULL, False)])
def test_processes_part_after_the_model_that_they_shared_is_gone(
    shards: Shards, tmp_path: Path, trouble: str, ends_well: bool
) -> None:
    """A process group that goes with such a model may wait forever for a thread of its own."""
    script = tmp_path / "parted.py"
    script.write_text(trouble + PARTED)
    words = command(shards, Home(tmp_path), *FEW, *FOUR, "--no-bundle", processes=2)
    module = words.index("-m", 3)
    code, said = ended(started([*words[:module], "--", str(script), *words[module + 3 :]]))
    assert (code == 0) == ends_well, said
    counts = [line for line in said.splitlines() if line.startswith("parted with")]
    # Where one fails, torchrun may stop the other before it parts.
    assert len(counts) == 2 if ends_well else counts, said
    assert set(counts) == {"parted with 0 wrapped models"}


@pytest.mark.slow
@pytest.mark.parametrize("parallel", ["ddp", "fsdp"])
def test_when_a_process_dies_all_stop_and_the_run_goes_on_from_its_checkpoint(
    shards: Shards, alone: Path, tmp_path: Path, parallel: str
) -> None:
    home, folder = Home(tmp_path), tmp_path / "runs" / "a"
    words = (*FEW, *FOUR, "--parallel", parallel)
    often = ("--checkpoint-minutes", "0")
    process = started(command(shards, home, *words, *often, processes=2))
    wait_until(lambda: len(lines(folder)) >= 3, process)
    workers = psutil.Process(process.pid).children()
    victim = next(w for w in workers if w.environ().get("RANK") == "1")
    victim.kill()
    code, _ = ended(process)
    assert code != 0
    assert not (folder / "bundle").exists()
    # What two processes began, one may end.
    finished(command(shards, home, "--run", "a", "--resume", "--no-bundle"))
    same_curve(alone, folder)


@pytest.mark.slow
def test_torchrun_that_is_asked_to_stop_leaves_a_checkpoint(shards: Shards, tmp_path: Path) -> None:
    home, folder = Home(tmp_path), tmp_path / "runs" / "a"
    process = started(command(shards, home, *FEW, *FOUR, "--steps", "4000", processes=2))
    wait_until(lambda: len(lines(folder)) >= 2, process)
    process.send_signal(signal.SIGTERM)
    code, said = ended(process)
    assert code != 0
    assert said.count("run 'a' was stopped after step") == 1, "one process talks"
    (checkpoint,) = (folder / "checkpoints").iterdir()
    assert int(checkpoint.name.removeprefix("step-")) == len(lines(folder))


def test_processes_share_the_groups_of_a_step_and_leave_none_out(shards: Shards) -> None:
    import torch

    from pragma_model.training.distributed import DistributedContext

    settings = TrainSettings(steps=3, budget=256, accumulation=4)
    reader = SplitReader(shards, "train", settings.budget, settings.window)

    def taken(rank: int, count: int) -> list[list[tuple[int, ReaderPosition]]]:
        processes = DistributedContext(rank, count, torch.device("cpu"))
        return [
            [(number, group.place) for number, group in plan.groups]
            for plan in plans_of(reader, settings, processes, RunState())
        ]

    whole, first, second = taken(0, 1), taken(0, 2), taken(1, 2)
    assert [sorted(a + b) for a, b in zip(first, second, strict=True)] == whole


@pytest.mark.slow
def test_batches_that_cannot_be_shared_evenly_are_refused(shards: Shards, tmp_path: Path) -> None:
    words = (*FEW, "--grad-accum", "3")
    code, said = ended(started(command(shards, Home(tmp_path), *words, processes=2)))
    assert code != 0
    assert "3 batches a step are not shared evenly by 2 processes" in said
    assert "--grad-accum 4" in said
