"""Operations that training asks of a machine, and how many of them it could do."""

from __future__ import annotations

import statistics
import time

import torch

from pragma_model.model.sizes import ModelSize

FORMULA = (
    "6 (12 D² (event layers (tokens + events) + history layers · events) "
    "+ (3 D² + D V) · hidden values)"
)
"""Model FLOPs of a step: 2 a weight and token forward, 4 backward. D is the width, V the
vocabulary; an event has a marker besides its tokens. Left out: profiles, attention's own products,
norms."""

WARM, ROUNDS = 3, 10


def step_flops(
    size: ModelSize, vocabulary: int, tokens: float, events: float, values: float
) -> float:
    """`FORMULA`, for one step.

    >>> from pragma_model.model.sizes import SMALL
    >>> round(step_flops(SMALL, 15_538, 13_400, 1_560, 4_000) / 1e9)
    281
    """
    layer = 12 * size.width**2
    encoders = layer * (size.event_layers * (tokens + events) + size.history_layers * events)
    head = (3 * size.width**2 + size.width * vocabulary) * values
    return 6.0 * (encoders + head)


def matrix_rate(device: torch.device) -> float:
    """FLOPs a second of large products, in bf16 on a GPU and fp32 on a CPU."""
    on_gpu = device.type == "cuda"
    side, kind = (8192, torch.bfloat16) if on_gpu else (2048, torch.float32)
    one, other = torch.randn(2, side, side, device=device).to(kind).unbind()
    rates = []
    for _ in range(WARM + ROUNDS):
        start = time.perf_counter()
        one @ other
        if on_gpu:
            torch.cuda.synchronize(device)
        rates.append(2 * side**3 / (time.perf_counter() - start))
    return statistics.median(rates[WARM:])
