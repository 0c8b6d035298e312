"""Checkpoints of a run: folders that appear complete or not at all, and are checked before use.

    checkpoints/step-00000120/   model.safetensors  optimizer.safetensors  state.json

`state.json` holds the hashes of the other two files, so a folder with right hashes is good.
"""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass
from difflib import get_close_matches
from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from pragma_model.model.readout import parse_readout
from pragma_model.runs.log import RunLog
from pragma_model.runs.metrics import ProgressListener, RunState
from pragma_model.training.data import BEGINNING, ReaderPosition
from pragma_model.training.interrupts import NO_ROOM, StopRequest, as_os_error
from pragma_model.training.optimizers import load_weights, whole_weights
from pragma_model.training.settings import RunOptions, TrainSettings
from pragma_model.training.steps import Trainer
from pragma_sql.formats.bundle import read_manifest
from pragma_sql.formats.errors import PragmaError
from pragma_sql.formats.files import check_hashes, replaced_folder, sha256

FORMAT_VERSION = 1
MAX_CHECKPOINTS = 2
"""Checkpoints that are kept: the last one, and the one before in case the last is damaged."""

CHECKPOINTS = "checkpoints"
TENSORS = ("model.safetensors", "optimizer.safetensors")


@dataclass(frozen=True)
class Origin:
    """What a checkpoint and the run that resumes from it must have in common."""

    settings: TrainSettings
    tokenizer_hash: str
    vocabulary_size: int
    shards: str
    """Hash of the manifest of the shards."""
    text_encoder: str = ""
    """Name of the encoder for keys of kind `text_embed`; empty if there are none."""


@dataclass(frozen=True)
class Checkpoint:
    """A checkpoint whose hashes are right."""

    path: Path
    origin: Origin
    state: RunState


def save_checkpoint(folder: Path, trainer: Trainer, origin: Origin, state: RunState) -> None:
    """Write a checkpoint of a run; all processes must call this, and the leading one writes.

    Raises:
        OSError: it cannot be written; earlier checkpoints are unchanged.
    """
    weights = whole_weights(trainer.model)
    kept = {name: tensor.cpu() for name, tensor in trainer.optimizers.state()}
    if not trainer.processes.is_rank_zero:
        return
    target = folder / f"step-{state.step:08}"
    try:
        with replaced_folder(target) as draft:
            for name, tensors in zip(TENSORS, (weights, kept), strict=True):
                save_file(tensors, draft / name)
            content = {
                "format_version": FORMAT_VERSION,
                "origin": asdict(origin),
                "state": asdict(state),
                "files": {name: sha256(draft / name) for name in TENSORS},
            }
            (draft / "state.json").write_text(json.dumps(content, indent=2) + "\n")
            for path in (*draft.iterdir(), draft):
                _to_disk(path)
        _to_disk(folder)
    except SafetensorError as error:
        raise as_os_error(error) from error
    for path in _by_age(folder)[MAX_CHECKPOINTS:]:
        shutil.rmtree(path)


def resumable(run: Path, readout: str | None, warn: Callable[[str], None]) -> Checkpoint:
    """The newest good checkpoint of a run without a bundle of this readout.

    Raises:
        PragmaError: the run does not exist, has that bundle, or has no good checkpoint.
    """
    _check_there(run)
    bundle = run / "bundle"
    if bundle.is_dir() and (readout is None or _has_readout(bundle, readout)):
        raise PragmaError(f"run {run.name!r} is finished", f"pragma register {run.name}")
    checkpoints = _by_age(run / CHECKPOINTS)
    for path in checkpoints:
        try:
            return _read(path)
        except (PragmaError, OSError, ValueError, KeyError, TypeError) as error:
            then = "" if path == checkpoints[-1] else ", so the one before it is used"
            warn(f"{path.name} is damaged{then}: {error}".splitlines()[0])
    raise _nothing_to_resume(run)


def _has_readout(bundle: Path, readout: str) -> bool:
    return parse_readout(readout) == parse_readout(read_manifest(bundle).readout)


def next_attempt(run: Path) -> str:
    """The command that resumes a run which ended early."""
    option = "--resume" if _by_age(run / CHECKPOINTS) else "--overwrite"
    return f"the same command with {option}"


def _check_there(run: Path) -> None:
    if run.is_dir():
        return
    names = sorted(path.name for path in run.parent.glob("*") if path.is_dir())
    near = get_close_matches(run.name, names, n=1)
    raise PragmaError(
        f"there is no run {run.name!r} in {run.parent}",
        f"--run {near[0]} --resume, or leave out --resume to begin {run.name!r}"
        if near
        else f"leave out --resume to begin {run.name!r}",
    )


def _nothing_to_resume(run: Path) -> PragmaError:
    return PragmaError(
        f"run {run.name!r} has no good checkpoint",
        "the same command with --overwrite instead of --resume",
    )


def begun_settings(run: Path) -> TrainSettings:
    """The settings that a run started with, read from any of its checkpoints."""
    _check_there(run)
    for path in _by_age(run / CHECKPOINTS):
        with suppress(PragmaError, OSError, ValueError, KeyError, TypeError):
            content = json.loads((path / "state.json").read_text())
            return TrainSettings.from_json(content["origin"]["settings"])
    raise _nothing_to_resume(run)


def restore(checkpoint: Checkpoint, trainer: Trainer) -> None:
    """Load the weights and the optimizers' state of a checkpoint into a trainer."""
    weights, kept = (load_file(checkpoint.path / name) for name in TENSORS)
    load_weights(trainer.model, weights)
    trainer.optimizers.load(kept)


def check_origin(checkpoint: Checkpoint, origin: Origin, run: str) -> None:
    """Refuse to resume with anything but what the run started with."""
    begun = checkpoint.origin
    again = f"the shards and options that {run!r} was begun with, or another --run"
    if begun.tokenizer_hash != origin.tokenizer_hash:
        raise PragmaError(
            f"run {run!r} was begun with tokenizer {begun.tokenizer_hash[:12]}, and these shards "
            f"are of tokenizer {origin.tokenizer_hash[:12]}",
            again,
        )
    if name := begun.settings.first_difference(origin.settings):
        old, new = (vars(o.settings)[name] for o in (begun, origin))
        raise PragmaError(f"run {run!r} was begun with {name} {old}, not {new}", again)
    if begun.shards != origin.shards or begun.vocabulary_size != origin.vocabulary_size:
        raise PragmaError(f"run {run!r} was begun with other shards", again)


def _by_age(folder: Path) -> list[Path]:
    """The finished checkpoints, the newest first."""
    return sorted(folder.glob("step-*"), reverse=True)


def _read(path: Path) -> Checkpoint:
    content = json.loads((path / "state.json").read_text())
    if content["format_version"] != FORMAT_VERSION:
        raise PragmaError(f"{path}: format version {content['format_version']}")
    check_hashes(path, content["files"], "")
    origin = content["origin"]
    settings = TrainSettings.from_json(origin.pop("settings"))
    state = content["state"]
    place = ReaderPosition(*state.pop("place"))
    ahead = ReaderPosition(*state.pop("ahead_place", BEGINNING))
    state = RunState(place=place, ahead_place=ahead, **state)
    return Checkpoint(path, Origin(settings=settings, **origin), state)


def _to_disk(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


class Checkpointer:
    """Writes the checkpoints of one run."""

    def __init__(
        self,
        folder: Path,
        trainer: Trainer,
        origin: Origin,
        log: RunLog,
        options: RunOptions,
        listener: ProgressListener,
        saved_step: int,
    ) -> None:
        self.saved_step = saved_step
        """The step of the last good checkpoint; 0 if there is none."""
        self._folder, self._trainer, self._origin = folder / CHECKPOINTS, trainer, origin
        self._log, self._listener = log, listener
        self._seconds = 60.0 * options.checkpoint_minutes
        self._due = time.monotonic() + self._seconds

    def step(self, state: RunState, request: StopRequest) -> bool:
        """Save if a checkpoint is due; all processes must call this after each step.

        Returns:
            Whether any process was asked to stop.
        """
        processes = self._trainer.processes
        due = processes.is_rank_zero and time.monotonic() >= self._due
        asked, late = processes.all_reduce_sum([float(bool(request)), float(due)])
        if asked or late or state.step == self._trainer.settings.steps:
            self._save(state)
            self._due = time.monotonic() + self._seconds
        return bool(asked)

    def _save(self, state: RunState) -> None:
        state.metrics_bytes = self._log.to_disk()
        try:
            save_checkpoint(self._folder, self._trainer, self._origin, state)
        except OSError as error:
            # The run itself is fine: it continues, and tries again when the next checkpoint is due.
            if error.errno not in NO_ROOM:
                raise
            self._listener.warn(
                f"no room for a checkpoint of step {state.step} in {self._folder} "
                f"({error.strerror}); the last good one is of step {self.saved_step}"
            )
        else:
            self.saved_step = state.step
