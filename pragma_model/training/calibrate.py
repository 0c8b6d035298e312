"""Forecasts that hold on average: what was expected of held-out users, against what came.

The heads learn logarithms, whose exponential is too low on average, and see training users only.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from pragma_model.model.lookahead import LookAhead
from pragma_model.model.model import PragmaModel
from pragma_model.training.ahead import AheadReader
from pragma_model.training.ahead_loss import AheadBatch
from pragma_model.training.data import BEGINNING
from pragma_model.training.settings import TrainSettings
from pragma_sql.formats.activity import Wide, duration
from pragma_sql.formats.shards import Shards, Split

MOMENTS = 16
"""Moments of each held-out user."""

MAX_PAIRS = 20_000
"""Most users and moments that a calibration looks at."""

LEAST = 50
"""Fewest known windows of either kind, with and without events, that a slope is fitted to."""

MOST_FACTOR = 10.0
"""Most that an amount is multiplied or divided by: beyond, its sum is an accident."""


@dataclass(frozen=True)
class Outcomes:
    """States of [USR] of held-out users and moments, and what came after."""

    users: Tensor  # [n, D]
    counts: Wide  # [n, W]
    amounts: Wide  # [n, G], not logarithms
    known: Wide  # [n, W] 1 or 0


def calibrate(model: PragmaModel, shards: Shards, settings: TrainSettings) -> dict[str, float]:
    """Fit the calibration of a model that looks ahead, on the validation users of its shards.

    Without validation users, or moments of them, it stays as it is.

    Args:
        model: in evaluation mode.
        shards: the shards that it was trained on.
        settings: the settings of the run.

    Returns:
        By window, the ROC-AUC of the chance of silence, as `silence_auc_<window>`.
    """
    heads, spec = model.look_ahead, model.spec
    found = held_out(model, shards, settings, "validation")
    if heads is None or spec is None or found is None:
        return {}
    with torch.inference_mode():
        logits = heads(found.users).some.double().numpy()
        forecasts = heads.forecast(found.users).double().numpy()
    windows = found.counts.shape[1]
    scores: dict[str, float] = {}
    with torch.no_grad():
        for w in range(windows):
            known = found.known[:, w] > 0
            if known.any():
                of_window = logits[known, w], found.counts[known, w], forecasts[known, w]
                _fit_window(heads, w, *of_window)
                scores |= _silence_auc(duration(spec.ahead[w]), *of_window[:2])
        _fit_amounts(heads, forecasts[:, 2 * windows :], found)
    return scores


def _silence_auc(window: str, logits: Wide, counts: Wide) -> dict[str, float]:
    from sklearn.metrics import roc_auc_score

    some = counts > 0
    if some.all() or not some.any():
        return {}
    return {f"silence_auc_{window}": float(roc_auc_score(some, logits))}


def _fit_window(heads: LookAhead, window: int, logits: Wide, counts: Wide, events: Wide) -> None:
    """Slope and shift of the logits of any event, and the factor of the number of events."""
    from sklearn.linear_model import LogisticRegression

    calibration, some = heads.calibration, counts > 0
    if events.sum() > 0 and counts.sum() > 0:
        calibration.counts[window] = counts.sum() / events.sum()
    if min(some.sum(), (~some).sum()) >= LEAST:
        fit = LogisticRegression(C=np.inf).fit(logits[:, None], some)
        if fit.coef_[0, 0] > 0:
            calibration.slope[window] = fit.coef_[0, 0]
            calibration.shift[window] = fit.intercept_[0]


def _fit_amounts(heads: LookAhead, forecasts: Wide, found: Outcomes) -> None:
    known = np.repeat(found.known, forecasts.shape[1] // found.known.shape[1], axis=1)
    came, expected = (found.amounts * known).sum(0), (forecasts * known).sum(0)
    usable = came * expected > 0
    factors = np.where(usable, came / np.where(usable, expected, 1.0), 1.0)
    factors = factors.clip(1 / MOST_FACTOR, MOST_FACTOR).astype(np.float32)
    heads.calibration.amounts.copy_(torch.from_numpy(factors))


def held_out(
    model: PragmaModel, shards: Shards, settings: TrainSettings, split: Split
) -> Outcomes | None:
    """Users of a split at random moments; None if there are none."""
    if model.spec is None:
        return None
    more = replace(settings, ahead=replace(settings.ahead, moments=MOMENTS))
    reader = AheadReader.of(shards, more, model.spec, split)
    if reader.reader.is_empty():
        return None
    batches = list(_batches(model, reader))
    if not batches:
        return None
    users, counts, amounts, known = zip(*batches, strict=True)
    return Outcomes(
        torch.cat(users), np.concatenate(counts), np.concatenate(amounts), np.concatenate(known)
    )


def _batches(model: PragmaModel, reader: AheadReader) -> Iterator[tuple[Tensor, Wide, Wide, Wide]]:
    pairs = 0
    for group in reader.reader.groups(0, BEGINNING):
        read = reader.read(group)
        if read is None:
            continue
        with torch.inference_mode():
            batch = AheadBatch.of(read).users
            events = model.encode_events(batch.events)
            users = model.states_of_users(events.vectors, batch.users)
        logs = read.next.amounts.astype(np.float64)
        amounts = np.sign(logs) * np.expm1(np.abs(logs))
        yield (
            users,
            read.next.counts.astype(np.float64),
            amounts,
            read.next.known.astype(np.float64),
        )
        pairs += len(users)
        if pairs >= MAX_PAIRS:
            return
