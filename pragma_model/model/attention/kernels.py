"""Which attention kernel runs where."""

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
"""Parts that an exported graph takes the queries of long rows in. The number is fixed in the graph:
scores of 6,500 events take an eighth of the memory, and ten events lose no time."""


def arrange(rows: Rows, kernel: Kernel = Kernel.AUTO, *, long_rows: bool = False) -> Attention:
    """Rows as the kernel wants them.

    AUTO is the first choice of the device, and so is a kernel for a GPU where the rows are on a
    CPU. While a graph is exported every choice is PADDED, the one that is plain tensor algebra.

    Args:
        rows: where packed tokens lie.
        kernel: the kernel to take.
        long_rows: may rows have thousands of tokens?
    """
    if torch.compiler.is_exporting():
        return PaddedAttention(rows, EXPORTED_PARTS if long_rows else 1)
    if not rows.pad.is_cuda and kernel is not Kernel.PADDED:
        return GroupedAttention(rows)
    if kernel is Kernel.AUTO:
        kernel = Kernel.VARLEN if torch.is_autocast_enabled("cuda") else Kernel.FLEX
    return ARRANGE[kernel](rows)


def available(device: torch.device) -> list[Kernel]:
    """The kernels that train on a device, the likely fastest first."""
    if device.type != "cuda":
        return [Kernel.GROUPED, Kernel.PADDED]
    flash = torch.cuda.get_device_capability(device) >= (8, 0)
    gpu = [Kernel.VARLEN] * flash + [Kernel.FLASH] * (flash and has_flash_package())
    return [*gpu, Kernel.FLEX, Kernel.PADDED]


def chosen(name: str, device: torch.device, batches: Iterable[Rows] = ()) -> Kernel:
    """The kernel of a run: the one that is named, or with `auto` the fastest of the device.

    On a CPU that is known, and so is every number of a run; on a GPU it is measured.

    Args:
        name: a `Kernel`.
        device: where the model lives.
        batches: layouts to measure on.

    Raises:
        PragmaError: no kernel of this name, or none that runs on the device.
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
    """Forward and backward, without the first time, which may compile."""
    shape = (len(rows.unpad), 4, HEAD_WIDTH)
    device = rows.pad.device
    q, k, v = (
        torch.randn(shape, device=device, dtype=torch.bfloat16, requires_grad=True)
        for _ in range(3)
    )

    def once() -> None:
        mixed: Tensor = arrange(rows, kernel).attend(q, k, v)
        torch.autograd.grad(mixed.float().sum(), (q, k, v))
        torch.cuda.synchronize(device)

    once()
    start = time.perf_counter()
    for _ in range(repeats):
        once()
    return (time.perf_counter() - start) / repeats
