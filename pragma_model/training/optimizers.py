"""Muon for the matrices of the encoders, AdamW for the rest, one schedule for both."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator

import torch
from torch import Tensor, nn
from torch.distributed.tensor import DTensor, distribute_tensor
from torch.optim import AdamW, Muon

from pragma_model.model.model import PragmaModel
from pragma_model.training.settings import TrainSettings


class BatchedMuon(Muon):
    """`torch.optim.Muon`, with the same state, settings and steps, on batches of matrices.

    torch processes one matrix at a time, in bfloat16. A CPU without bfloat16 units took longer for
    that than for the weights' gradients, so CPUs use single precision.
    """

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]
        """Make one step; a closure is not supported."""
        if any(isinstance(p, DTensor) for group in self.param_groups for p in group["params"]):
            # Orthogonalisation needs complete matrices; torch gathers the shards of each.
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
    """The factor of the rate for a shape, by the rules of `torch.optim.Muon`."""
    rows, columns = shape
    if rule == "match_rms_adamw":
        return 0.2 * math.sqrt(max(rows, columns))
    return math.sqrt(max(1.0, rows / columns))


class Optimizers:
    """Both optimizers of a run as one."""

    def __init__(self, model: PragmaModel, settings: TrainSettings) -> None:
        # Muon is for maps between hidden states, which are the encoders' matrices.
        encoders = (model.event_encoder, model.profile_encoder, model.history_encoder)
        hidden = [p for encoder in encoders for p in encoder.parameters() if p.ndim == 2]
        chosen = set(map(id, hidden))
        rest = [p for p in model.parameters() if id(p) not in chosen and p.requires_grad]

        size, decay = model.size, settings.weight_decay
        self._muon = BatchedMuon(hidden, lr=size.muon_learning_rate, weight_decay=decay)
        self._adamw = AdamW(rest, lr=size.learning_rate, weight_decay=decay, fused=True)
        self._peaks = ((self._muon, size.muon_learning_rate), (self._adamw, size.learning_rate))
        self._names = dict(model.named_parameters())
        self._parameters = [*hidden, *rest]
        self._settings = settings

    def step(self, step: int) -> float | None:
        """Clip the gradients and make one step with them.

        Args:
            step: number of the step, from 0; decides the rates.

        Returns:
            The learning rate of AdamW; None if the gradients are not finite, and nothing was
            changed.
        """
        norm = nn.utils.clip_grad_norm_(self._parameters, self._settings.clip)
        if not math.isfinite(float(whole(norm))):
            return None
        share = schedule(step, self._settings.steps, self._settings.warm_up)
        for optimizer, peak in self._peaks:
            for group in optimizer.param_groups:
                group["lr"] = peak * share
        self._muon.step()
        self._adamw.step()
        return self._peaks[1][1] * share

    def clear(self) -> None:
        """Reset the gradients."""
        self._muon.zero_grad()
        self._adamw.zero_grad()

    def state(self) -> Iterator[tuple[str, Tensor]]:
        """The state of both for each parameter, as `<what>/<parameter>` and gathered tensor."""
        for name, parameter in self._names.items():
            for optimizer, _ in self._peaks:
                for what, value in sorted(optimizer.state.get(parameter, {}).items()):
                    yield f"{what}/{name}", whole(value)

    def load(self, state: dict[str, Tensor]) -> None:
        """Load what `state` gave."""
        adamw = {id(p) for group in self._adamw.param_groups for p in group["params"]}
        for key, value in state.items():
            what, name = key.split("/")
            parameter = self._names[name]
            optimizer = self._adamw if id(parameter) in adamw else self._muon
            shared = like(value, parameter) if value.shape == parameter.shape else value
            optimizer.state[parameter][what] = shared.to(parameter.device)


def whole(tensor: Tensor) -> Tensor:
    """The complete tensor from its shards; all processes must call this."""
    return tensor.full_tensor() if isinstance(tensor, DTensor) else tensor


def like(tensor: Tensor, parameter: Tensor) -> Tensor:
    """The shard of a complete tensor for this process, sharded like the parameter."""
    if not isinstance(parameter, DTensor):
        return tensor.clone()
    # Each process has read the complete tensor, so none needs to send it.
    mesh, placements = parameter.device_mesh, parameter.placements
    return distribute_tensor(tensor.to(parameter.device), mesh, placements, src_data_rank=None)


def whole_weights(model: nn.Module) -> dict[str, Tensor]:
    """All weights on the CPU; all processes must call this."""
    return {name: whole(p.detach()).cpu() for name, p in model.named_parameters()}


def load_weights(model: nn.Module, weights: dict[str, Tensor]) -> None:
    """Set each parameter from a complete tensor."""
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            parameter.copy_(like(weights[name], parameter))


def schedule(step: int, steps: int, warm_up: float) -> float:
    """Share of the peak rate in steps 0 to `steps - 1`: linear warm-up, then half a cosine down.

    >>> [round(schedule(step, steps=8, warm_up=0.25), 2) for step in range(8)]
    [0.5, 1.0, 0.95, 0.81, 0.61, 0.39, 0.19, 0.05]
    """
    rising = max(1, round(steps * warm_up))
    if step < rising:
        return (step + 1) / rising
    return 0.5 + 0.5 * math.cos(math.pi * (step + 1 - rising) / (steps - rising + 1))
