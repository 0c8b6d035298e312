"""The batched Muon takes the steps of torch's own."""

from __future__ import annotations

import torch
from torch import nn
from torch.optim import Muon, Optimizer

from pragma_model.training.optimizers import BatchedMuon, orthogonal

SHAPES = [(8, 8), (32, 8), (8, 32), (8, 8), (32, 8)]


def walked(kind: type[Muon], **settings: float | str | bool) -> list[torch.Tensor]:
    """Parameters after five steps along given gradients."""
    torch.manual_seed(0)
    parameters = [nn.Parameter(torch.randn(shape)) for shape in SHAPES]
    optimizer: Optimizer = kind(parameters, lr=0.02, weight_decay=0.1, **settings)  # type: ignore[arg-type]
    for _ in range(5):
        for parameter in parameters:
            parameter.grad = torch.randn_like(parameter)
        optimizer.step()
    return [parameter.detach() for parameter in parameters]


def test_steps_are_those_of_torch_but_for_its_rounding_to_bfloat16() -> None:
    for settings in ({}, {"nesterov": False}, {"adjust_lr_fn": "match_rms_adamw"}):
        for one, other in zip(
            walked(BatchedMuon, **settings), walked(Muon, **settings), strict=True
        ):
            torch.testing.assert_close(one, other, atol=0.004, rtol=0)


def test_newton_schulz_brings_singular_values_near_one() -> None:
    torch.manual_seed(0)
    for shape in ((3, 16, 48), (3, 48, 16)):
        values = torch.linalg.svdvals(
            orthogonal(torch.randn(shape), (3.4445, -4.775, 2.0315), 5, 1e-7)
        )
        assert float(values.min()) > 0.5
        assert float(values.max()) < 1.5


def test_state_is_that_of_torch() -> None:
    parameter = nn.Parameter(torch.ones(4, 4))
    parameter.grad = torch.ones(4, 4)
    states = []
    for kind in (BatchedMuon, Muon):
        optimizer = kind([parameter], lr=0.0)
        optimizer.step()  # type: ignore[no-untyped-call]
        states.append(optimizer.state_dict())
    mine, theirs = states
    assert mine["param_groups"] == theirs["param_groups"]
    torch.testing.assert_close(mine["state"], theirs["state"])


def test_a_matrix_without_a_gradient_stays() -> None:
    parameter = nn.Parameter(torch.ones(4, 4))
    BatchedMuon([parameter], lr=1.0).step()
    assert torch.equal(parameter, torch.ones(4, 4))
