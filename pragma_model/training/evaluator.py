"""Evaluation on held-out users, while a run trains and at its end."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import cached_property

from torch import Tensor

from pragma_model.evaluation.baselines import Baselines, fit_baselines
from pragma_model.evaluation.linear_probe import LinearProbe
from pragma_model.evaluation.validation import validate
from pragma_model.model.model import PragmaModel
from pragma_model.runs.metrics import ProbeScore, Validation
from pragma_model.training.data import SplitReader
from pragma_model.training.distributed import DistributedContext
from pragma_model.training.optimizers import load_weights
from pragma_model.training.settings import RunOptions, TrainSettings
from pragma_sql.formats.shards import Shards


class Evaluator:
    """Validation and probe of one run, by the leading process."""

    def __init__(
        self,
        shards: Shards,
        model: PragmaModel,
        settings: TrainSettings,
        options: RunOptions,
        processes: DistributedContext,
    ) -> None:
        self._shards, self._settings, self._options = shards, settings, options
        self._model = model
        self._processes = processes
        self._reader = SplitReader(shards, "validation", settings.budget, spec=model.spec)
        self._probe = LinearProbe(shards, options.probe) if options.probe else None

    @cached_property
    def _baselines(self) -> Baselines:
        """The baselines, counted at their first use, so that training need not wait."""
        return fit_baselines(SplitReader(self._shards, "train", self._settings.budget))

    def evaluate(self, weights: dict[str, Tensor], step: int) -> Iterator[Validation | ProbeScore]:
        """The figures on held-out users after a step; only the leading process yields some.

        Args:
            weights: all weights after the step.
            step: the step, for the lines.
        """
        if not self._processes.is_rank_zero:
            return
        # A separate model, which is not sharded or compiled, and has no gradient hooks.
        model = self._model.alike()
        load_weights(model, weights)
        model.to(self._processes.device).eval()
        batches = self._options.validation_batches
        found = validate(model, self._reader, self._baselines, self._settings, batches)
        if found is not None:
            yield replace(found, step=step)
        if self._probe is not None:
            yield self._probe.score(model, self._settings.budget, step)
