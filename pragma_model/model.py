"""PRAGMA: event, profile and history encoders over one shared table of keys and values.

Letters: B users, R event rows, T event tokens, M events, Q profile tokens, S history slots,
V vocabulary, D width.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pragma_model.inputs import Batch, EventInputs, UserInputs
from pragma_model.layers import Encoder
from pragma_model.sizes import ModelSize

CALENDAR_FEATURES = 6
MAX_POSITIONS = 256
"""Positions within a field fit into a byte."""


class EventStates(NamedTuple):
    """What the event encoder gives."""

    tokens: Tensor  # [T, D]
    vectors: Tensor  # [R, D] the [EVT] state of each row


class UserStates(NamedTuple):
    """What the user encoder gives."""

    history: Tensor  # [S, D] each user's [USR], then the user's events in context
    vectors: Tensor  # [B, D] the [USR] states: the user embeddings


class Encoded(NamedTuple):
    """All states of a batch."""

    events: EventStates
    users: UserStates


class TokenEmbedding(nn.Module):
    """`E(key) + E(value) + PosEmb(position within the field)` (PRAGMA, section on tokens)."""

    def __init__(self, vocabulary_size: int, width: int) -> None:
        super().__init__()
        # The paper is silent on initialisation: all three terms start at the same size, and the
        # tied output layer starts near even odds.
        scale = width**-0.5
        self.table = nn.Embedding(vocabulary_size, width)
        nn.init.normal_(self.table.weight, std=scale)
        positions = scale * 2**0.5 * sinusoids(MAX_POSITIONS, width)
        self.register_buffer("positions", positions, persistent=False)
        self.positions: Tensor

    def forward(self, tokens: Tensor) -> Tensor:
        """[T, 3] key, value, position -> [T, D]"""
        key, value, position = tokens.unbind(1)
        summed: Tensor = self.table(key) + self.table(value)
        return summed + F.embedding(position, self.positions)


class PragmaModel(nn.Module):
    """The model of the paper, its masked-value head included.

    Training, scoring and export all go through `encode_events` and `encode_users`.

    The paper is silent on initialisation. Here every path starts in the basis of the table: what
    attention passes on is turned and turned back, and a guess is the sum of its three features. So
    from the first step on, a value that the user had elsewhere scores higher, and copying from the
    history is learnt in less than half the steps.
    """

    def __init__(self, size: ModelSize, vocabulary_size: int) -> None:
        super().__init__()
        self.size = size
        self.embedding = TokenEmbedding(vocabulary_size, size.width)
        self.event_encoder = Encoder(size, size.event_layers)
        self.calendar = nn.Sequential(
            nn.Linear(CALENDAR_FEATURES, size.width), nn.GELU(), nn.Linear(size.width, size.width)
        )
        self.profile_encoder = Encoder(size, size.profile_layers)
        self.history_encoder = Encoder(size, size.history_layers)
        self.masked_value = nn.Linear(3 * size.width, size.width)
        self.masked_value.weight.data.copy_(torch.eye(size.width).repeat(1, 3))

    def encode_events(self, inputs: EventInputs) -> EventStates:
        """Encode every event row alone; a row's vector depends on its tokens only."""
        states: Tensor = self.event_encoder(self.embedding(inputs.event_tokens), inputs.rows)
        return EventStates(states, states.index_select(0, inputs.event_first))

    def encode_users(self, event_vectors: Tensor, inputs: UserInputs) -> UserStates:
        """Encode profiles, then histories over them and the event vectors, [R, D]."""
        events: Tensor = event_vectors.index_select(0, inputs.event_row)
        events = events + self.calendar(inputs.calendar)
        profile_tokens: Tensor = self.profile_encoder(
            self.embedding(inputs.profile_tokens), inputs.profile_rows, inputs.profile_time
        )
        profiles = profile_tokens.index_select(0, inputs.profile_first)
        slots = torch.cat([profiles, events]).index_select(0, inputs.history_source)
        history: Tensor = self.history_encoder(slots, inputs.history_rows, inputs.history_time)
        return UserStates(history, history.index_select(0, inputs.history_first))

    def forward(self, batch: Batch) -> Encoded:
        """All states of a batch."""
        events = self.encode_events(batch.events)
        return Encoded(events, self.encode_users(events.vectors, batch.users))

    def guess(self, encoded: Encoded, batch: Batch, targets: Tensor) -> Tensor:
        """What the masked-value head makes of the targets, to be scored against the table.

        Features are `[token state : event in context : user]` (PRAGMA, section on pre-training).

        Args:
            encoded: the states of the batch.
            batch: from `pack(..., distinct=False)`, so that each row is one event.
            targets: [N] masked positions among the T tokens.

        Returns:
            [N, D]
        """
        event = batch.events.token_row.index_select(0, targets)
        features = torch.cat(
            [
                encoded.events.tokens.index_select(0, targets),
                encoded.users.history.index_select(0, batch.event_slot.index_select(0, event)),
                encoded.users.vectors.index_select(0, batch.event_user.index_select(0, event)),
            ],
            dim=1,
        )
        guesses: Tensor = self.masked_value(features)
        return guesses


def sinusoids(positions: int, width: int) -> Tensor:
    """Static sine and cosine position table, [positions, width] (Vaswani et al. 2017)."""
    rates = 10_000.0 ** (-torch.arange(0, width, 2) / width)
    angles = torch.arange(positions)[:, None] * rates
    return torch.stack([angles.sin(), angles.cos()], dim=2).flatten(1)
