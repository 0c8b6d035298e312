"""The pre-training loss: hidden values by cross-entropy, hidden texts by squared error."""

from __future__ import annotations

import torch.nn.functional as F

from pragma_model.loss import ValueLoss, value_loss
from pragma_model.masking import Masked
from pragma_model.model import PragmaModel


def reconstruct(model: PragmaModel, masked: Masked, smoothing: float) -> ValueLoss:
    """One forward with its loss; with texts, their mean squared error is added to the mean.

    Args:
        model: to be trained, or in evaluation mode.
        masked: from `hide_values`.
        smoothing: see `value_loss`.
    """
    guesses = model(masked.batch, masked.all_targets).guesses
    values = len(masked.targets)
    found = value_loss(guesses[:values], model.embedding.table.weight, masked.values, smoothing)
    if masked.texts is None or not len(masked.texts):
        return found
    guessed = model.guess_text(guesses[values:])
    return found._replace(loss=found.loss + F.mse_loss(guessed.float(), masked.texts))
