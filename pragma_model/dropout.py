"""Dropout that a CPU draws quickly."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

STEPS = 2**16


class Dropout(nn.Dropout):
    """`nn.Dropout`; on a CPU, random bits are drawn four chances at a time.

    torch draws them one by one there, which took a tenth of a training step. The rate is rounded
    to 1/65,536, and what is kept is scaled by the rounded rate.
    """

    def forward(self, x: Tensor) -> Tensor:
        """Any shape -> the same shape."""
        dropped = min(round(self.p * STEPS), STEPS - 1)
        if not self.training or not dropped:
            return x
        if x.device.type != "cpu":
            return F.dropout(x, self.p, training=True)
        bits = torch.empty(-(-x.numel() // 4), dtype=torch.int64).random_(-(2**63), None)
        kept = bits.view(torch.int16)[: x.numel()].view(x.shape) >= dropped - STEPS // 2
        return x * kept.to(x.dtype).mul_(STEPS / (STEPS - dropped))
