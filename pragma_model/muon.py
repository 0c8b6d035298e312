"""Muon that orthogonalises matrices of one shape together, in the precision that is fast."""

from __future__ import annotations

import math
from collections import defaultdict

import torch
from torch import Tensor
from torch.distributed.tensor import DTensor
from torch.optim import Muon


class BatchedMuon(Muon):
    """`torch.optim.Muon` with the same state, settings and steps.

    torch takes one matrix after the other, in bfloat16. A CPU without bfloat16 units spent more on
    that than on the weights' gradients; there it is done in single precision.
    """

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]
        """Take one step; a closure is not supported."""
        if any(isinstance(p, DTensor) for group in self.param_groups for p in group["params"]):
            # A shard of a matrix is no matrix; torch brings each together.
            super().step()  # type: ignore[no-untyped-call]
            return
        for group in self.param_groups:
            alike: dict[tuple[torch.Size, torch.device], list[Tensor]] = defaultdict(list)
            for parameter in group["params"]:
                if parameter.grad is not None:
                    alike[parameter.shape, parameter.device].append(parameter)
            for (shape, _), parameters in alike.items():
                updates = orthogonal(
                    torch.stack(
                        [self._update(p, group["momentum"], group["nesterov"]) for p in parameters]
                    ),
                    group["ns_coefficients"],
                    group["ns_steps"],
                    group["eps"],
                )
                rate = group["lr"] * _share(shape, group["adjust_lr_fn"])
                for parameter, update in zip(parameters, updates, strict=True):
                    parameter.mul_(1 - group["lr"] * group["weight_decay"])
                    parameter.add_(update, alpha=-rate)

    def _update(self, parameter: Tensor, momentum: float, nesterov: bool) -> Tensor:
        gradient, state = parameter.grad, self.state[parameter]
        assert gradient is not None
        if "momentum_buffer" not in state:
            state["momentum_buffer"] = torch.zeros_like(gradient)
        buffer: Tensor = state["momentum_buffer"]
        buffer.lerp_(gradient, 1 - momentum)
        return gradient.lerp(buffer, momentum) if nesterov else buffer


def orthogonal(
    matrices: Tensor, coefficients: tuple[float, float, float], steps: int, eps: float
) -> Tensor:
    """Newton-Schulz iteration towards the nearest orthogonal matrices, [n, rows, columns].

    bfloat16 on a GPU, as the method allows; single precision on a CPU.
    """
    a, b, c = coefficients
    x = matrices.bfloat16() if matrices.is_cuda else matrices.float()
    tall = x.shape[1] > x.shape[2]
    x = x.mT if tall else x
    x = x / x.norm(dim=(1, 2), keepdim=True).clamp(min=eps)
    for _ in range(steps):
        gram = x @ x.mT
        x = torch.baddbmm(x, torch.baddbmm(gram, gram, gram, beta=b, alpha=c), x, beta=a)
    return (x.mT if tall else x).to(matrices.dtype)


def _share(shape: torch.Size, rule: str | None) -> float:
    """How the rate depends on the shape; the rules are those of `torch.optim.Muon`."""
    rows, columns = shape
    if rule == "match_rms_adamw":
        return 0.2 * math.sqrt(max(rows, columns))
    return math.sqrt(max(1.0, rows / columns))
