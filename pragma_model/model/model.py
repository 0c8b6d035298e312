"""PRAGMA: event, profile and history encoders over one shared table of keys and values.

Letters: B users, R event rows, T event tokens, M events, N targets, Q profile tokens,
S history slots, V vocabulary, D width, E width of an embedding, A numbers of activity.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pragma_model.model.attention.base import Kernel
from pragma_model.model.inputs import Batch, EventInputs, UserInputs
from pragma_model.model.layers import Encoder
from pragma_model.model.lookahead import ActivityInput, LookAhead
from pragma_model.model.readout import (
    PAPER,
    Block,
    Readout,
    default_readout,
    readout_width,
)
from pragma_model.model.sizes import ModelSize
from pragma_sql.formats.activity import HINGES_AT, ActivitySpec

CALENDAR_FEATURES = 6
MAX_POSITIONS = 256
"""Number of positions within a field, which fit into a byte."""


class EventStates(NamedTuple):
    """The outputs of the event encoder."""

    vectors: Tensor  # [R, D] the [EVT] state of each row
    targets: Tensor  # [N, D] the states of the tokens asked for


class UserStates(NamedTuple):
    """The outputs of the user encoder in training."""

    vectors: Tensor  # [B, D] the [USR] states
    events: Tensor  # [M, D] the events in context


class Encoded(NamedTuple):
    """The outputs of one forward."""

    vectors: Tensor  # [B, E] the user embeddings; with targets, the [USR] states [B, D]
    guesses: Tensor  # [N, D] guesses of the targets, to be scored against the table


class TokenEmbedding(nn.Module):
    """`E(key) + E(value) + PosEmb(position within the field)` (PRAGMA, section on tokens).

    A token that stands for a text also adds the projection of the text's vector.
    """

    def __init__(self, vocabulary_size: int, width: int, text_width: int) -> None:
        super().__init__()
        # The paper does not define the initialisation: here all three terms start at the same size,
        # and the tied output layer starts near even odds.
        scale = width**-0.5
        self.table = nn.Embedding(vocabulary_size, width)
        nn.init.normal_(self.table.weight, std=scale)
        positions = scale * 2**0.5 * sinusoids(MAX_POSITIONS, width)
        self.register_buffer("positions", positions, persistent=False)
        self.positions: Tensor
        self.text: nn.Linear | None = None
        if text_width:
            self.text = nn.Linear(text_width, width, bias=False)
            nn.init.normal_(self.text.weight, std=scale * text_width**-0.5)

    def forward(self, tokens: Tensor, texts: Tensor | None = None) -> Tensor:
        """[T, 3] key, value, position -> [T, D]

        With texts, [U, E] vectors, a fourth column numbers the text of a token; -1 means none.
        """
        key, value, position = tokens[:, :3].unbind(1)
        summed: Tensor = self.table(key) + self.table(value)
        summed = summed + F.embedding(position, self.positions)
        if self.text is None or texts is None:
            return summed
        projected = self.text(texts)
        none = torch.zeros_like(self.text.weight[:, :1]).T.to(projected.dtype)
        return summed + torch.cat([none, projected]).index_select(0, tokens[:, 3] + 1)


class PragmaModel(nn.Module):
    """The model of the paper, its masked-value head included.

    Training and scoring are one `forward`; the two graphs of an export are its two halves.

    The paper does not define the initialisation. Here every path starts in the basis of the table:
    attention rotates a value and rotates it back, and a guess is the sum of its three features. So
    from the first step on, a value that the user had elsewhere scores higher, and copying from the
    history is learnt in less than half the steps.
    """

    def __init__(
        self,
        size: ModelSize,
        vocabulary_size: int,
        text_width: int = 0,
        spec: ActivitySpec | None = None,
    ) -> None:
        """Draw new weights.

        Args:
            size: widths and depths.
            vocabulary_size: V.
            text_width: width of the frozen text vectors; 0 if no key has texts.
            spec: the activity that [USR] is given, and the windows to look ahead into; None is the
                model of the paper.
        """
        super().__init__()
        self.size = size
        self.text_width = text_width
        self.spec = spec
        self.readout: Readout = default_readout(spec.width if spec else 0, size.width)
        self.embedding = TokenEmbedding(vocabulary_size, size.width, text_width)
        self.event_encoder = Encoder(size, size.event_layers)
        self.calendar = nn.Sequential(
            nn.Linear(CALENDAR_FEATURES, size.width), nn.GELU(), nn.Linear(size.width, size.width)
        )
        self.profile_encoder = Encoder(size, size.profile_layers)
        self.history_encoder = Encoder(size, size.history_layers, long_rows=True)
        self.masked_value = nn.Linear(3 * size.width, size.width)
        self.masked_value.weight.data.copy_(torch.eye(size.width).repeat(1, 3))
        self.masked_text: nn.Linear | None = None
        if text_width:
            # Starts near zero, the mean of all texts: larger guesses would drown the values' loss.
            self.masked_text = nn.Linear(size.width, text_width)
            nn.init.normal_(self.masked_text.weight, std=0.1 * size.width**-0.5)
        # Last, so that the weights above are drawn as in the paper's model.
        self.activity = ActivityInput(spec, size.width) if spec else None
        self.look_ahead = LookAhead(spec, size.width) if spec else None

    def alike(self) -> PragmaModel:
        """A model of the same shape and readout with new weights."""
        vocabulary_size = self.embedding.table.num_embeddings
        other = PragmaModel(self.size, vocabulary_size, self.text_width, self.spec)
        other.readout = self.readout
        return other

    @property
    def embedding_size(self) -> int:
        """Width of a user embedding, E."""
        activity = self.spec.width if self.spec else 0
        return readout_width(self.readout, activity, self.size.width)

    def attend_with(self, kernel: Kernel) -> None:
        """Set the attention kernel; by default it depends on the device."""
        for encoder in self.encoders:
            encoder.kernel = kernel

    def recompute(self, on: bool = True) -> None:
        """Trade time for memory: keep only the input of each layer for the backward pass."""
        for encoder in self.encoders:
            encoder.recompute = on

    @property
    def encoders(self) -> tuple[Encoder, Encoder, Encoder]:
        """The event, profile and history encoders."""
        return self.event_encoder, self.profile_encoder, self.history_encoder

    def encode_events(self, inputs: EventInputs, targets: Tensor | None = None) -> EventStates:
        """Encode every event row separately; a row's vector depends only on its tokens.

        Args:
            inputs: the tokens and the layout of their rows.
            targets: [N] tokens among the T whose states are also wanted.
        """
        asked = None if targets is None else torch.cat([inputs.event_first, targets])
        tokens = self.embedding(inputs.event_tokens, inputs.event_texts)
        states = self.event_encoder(tokens, inputs.rows, asked=asked)
        # The number of rows comes from a tensor's shape, so that an export does not freeze it.
        rows = inputs.event_first.shape[0]
        return EventStates(states[:rows], states[rows:])

    def embed_users(self, event_vectors: Tensor, inputs: UserInputs) -> Tensor:
        """The user embeddings, [B, E], from the vectors of event rows, [R, D]."""
        history = self._history(event_vectors, inputs)
        ends: Tensor = self.history_encoder(
            history, inputs.history_rows, inputs.history_time, ends=True
        )
        of_user = ends.view(inputs.history_first.shape[0], 2, self.size.width)
        if self.readout == PAPER:
            return of_user.flatten(1)
        blocks = {Block.USER: of_user.select(1, 0), Block.LAST: of_user.select(1, 1)}
        if self.activity is not None:
            blocks[Block.STATE] = state = self.activity.standard(inputs.activity)
            blocks[Block.HINGES] = torch.cat([(state - at).relu() for at in HINGES_AT], dim=1)
        return torch.cat([blocks[block] for block in self.readout], dim=1)

    def states_of_users(self, event_vectors: Tensor, inputs: UserInputs) -> Tensor:
        """The states of [USR], [B, D]."""
        history = self._history(event_vectors, inputs)
        states: Tensor = self.history_encoder(history, inputs.history_rows, inputs.history_time)
        return states

    def encode_users(self, event_vectors: Tensor, inputs: UserInputs, slots: Tensor) -> UserStates:
        """The states of [USR] and of the given slots of the histories, [M], for training."""
        asked = torch.cat([inputs.history_first, slots])
        history = self._history(event_vectors, inputs)
        states = self.history_encoder(history, inputs.history_rows, inputs.history_time, asked)
        users = inputs.history_first.shape[0]
        return UserStates(states[:users], states[users:])

    def _history(self, event_vectors: Tensor, inputs: UserInputs) -> Tensor:
        """The input of the history encoder, [S, D]: each user's profile, then the events."""
        events: Tensor = event_vectors.index_select(0, inputs.event_row)
        events = events + self.calendar(inputs.calendar)
        profiles: Tensor = self.profile_encoder(
            self.embedding(inputs.profile_tokens, inputs.profile_texts),
            inputs.profile_rows,
            inputs.profile_time,
        )
        if self.activity is not None:
            profiles = profiles + self.activity(inputs.activity)
        return torch.cat([profiles, events]).index_select(0, inputs.history_source)

    def forward(self, batch: Batch, targets: Tensor | None = None) -> Encoded:
        """User embeddings, and the guesses of the masked-value head for the targets.

        Features of a guess are `[token state : event in context : user]` (PRAGMA, section on
        pre-training).

        Args:
            batch: with targets, from `pack(..., distinct=False)`, so that each row is one event.
            targets: [N] masked positions among the T tokens; None when scoring.
        """
        if targets is None:
            events = self.encode_events(batch.events)
            vectors = self.embed_users(events.vectors, batch.users)
            return Encoded(vectors, vectors.new_empty(0, self.size.width))
        events = self.encode_events(batch.events, targets)
        users = self.encode_users(events.vectors, batch.users, batch.event_slot)
        event = batch.events.token_row.index_select(0, targets)
        user = batch.event_user.index_select(0, event)
        features = (
            events.targets,
            users.events.index_select(0, event),
            users.vectors.index_select(0, user),
        )
        return Encoded(users.vectors, self.masked_value(torch.cat(features, dim=1)))

    def guess_text(self, guesses: Tensor) -> Tensor:
        """The text head: guesses [K, D] -> text vectors [K, E] (PRAGMA, frozen-text variant)."""
        if self.masked_text is None:
            raise ValueError("this model has no texts")
        vectors: Tensor = self.masked_text(guesses)
        return vectors


def sinusoids(positions: int, width: int) -> Tensor:
    """Static sine and cosine position table, [positions, width] (Vaswani et al. 2017)."""
    rates = 10_000.0 ** (-torch.arange(0, width, 2) / width)
    angles = torch.arange(positions)[:, None] * rates
    return torch.stack([angles.sin(), angles.cos()], dim=2).flatten(1)
