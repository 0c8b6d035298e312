"""The processes of one run: a single one, or those that `torchrun` started."""

from __future__ import annotations

import gc
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from traceback import clear_frames

import torch
import torch.distributed as dist

from pragma_sql.formats.errors import PragmaError


@dataclass(frozen=True)
class DistributedContext:
    """One process among those of a run."""

    rank: int
    count: int
    device: torch.device

    @property
    def is_rank_zero(self) -> bool:
        """Whether this process writes files and prints."""
        return self.rank == 0

    def all_reduce_sum(self, values: Sequence[float]) -> list[float]:
        """The sum of each value over all processes; all of them must call this."""
        if self.count == 1:
            return list(values)
        summed = torch.tensor(values, dtype=torch.float64, device=self.device)
        dist.all_reduce(summed)
        found: list[float] = summed.tolist()
        return found

    def all_reduce_in_place(self, counts: torch.Tensor) -> None:
        """Replace counts by their sum over all processes; all of them must call this."""
        if self.count > 1:
            dist.all_reduce(counts)

    def all_reduce_max(self, value: int) -> int:
        """The largest value over all processes; all of them must call this."""
        if self.count == 1:
            return value
        found = torch.tensor(value, device=self.device)
        dist.all_reduce(found, dist.ReduceOp.MAX)
        return int(found)

    def barrier(self) -> None:
        """Wait until all processes have called this."""
        self.all_reduce_sum([0.0])


@contextmanager
def init_distributed(next_attempt: Callable[[], str]) -> Iterator[DistributedContext]:
    """Join the processes that `torchrun` started, if it did.

    Args:
        next_attempt: gives the command to resume when a process is gone.

    Raises:
        PragmaError: another process of the run ended.
    """
    rank, count = int(os.environ.get("RANK", "0")), int(os.environ.get("WORLD_SIZE", "1"))
    device = torch.device("cpu")
    if torch.cuda.is_available():
        device = torch.device("cuda", int(os.environ.get("LOCAL_RANK", "0")))
        torch.cuda.set_device(device)
    if count == 1:
        yield DistributedContext(rank, count, device)
        return
    dist.init_process_group("nccl" if device.type == "cuda" else "gloo")
    try:
        yield DistributedContext(rank, count, device)
    except BaseException as error:
        _release(error)
        if not isinstance(error, RuntimeError) or not _is_lost_peer(error):
            raise
        raise PragmaError(
            "another process of the run went away, and the others stop",
            next_attempt(),
        ) from error
    finally:
        # Gloo's threads need the interpreter's lock to free the tensors of their last work. A group
        # that is freed with a wrapped model holds that lock, and would wait for them forever.
        gc.collect()
        dist.destroy_process_group()


def _release(error: BaseException) -> None:
    """Release the local variables of the functions that an error ended."""
    link: BaseException | None = error
    while link is not None:
        clear_frames(link.__traceback__)
        link = link.__cause__ or link.__context__


def _is_lost_peer(error: RuntimeError) -> bool:
    signs = ("Connection closed by peer", "Connection reset by peer", "Broken pipe", "Timed out")
    return isinstance(error, dist.DistError) or any(sign in str(error) for sign in signs)
