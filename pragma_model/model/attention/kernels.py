"""The choice of an attention kernel for a device."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from functools import partial

import torch
from torch import Tensor

from pragma_model.model.attention.base import Attention, Kernel, PaddedAttention, Rows
from pragma_model.model.attention.gpu import FlexRows, VarlenAttention, has_flash_package
from pragma_model.model.attention.grouped import GroupedAttention
from pragma_model.model.sizes import HEAD_WIDTH
from pragma_sql.formats.errors import PragmaError

ARRANGE: dict[Kernel, Callable[[Rows], Attention]] = {
    Kernel.PADDED: PaddedAttention,
    Kernel.GROUPED: GroupedAttention,
    Kernel.VARLEN: VarlenAttention,
    Kernel.FLASH: partial(VarlenAttention, package=True),
    Kernel.FLEX: FlexRows,
}


EXPORTED_PARTS = 8
"""Number of parts for the queries of long rows, fixed in an exported graph: scores of 6,500 events
take an eighth of the memory, and ten events are not slower."""


def build_attention(
    rows: Rows, kernel: Kernel = Kernel.AUTO, *, long_rows: bool = False
) -> Attention:
    """Lay rows out for a kernel.

    AUTO means the device's first choice, which also replaces a GPU kernel on a CPU. During an
    export every choice becomes PADDED, the only one in plain tensor algebra.

    Args:
        rows: where packed tokens lie.
        kernel: the kernel to take.
        long_rows: whether rows may have thousands of tokens.
    """
    if torch.compiler.is_exporting():
        return PaddedAttention(rows, EXPORTED_PARTS if long_rows else 1)
    if not rows.pad.is_cuda and kernel is not Kernel.PADDED:
        return GroupedAttention(rows)
    if kernel is Kernel.AUTO:
        kernel = Kernel.VARLEN if torch.is_autocast_enabled("cuda") else Kernel.FLEX
    return ARRANGE[kernel](rows)


def available(device: torch.device) -> list[Kernel]:
    """The kernels that can train on a device, the one that is likely fastest first."""
    if device.type != "cuda":
        return [Kernel.GROUPED, Kernel.PADDED]
    flash = torch.cuda.get_device_capability(device) >= (8, 0)
    gpu = [Kernel.VARLEN] * flash + [Kernel.FLASH] * (flash and has_flash_package())
    return [*gpu, Kernel.FLEX, Kernel.PADDED]


def select_kernel(name: str, device: torch.device, batches: Iterable[Rows] = ()) -> Kernel:
    """The kernel of a run: the named one, or with `auto` the fastest on the device.

    On a CPU the choice is fixed, so that runs are reproducible; on a GPU it is measured.

    Args:
        name: a `Kernel`.
        device: the device of the model.
        batches: layouts to measure on.

    Raises:
        PragmaError: there is no such kernel, or it does not run on the device.
    """
    kernels = available(device)
    if name not in list(Kernel):
        raise PragmaError(f"no attention kernel {name!r}", f"one of {', '.join(Kernel)}")
    if name != Kernel.AUTO and name not in kernels:
        raise PragmaError(
            f"attention kernel {name!r} does not train on {device}", f"one of {', '.join(kernels)}"
        )
    if name != Kernel.AUTO:
        return Kernel(name)
    if device.type != "cuda":
        return kernels[0]
    layouts = list(batches)
    return min(kernels, key=lambda kernel: sum(_seconds(kernel, rows) for rows in layouts))


def _seconds(kernel: Kernel, rows: Rows, repeats: int = 3) -> float:
    """Seconds of forward and backward passes, without the first, which may compile."""
    shape = (len(rows.unpad), 4, HEAD_WIDTH)
    device = rows.pad.device
    q, k, v = (
        torch.randn(shape, device=device, dtype=torch.bfloat16, requires_grad=True)
        for _ in range(3)
    )

    def once() -> None:
        mixed: Tensor = build_attention(rows, kernel).attend(q, k, v)
        torch.autograd.grad(mixed.float().sum(), (q, k, v))
        torch.cuda.synchronize(device)

    once()
    start = time.perf_counter()
    for _ in range(repeats):
        once()
    return (time.perf_counter() - start) / repeats
