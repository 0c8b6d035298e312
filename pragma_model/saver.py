"""When checkpoints are written: every few minutes, at the end, and when a run is asked to stop."""

from __future__ import annotations

import time
from pathlib import Path

from pragma_model.checkpoint import CHECKPOINTS, Origin, save_checkpoint
from pragma_model.failures import NO_ROOM
from pragma_model.metrics import RunState, Watch
from pragma_model.run_log import RunLog
from pragma_model.settings import RunOptions
from pragma_model.signals import StopRequest
from pragma_model.steps import Learner


class Saver:
    """Writes the checkpoints of one run."""

    def __init__(
        self,
        folder: Path,
        learner: Learner,
        origin: Origin,
        log: RunLog,
        options: RunOptions,
        watch: Watch,
        saved_step: int,
    ) -> None:
        self.saved_step = saved_step
        """The step of the last good checkpoint; 0 where there is none."""
        self._folder, self._learner, self._origin = folder / CHECKPOINTS, learner, origin
        self._log, self._watch = log, watch
        self._seconds = 60.0 * options.checkpoint_minutes
        self._due = time.monotonic() + self._seconds

    def step(self, state: RunState, request: StopRequest) -> bool:
        """Save if it is time; all processes have to come after each step.

        Returns:
            Whether any process was asked to stop.
        """
        processes = self._learner.processes
        due = processes.leads and time.monotonic() >= self._due
        asked, late = processes.total([float(bool(request)), float(due)])
        if asked or late or state.step == self._learner.settings.steps:
            self._save(state)
            self._due = time.monotonic() + self._seconds
        return bool(asked)

    def _save(self, state: RunState) -> None:
        state.metrics_bytes = self._log.to_disk()
        try:
            save_checkpoint(self._folder, self._learner, self._origin, state)
        except OSError as error:
            # The run itself is well: it goes on, and tries again when the next one is due.
            if error.errno not in NO_ROOM:
                raise
            self._watch.warn(
                f"no room for a checkpoint of step {state.step} in {self._folder} "
                f"({error.strerror}); the last good one is of step {self.saved_step}"
            )
        else:
            self.saved_step = state.step
