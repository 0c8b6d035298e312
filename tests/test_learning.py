"""What a short training of one seed learns, pinned: a refactoring has to leave it where it is."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from histories_fixture import VOCABULARY_SIZE, shopper_shards

from pragma_model.model.model import PragmaModel
from pragma_model.runs.metrics import RunState
from pragma_model.training.data import SplitReader
from pragma_model.training.distributed import DistributedContext
from pragma_model.training.settings import RunOptions, TrainSettings
from pragma_model.training.steps import Trainer, train_steps
from pragma_model.training.trainer import reproducible

SETTINGS = TrainSettings(steps=20, budget=512, seed=0, objective="paper")
EXPECTED = {1: 9.6679, 5: 4.2209, 10: 3.1447, 20: 1.6031}
"""Loss after so many steps. Another CPU sums in another order, hence the tolerance; where a change
is meant to alter what is learnt, put the new figures here and say so in docs/LOG.md."""


def test_twenty_steps_of_one_seed_end_where_they_always_did(tmp_path: Path) -> None:
    shards = shopper_shards(tmp_path / "shards", 200, train=160)
    alone = DistributedContext(rank=0, count=1, device=torch.device("cpu"))
    reader = SplitReader(shards, "train", SETTINGS.budget, SETTINGS.window)
    with reproducible(SETTINGS.seed):
        model = PragmaModel(SETTINGS.model_size, VOCABULARY_SIZE)
        trainer = Trainer(model, SETTINGS, alone, RunOptions())
        curve = [metrics.loss for metrics in train_steps(trainer, reader, RunState())]
    found = {step: curve[step - 1] for step in EXPECTED}
    assert found == pytest.approx(EXPECTED, abs=2e-3)
