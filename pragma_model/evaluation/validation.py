"""How well a model finds hidden values of unseen users, compared with guesses without one."""

from __future__ import annotations

from itertools import islice
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import torch

from pragma_model.evaluation.baselines import Baselines, values_before
from pragma_model.evaluation.breakdown import Breakdown
from pragma_model.model.inputs import Batch
from pragma_model.model.model import PragmaModel
from pragma_model.runs.metrics import Validation
from pragma_model.training.data import SplitReader
from pragma_model.training.masking import MaskedBatch, mask_values
from pragma_model.training.objective import reconstruct
from pragma_model.training.settings import TrainSettings
from pragma_sql.formats.histories import Int


def validate(
    model: PragmaModel,
    reader: SplitReader,
    baselines: Baselines,
    settings: TrainSettings,
    batches: int | None = None,
) -> Validation | None:
    """Hide values of held-out users, by the seed of the run, and let the model find them.

    Args:
        model: in evaluation mode.
        reader: a split other than the one trained on.
        baselines: fitted on the split that was trained on.
        settings: the settings of the run.
        batches: most batches to use, the same each time.

    Returns:
        The figures; None if the split holds no users with events.
    """
    device = model.embedding.table.weight.device
    generator = torch.Generator(device).manual_seed(settings.seed)
    size = reader.shards.manifest.vocabulary_size
    loss, breakdown = 0.0, Breakdown(size, device)
    guessed = np.zeros(2, np.int64)  # by key, by the value before
    for packed in islice(reader.epoch(settings.seed, epoch=0), batches):
        masked = mask_values(Batch.of(packed, device), settings.masks, generator)
        with torch.inference_mode():
            found = reconstruct(model, masked, settings.smoothing)
        breakdown.add(masked, found)
        loss += float(found.loss) * len(masked.values)
        guessed += _predict(masked, baselines)
    seen, _, hit = breakdown.sums.sum(1).numpy(force=True)  # by key
    values = int(seen.sum())
    if not values:
        return None
    names = key_names(reader.shards.tokenizer)
    return Validation(
        values=values,
        loss=loss / values,
        accuracy=float(hit.sum() / values),
        baseline_accuracy=float(guessed[0] / values),
        bigram_accuracy=float(guessed[1] / values),
        key_accuracy={
            names.get(int(k), str(k)): float(hit[k] / seen[k]) for k in np.flatnonzero(seen)
        },
        by_mask=breakdown.by_mask(),
        by_field=breakdown.by_field(names),
    )


def _predict(masked: MaskedBatch, baselines: Baselines) -> Int:
    """The number of hidden values that each baseline finds, [2], from what is not hidden."""
    events = masked.batch.events
    key, value, position = events.event_tokens[:, :3].T.numpy(force=True)
    user = masked.batch.event_user.index_select(0, events.token_row).numpy(force=True)
    asked = masked.targets.numpy(force=True)
    keys, before = key[asked], values_before(user, key, position, value)[asked]
    guesses = np.stack([baselines.by_key(keys), baselines.by_value_before(keys, before)])
    found: Int = (guesses == masked.values.numpy(force=True)).sum(1)
    return found


def key_names(tokenizer: Path) -> dict[int, str]:
    """The names of the keys by id, from the vocabulary."""
    keys = pq.read_table(
        tokenizer / "vocabulary.parquet",
        columns=["token_id", "key"],
        filters=[("kind", "==", "key")],
    )
    return {row["token_id"]: row["key"] for row in keys.to_pylist()}
