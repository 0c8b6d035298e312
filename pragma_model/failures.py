"""What goes wrong outside a run's own doing, said as what to do about it."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager

import torch

from pragma_model.settings import TrainSettings
from pragma_sql.errors import PragmaError

NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


@contextmanager
def explained(settings: TrainSettings) -> Iterator[None]:
    """Turn a lack of memory or disk into a sentence.

    Raises:
        PragmaError: instead of what torch or the system raise.
    """
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        if not _is_out_of_memory(error):
            raise
        more = 2 * settings.accumulation
        raise PragmaError(
            f"out of memory with {settings.budget:,} tokens a batch at size {settings.size}",
            f"--budget {settings.budget // 2} --accumulation {more} trains alike in about half the "
            "memory; --recompute lowers it further",
        ) from error
    except OSError as error:
        if error.errno not in NO_ROOM:
            raise
        raise PragmaError(
            f"no room on the disk for {error.filename or 'the run'}: {error.strerror}",
            "make room, then the same command with --resume",
        ) from error


def _is_out_of_memory(error: MemoryError | RuntimeError) -> bool:
    signs = ("can't allocate memory", "not enough memory")
    kinds = (MemoryError, torch.OutOfMemoryError)
    return isinstance(error, kinds) or any(sign in str(error) for sign in signs)
