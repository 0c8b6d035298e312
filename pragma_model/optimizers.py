"""Muon for the matrices of the encoders, AdamW for the rest, one schedule for both."""

from __future__ import annotations

import math
from functools import partial

from torch import nn
from torch.optim import AdamW
from torch.optim.lr_scheduler import LambdaLR

from pragma_model.model import PragmaModel
from pragma_model.muon import BatchedMuon
from pragma_model.settings import TrainSettings


class Optimizers:
    """Both optimizers of a run as one."""

    def __init__(self, model: PragmaModel, settings: TrainSettings) -> None:
        # Muon is for maps from hidden to hidden states, and those are the encoders' matrices.
        encoders = (model.event_encoder, model.profile_encoder, model.history_encoder)
        hidden = [p for encoder in encoders for p in encoder.parameters() if p.ndim == 2]
        chosen = set(map(id, hidden))
        rest = [p for p in model.parameters() if id(p) not in chosen]

        size, decay = model.size, settings.weight_decay
        self._muon = BatchedMuon(hidden, lr=size.muon_learning_rate, weight_decay=decay)
        self._adamw = AdamW(rest, lr=size.learning_rate, weight_decay=decay, fused=True)
        share = partial(schedule, steps=settings.steps, warm_up=settings.warm_up)
        self._schedules = [LambdaLR(optimizer, share) for optimizer in (self._muon, self._adamw)]
        self._parameters = [*hidden, *rest]
        self._clip = settings.clip

    def step(self) -> float:
        """Clip the gradients, step with them, and clear them.

        Returns:
            The learning rate of AdamW in this step.
        """
        nn.utils.clip_grad_norm_(self._parameters, self._clip)
        learning_rate = float(self._adamw.param_groups[0]["lr"])
        self._muon.step()
        self._adamw.step()
        self._muon.zero_grad()
        self._adamw.zero_grad()
        for rates in self._schedules:
            rates.step()
        return learning_rate


def schedule(step: int, steps: int, warm_up: float) -> float:
    """Share of the peak rate in step 0 to `steps - 1`: a line up, then half a cosine down.

    >>> [round(schedule(step, steps=8, warm_up=0.25), 2) for step in range(8)]
    [0.5, 1.0, 0.95, 0.81, 0.61, 0.39, 0.19, 0.05]
    """
    rising = max(1, round(steps * warm_up))
    if step < rising:
        return (step + 1) / rising
    return 0.5 + 0.5 * math.cos(math.pi * (step + 1 - rising) / (steps - rising + 1))
