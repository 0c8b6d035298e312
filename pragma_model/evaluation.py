"""How well a model finds hidden values of users it has not seen, next to a guess by key alone."""

from __future__ import annotations

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


def validate(
    model: PragmaModel, reader: SplitReader, majority: Int, settings: TrainSettings
) -> Validation | None:
    """Hide values of a whole split, by the seed of the run, and find them.

    Args:
        model: in evaluation mode.
        reader: the split, not the one trained on.
        majority: [vocabulary] from `majority_values`.
        settings: of the run.

    Returns:
        None where the split holds no users with events.
    """
    device = model.embedding.table.weight.device
    generator = torch.Generator(device).manual_seed(settings.seed)
    loss, keys, right, guessed = 0.0, [], [], []
    breakdown = Breakdown(len(model.embedding.table.weight), device)
    for packed in reader.epoch(settings.seed, epoch=0):
        masked = hide_values(Batch.of(packed, device), settings.masks, generator)
        with torch.inference_mode():
            found = reconstruct(model, masked, settings.smoothing)
        breakdown.add(masked, found)
        loss += float(found.loss) * len(masked.values)
        key = packed.event_tokens[masked.targets.numpy(force=True), 0]
        keys.append(key)
        right.append(found.correct.numpy(force=True))
        guessed.append(majority[key] == masked.values.numpy(force=True))
    if not keys or not sum(map(len, keys)):
        return None
    key, hit = np.concatenate(keys), np.concatenate(right)
    seen = np.bincount(key)
    rates = np.bincount(key, hit) / np.maximum(seen, 1)
    names = key_names(reader.shards.tokenizer)
    return Validation(
        values=len(key),
        loss=loss / len(key),
        accuracy=float(hit.mean()),
        baseline_accuracy=float(np.concatenate(guessed).mean()),
        key_accuracy={names.get(int(k), str(k)): float(rates[k]) for k in np.flatnonzero(seen)},
        by_mask=breakdown.by_mask(),
        by_field=breakdown.by_field(names),
    )


def majority_values(reader: SplitReader) -> Int:
    """The most frequent value of each key in a split's events, [UNK] left out, [vocabulary].

    -1 where an id is no key of the split.
    """
    flat = {name: pc.list_flatten(reader.table[name]) for name in ("key_ids", "value_ids")}
    counted = pa.table(flat).group_by(["key_ids", "value_ids"]).aggregate([([], "count_all")])
    key, value, count = (column.to_numpy() for column in counted.columns)
    key, value, count = (column[value != UNK] for column in (key, value, count))
    rising = np.lexsort((-value, count))
    majority = np.full(reader.shards.manifest.vocabulary_size, -1)
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
