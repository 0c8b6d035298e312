"""The values that the model has to guess: hidden by token, by event and by key.

Letters: T event tokens, M events, each in a row of its own, B users, N targets.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from pragma_model.model.inputs import Batch
from pragma_model.training.settings import MaskRates
from pragma_sql.formats.packing import EVT, MASK, UNK

KINDS = ("token", "key", "event")
"""The kinds of mask, the narrowest first."""

TOKEN, KEY, EVENT = range(len(KINDS))


class MaskedBatch(NamedTuple):
    """A batch with hidden values, and the values to be found."""

    batch: Batch
    targets: Tensor  # [N] positions among the T tokens
    values: Tensor  # [N] the value ids that were there
    keys: Tensor  # [N] their keys
    kinds: Tensor  # [N] which of KINDS hid the value; the widest if several did
    text_targets: Tensor | None = None  # [K] positions whose text was hidden
    texts: Tensor | None = None  # [K, E] the vectors of those texts

    @property
    def all_targets(self) -> Tensor:
        """Hidden values, then hidden texts, [N + K]."""
        if self.text_targets is None:
            return self.targets
        return torch.cat([self.targets, self.text_targets])


def mask_values(batch: Batch, rates: MaskRates, generator: torch.Generator) -> MaskedBatch:
    """Hide values of events; markers, keys and profiles are not changed.

    No value is replaced by a random one. A value that was [UNK] may be hidden but is not a target.

    Args:
        batch: a batch from `pack(..., distinct=False)`.
        rates: the chances of being hidden.
        generator: draws the masks; on the device of the batch.
    """
    keys, values, *_ = batch.events.event_tokens.unbind(1)
    event = batch.events.token_row
    user = batch.event_user.index_select(0, event)

    def chance(*shape: int) -> Tensor:
        return torch.rand(shape, generator=generator, device=values.device)

    by_token = chance(len(keys)) < rates.token
    by_event = (chance(len(batch.event_user)) < rates.event).index_select(0, event)
    users, key_ids = len(batch.users.history_first), int(keys.max()) + 1
    by_key = (chance(users, key_ids) < rates.key)[user, keys]
    hidden = (by_token | by_event | by_key) & (keys != EVT)
    unknown = hidden & (chance(len(keys)) < rates.unknown)

    tokens = batch.events.event_tokens.clone()
    tokens[:, 1] = torch.where(unknown, UNK, torch.where(hidden, MASK, values))
    wanted = hidden & ~unknown & (values != UNK)
    text_targets = texts = None
    if batch.events.event_texts is not None:
        text = tokens[:, 3].clone()
        tokens[:, 3] = torch.where(hidden, -1, text)
        text_targets = (wanted & (text >= 0)).nonzero()[:, 0]
        texts = batch.events.event_texts.index_select(0, text.index_select(0, text_targets))
        # The key shows that there was a text; the model has to guess which one.
        wanted &= text < 0
    targets = wanted.nonzero()[:, 0]
    kinds = torch.where(by_event, EVENT, torch.where(by_key, KEY, TOKEN))
    return MaskedBatch(
        batch=batch._replace(events=batch.events._replace(event_tokens=tokens)),
        targets=targets,
        values=values.index_select(0, targets),
        keys=keys.index_select(0, targets),
        kinds=kinds.index_select(0, targets),
        text_targets=text_targets,
        texts=texts,
    )
