"""A packed batch as tensors, in the two groups of inputs of the model and its ONNX graphs.

Letters: B users, R event rows, L longest row, T event tokens, M events, N longest history,
Q profile tokens, S history slots, C cells. Names are the keys of `Packed.arrays()`.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from pragma_model.model.attention.base import Rows
from pragma_sql.formats.packing import Packed


class EventInputs(NamedTuple):
    """The inputs of the event encoder. Integers are int64."""

    event_tokens: Tensor  # [T, 3] key, value, position
    event_pad: Tensor  # [R, L]
    event_mask: Tensor  # [R, L] bool
    event_unpad: Tensor  # [T]
    event_first: Tensor  # [R]
    event_texts: Tensor | None = None  # [U, E] float, numbered by the tokens' fourth column

    @property
    def rows(self) -> Rows:
        """The layout of the events' tokens."""
        return Rows(self.event_pad, self.event_mask, self.event_unpad, self.event_first)

    @property
    def token_row(self) -> Tensor:
        """The row of each token, [T]."""
        return self.event_unpad // self.event_pad.shape[1]


class UserInputs(NamedTuple):
    """The inputs of the user encoder, apart from the vectors of event rows."""

    event_row: Tensor  # [M]
    calendar: Tensor  # [M, 6] float
    profile_tokens: Tensor  # [Q, 3]
    profile_time: Tensor  # [Q] float
    profile_pad: Tensor  # [B, longest profile]
    profile_mask: Tensor  # [B, longest profile] bool
    profile_unpad: Tensor  # [Q]
    profile_first: Tensor  # [B]
    history_source: Tensor  # [S] into the B profiles followed by the M events
    history_time: Tensor  # [S] float
    history_pad: Tensor  # [B, N]
    history_mask: Tensor  # [B, N] bool
    history_unpad: Tensor  # [S]
    history_first: Tensor  # [B]
    profile_texts: Tensor | None = None  # [U, E] float
    activity: Tensor | None = None  # [B, A] float

    @property
    def profile_rows(self) -> Rows:
        """The layout of the profiles' tokens."""
        return Rows(self.profile_pad, self.profile_mask, self.profile_unpad, self.profile_first)

    @property
    def history_rows(self) -> Rows:
        """The layout of the histories' slots."""
        return Rows(self.history_pad, self.history_mask, self.history_unpad, self.history_first)


class Batch(NamedTuple):
    """One batch of users on the device of the model."""

    events: EventInputs
    users: UserInputs
    event_slot: Tensor  # [M] where each event lies in S
    event_user: Tensor  # [M]

    @classmethod
    def of(cls, packed: Packed, device: torch.device | str = "cpu") -> Batch:
        """The packed arrays as tensors, which share the arrays' memory on the CPU."""
        tensors = {
            name: torch.from_numpy(array).to(device) for name, array in packed.arrays().items()
        }
        return cls(
            events=EventInputs(**{n: tensors[n] for n in EventInputs._fields if n in tensors}),
            users=UserInputs(**{n: tensors[n] for n in UserInputs._fields if n in tensors}),
            event_slot=tensors["event_slot"],
            event_user=tensors["event_user"],
        )
