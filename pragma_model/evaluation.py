"""How well a model finds hidden values of users it has not seen, next to a guess by key alone."""

from __future__ import annotations

from itertools import islice
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import torch

from pragma_model.breakdown import Breakdown
from pragma_model.data import SplitReader
from pragma_model.inputs import Batch
from pragma_model.masking import hide_values
from pragma_model.metrics import Validation
from pragma_model.model import PragmaModel
from pragma_model.reconstruction import reconstruct
from pragma_model.settings import TrainSettings
from pragma_sql.histories import Int
from pragma_sql.packing import UNK

COUNTED_SHARDS = 4
"""Shards that frequencies are counted in. Users lie in the order of a hash: each is a sample."""


def validate(
    model: PragmaModel,
    reader: SplitReader,
    majority: Int,
    settings: TrainSettings,
    batches: int | None = None,
) -> Validation | None:
    """Hide values of held-out users, by the seed of the run, and find them.

    Args:
        model: in evaluation mode.
        reader: the split, not the one trained on.
        majority: [vocabulary] from `majority_values`.
        settings: of the run.
        batches: look at no more than so many batches, the same each time.

    Returns:
        None where the split holds no users with events.
    """
    device = model.embedding.table.weight.device
    generator = torch.Generator(device).manual_seed(settings.seed)
    size = reader.shards.manifest.vocabulary_size
    loss, guessed, breakdown = 0.0, 0, Breakdown(size, device)
    for packed in islice(reader.epoch(settings.seed, epoch=0), batches):
        masked = hide_values(Batch.of(packed, device), settings.masks, generator)
        with torch.inference_mode():
            found = reconstruct(model, masked, settings.smoothing)
        breakdown.add(masked, found)
        loss += float(found.loss) * len(masked.values)
        frequent = majority[masked.keys.numpy(force=True)]
        guessed += int((frequent == masked.values.numpy(force=True)).sum())
    seen, _, hit = breakdown.sums.sum(1).numpy(force=True)  # by key
    values = int(seen.sum())
    if not values:
        return None
    names = key_names(reader.shards.tokenizer)
    return Validation(
        values=values,
        loss=loss / values,
        accuracy=float(hit.sum() / values),
        baseline_accuracy=guessed / values,
        key_accuracy={
            names.get(int(k), str(k)): float(hit[k] / seen[k]) for k in np.flatnonzero(seen)
        },
        by_mask=breakdown.by_mask(),
        by_field=breakdown.by_field(names),
    )


def majority_values(reader: SplitReader) -> Int:
    """The most frequent value of each key in a split's events, [UNK] left out, [vocabulary].

    -1 where an id is no key of the split. Counted in `COUNTED_SHARDS` shards at most.
    """
    size = reader.shards.manifest.vocabulary_size
    parts = []
    for file in reader.files[:COUNTED_SHARDS]:
        table = reader.shards.open(file)
        flat = {name: pc.list_flatten(table[name]) for name in ("key_ids", "value_ids")}
        parts.append(
            pa.table(flat).group_by(["key_ids", "value_ids"]).aggregate([([], "count_all")])
        )
    majority = np.full(size, -1)
    if not parts:
        return majority
    grouped = pa.concat_tables(parts).group_by(["key_ids", "value_ids"], use_threads=False)
    key, value, count = (
        column.to_numpy() for column in grouped.aggregate([("count_all", "sum")]).columns
    )
    key, value, count = (column[value != UNK] for column in (key, value, count))
    rising = np.lexsort((-value, count))
    # A key comes once a value, the most frequent last: that assignment stays.
    majority[key[rising]] = value[rising]
    return majority


def key_names(tokenizer: Path) -> dict[int, str]:
    """The names of the keys by id, from the vocabulary."""
    keys = pq.read_table(
        tokenizer / "vocabulary.parquet",
        columns=["token_id", "key"],
        filters=[("kind", "==", "key")],
    )
    return {row["token_id"]: row["key"] for row in keys.to_pylist()}
