"""The transformer that all three encoders are made of (PRAGMA, section on encoders).

Letters: T packed tokens, D width, H heads, K head width.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pragma_model.attention import Rows, attention
from pragma_model.sizes import HEAD_WIDTH, ModelSize

ROPE_BASE = 10_000.0


class Rotation(NamedTuple):
    """Cosines and sines of the rotary encoding, each [T, 1, K/2]."""

    cos: Tensor
    sin: Tensor

    @classmethod
    def at(cls, time: Tensor) -> Rotation:
        """The rotation at real-valued times, [T] (PRAGMA, section on time; the base is RoPE's)."""
        half = HEAD_WIDTH // 2
        rates = ROPE_BASE ** (-torch.arange(half, dtype=time.dtype, device=time.device) / half)
        angles = time[:, None, None] * rates
        return cls(angles.cos(), angles.sin())

    def turn(self, x: Tensor) -> Tensor:
        """Turn queries or keys [T, H, K]: their product then depends on differences of time."""
        left, right = x.chunk(2, dim=-1)
        turned = (left * self.cos - right * self.sin, left * self.sin + right * self.cos)
        return torch.cat(turned, dim=-1)


class Layer(nn.Module):
    """Pre-norm self-attention and feed-forward network, each added to its input."""

    def __init__(self, size: ModelSize) -> None:
        super().__init__()
        self.attention_norm = nn.LayerNorm(size.width)
        # Three linears, not a fused one: quantisation and LoRA take them one by one.
        self.query = nn.Linear(size.width, size.width)
        self.key = nn.Linear(size.width, size.width)
        self.value = nn.Linear(size.width, size.width)
        self.output = nn.Linear(size.width, size.width)
        self.feed_norm = nn.LayerNorm(size.width)
        self.up = nn.Linear(size.width, size.hidden)
        self.down = nn.Linear(size.hidden, size.width)
        self.dropout = nn.Dropout(size.dropout)
        # What a token passes on starts in its own basis; see `PragmaModel`.
        nn.init.orthogonal_(self.value.weight)
        self.output.weight.data.copy_(self.value.weight.T)

    def forward(self, x: Tensor, rows: Rows, rotation: Rotation | None) -> Tensor:
        """[T, D] -> [T, D]"""
        attended: Tensor = x + self.dropout(self._attend(self.attention_norm(x), rows, rotation))
        fed: Tensor = self.down(F.gelu(self.up(self.feed_norm(attended))))
        out: Tensor = attended + self.dropout(fed)
        return out

    def _attend(self, x: Tensor, rows: Rows, rotation: Rotation | None) -> Tensor:
        heads = (x.shape[0], x.shape[1] // HEAD_WIDTH, HEAD_WIDTH)  # len() would freeze an export
        q, k, v = self.query(x).view(heads), self.key(x).view(heads), self.value(x).view(heads)
        if rotation is not None:
            q, k = rotation.turn(q), rotation.turn(k)
        mixed: Tensor = self.output(attention(q, k, v, rows).flatten(1))
        return mixed


class Encoder(nn.Module):
    """A stack of layers and a last norm."""

    def __init__(self, size: ModelSize, layers: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList(Layer(size) for _ in range(layers))
        self.norm = nn.LayerNorm(size.width)

    def forward(self, x: Tensor, rows: Rows, time: Tensor | None = None) -> Tensor:
        """Encode packed rows, [T, D] -> [T, D].

        Args:
            x: the tokens of all rows, one row after the other.
            rows: where each row lies.
            time: [T] log-time of each token; without it, the order of tokens does not matter.
        """
        rotation = None if time is None else Rotation.at(time)
        for layer in self.layers:
            x = layer(x, rows, rotation)
        normed: Tensor = self.norm(x)
        return normed
