"""The transformer that all three encoders are made of (PRAGMA, section on encoders).

Letters: T packed tokens, R rows, D width, H heads, K head width, W tokens that are asked for.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from pragma_model.model.attention.base import Attention, Kernel, Rows
from pragma_model.model.attention.kernels import build_attention
from pragma_model.model.sizes import HEAD_WIDTH, ModelSize

STEPS = 2**16


class Dropout(nn.Dropout):
    """`nn.Dropout`, but on a CPU one draw of random bits decides four values.

    torch draws them one by one, which took a tenth of a training step. The rate is rounded to
    1/65,536, and kept values are scaled by the rounded rate.
    """

    def forward(self, x: Tensor) -> Tensor:
        """Apply dropout; the shape stays the same."""
        dropped = min(round(self.p * STEPS), STEPS - 1)
        if not self.training or not dropped:
            return x
        if x.device.type != "cpu":
            return F.dropout(x, self.p, training=True)
        bits = torch.empty(-(-x.numel() // 4), dtype=torch.int64).random_(-(2**63), None)
        kept = bits.view(torch.int16)[: x.numel()].view(x.shape) >= dropped - STEPS // 2
        return x * kept.to(x.dtype).mul_(STEPS / (STEPS - dropped))


ROPE_BASE = 10_000.0

FEED_FORWARD_ROWS = 1024
"""Tokens that the feed-forward network processes at a time on a CPU."""


class Rotation(NamedTuple):
    """Cosines and sines of the rotary encoding, each [T, 1, K/2]."""

    cos: Tensor
    sin: Tensor

    @classmethod
    def at(cls, time: Tensor) -> Rotation:
        """The rotation at real-valued times, [T] (PRAGMA, section on time; the base is RoPE's)."""
        half = HEAD_WIDTH // 2
        # In single precision whatever the rest is: a year is an angle of 120, where bfloat16 has
        # steps of 0.5.
        rates = ROPE_BASE ** (-torch.arange(half, dtype=torch.float32, device=time.device) / half)
        angles = time.float()[:, None, None] * rates
        return cls(angles.cos(), angles.sin())

    def of(self, places: Tensor) -> Rotation:
        """The rotation of the tokens at these places."""
        return Rotation(self.cos.index_select(0, places), self.sin.index_select(0, places))

    def turn(self, x: Tensor) -> Tensor:
        """Rotate queries or keys [T, H, K]: their product then depends on differences of time."""
        left, right = x.float().chunk(2, dim=-1)
        turned = (left * self.cos - right * self.sin, left * self.sin + right * self.cos)
        return torch.cat(turned, dim=-1).to(x.dtype)


class Layer(nn.Module):
    """Pre-norm self-attention and feed-forward network, each added to its input."""

    def __init__(self, size: ModelSize) -> None:
        super().__init__()
        self.attention_norm = nn.LayerNorm(size.width)
        # Three linear maps, not a fused one: quantisation and LoRA treat them one by one, and
        # attention is faster on contiguous rows.
        self.query = nn.Linear(size.width, size.width)
        self.key = nn.Linear(size.width, size.width)
        self.value = nn.Linear(size.width, size.width)
        self.output = nn.Linear(size.width, size.width)
        self.feed_norm = nn.LayerNorm(size.width)
        self.up = nn.Linear(size.width, size.hidden)
        self.down = nn.Linear(size.hidden, size.width)
        self.dropout = Dropout(size.dropout)
        # A value starts in the basis of its token; see `PragmaModel`.
        nn.init.orthogonal_(self.value.weight)
        self.output.weight.data.copy_(self.value.weight.T)

    def forward(
        self,
        x: Tensor,
        attention: Attention,
        rotation: Rotation | None,
        asked: Tensor | None = None,
    ) -> Tensor:
        """[T, D] -> [T, D], or [W, D] or [R * n, D] for the places asked for.

        These are [W] places anywhere, or n of each row, [R, n], which saves the others' attention.
        """
        mixed = self._attend(self.attention_norm(x), attention, rotation, asked)
        if asked is not None:
            x = x.index_select(0, asked.flatten())
        attended: Tensor = x + self.dropout(self.output(mixed))
        out: Tensor = attended + self.dropout(self._feed(self.feed_norm(attended)))
        return out

    def _feed(self, x: Tensor) -> Tensor:
        """[n, D] -> [n, D], on a CPU a few tokens at a time, so that inner states stay in cache."""
        whole = x.is_cuda or torch.compiler.is_exporting()
        parts = [
            self.down(F.gelu(self.up(part)))
            for part in ([x] if whole else torch.split(x, FEED_FORWARD_ROWS))
        ]
        return parts[0] if len(parts) == 1 else torch.cat(parts)

    def _attend(
        self, x: Tensor, attention: Attention, rotation: Rotation | None, asked: Tensor | None
    ) -> Tensor:
        few = asked if asked is not None and asked.ndim == 2 else None
        asking = x if few is None else x.index_select(0, few.flatten())
        q, k, v = _heads(self.query(asking)), _heads(self.key(x)), _heads(self.value(x))
        if rotation is not None:
            q = (rotation if few is None else rotation.of(few.flatten())).turn(q)
            k = rotation.turn(k)
        if few is not None:
            of_row = q.view(few.shape[0], few.shape[1], q.shape[1], q.shape[2])
            return attention.attend_queries(of_row, k, v).flatten(0, 1).flatten(1)
        mixed = attention.attend(q, k, v).flatten(1)
        return mixed if asked is None else mixed.index_select(0, asked)


class Encoder(nn.Module):
    """A stack of layers and a final norm."""

    def __init__(self, size: ModelSize, layers: int, *, long_rows: bool = False) -> None:
        """`long_rows` means that rows may have thousands of tokens."""
        super().__init__()
        self.long_rows = long_rows
        self.layers = nn.ModuleList(Layer(size) for _ in range(layers))
        self.norm = nn.LayerNorm(size.width)
        self.kernel = Kernel.AUTO
        self.recompute = False
        """Whether to drop each layer's inner states and compute them again in the backward pass."""

    def forward(
        self,
        x: Tensor,
        rows: Rows,
        time: Tensor | None = None,
        asked: Tensor | None = None,
        *,
        ends: bool = False,
    ) -> Tensor:
        """Encode packed rows, [T, D] -> [R, D], or [W, D] if tokens are given.

        The last layer computes only the states asked for.

        Args:
            x: the tokens of all rows, one row after the other.
            rows: where each row lies.
            time: [T] log-time of each token; without it, the order of tokens does not matter.
            asked: [W] the packed tokens whose states are wanted; by default the first of each row.
            ends: return the first and the last of each row instead, [2 R, D].
        """
        attention = build_attention(rows, self.kernel, long_rows=self.long_rows)
        if asked is not None:
            last = attention.places(asked)
        else:
            last = attention.ends if ends else attention.first[:, None]
        x = attention.arranged(x)
        rotation = None if time is None else Rotation.at(attention.arranged(time))
        for number, layer in enumerate(self.layers, 1):
            of_layer = last if number == len(self.layers) else None
            if self.recompute and torch.is_grad_enabled():
                x = checkpoint(layer, x, attention, rotation, of_layer, use_reentrant=False)
            else:
                x = layer(x, attention, rotation, of_layer)
        normed: Tensor = self.norm(x)
        return normed


def _heads(x: Tensor) -> Tensor:
    """[n, D] -> [n, H, K]"""
    return x.view(x.shape[0], x.shape[1] // HEAD_WIDTH, HEAD_WIDTH)  # an export would freeze len()
