"""What ends a run early: Ctrl-C and SIGTERM, and a lack of memory or disk."""

from __future__ import annotations

import errno
import os
import re
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

import torch
from safetensors import SafetensorError

from pragma_model.training.settings import TrainSettings
from pragma_sql.formats.errors import PragmaError

STOPPING = (signal.SIGINT, signal.SIGTERM)


class StopRequest:
    """Whether a stop was asked for, and by which signal."""

    number = 0

    def __bool__(self) -> bool:
        return self.number != 0


@contextmanager
def stop_requests() -> Iterator[StopRequest]:
    """Listen for a request to stop; a second request stops at once, as without this."""
    request = StopRequest()
    if threading.current_thread() is not threading.main_thread():
        yield request
        return
    before = {number: signal.getsignal(number) for number in STOPPING}

    def put_back() -> None:
        for number, handler in before.items():
            signal.signal(number, handler)

    def ask(number: int, _: FrameType | None) -> None:
        request.number = number
        put_back()

    for number in STOPPING:
        signal.signal(number, ask)
    try:
        yield request
    finally:
        put_back()


NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


@contextmanager
def explain_errors(settings: TrainSettings, next_attempt: Callable[[], str]) -> Iterator[None]:
    """Turn a lack of memory or disk into a sentence.

    Args:
        settings: the settings of the run.
        next_attempt: gives the command to resume once there is room.

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
            f"--overwrite --batch-tokens {settings.budget // 2} --grad-accum {more} trains alike "
            "in about half the memory; --activation-checkpointing lowers it further",
        ) from error
    except (OSError, SafetensorError) as error:
        failed = as_os_error(error) if isinstance(error, SafetensorError) else error
        if failed.errno not in NO_ROOM:
            raise
        raise PragmaError(
            f"no room on the disk for {failed.filename or 'the run'}: {failed.strerror}",
            f"make room, then {next_attempt()}",
        ) from error


def _is_out_of_memory(error: MemoryError | RuntimeError) -> bool:
    signs = ("can't allocate memory", "not enough memory")
    kinds = (MemoryError, torch.OutOfMemoryError)
    return isinstance(error, kinds) or any(sign in str(error) for sign in signs)


def as_os_error(error: SafetensorError) -> OSError:
    """The OSError behind an error of safetensors, which names `os error 28` only in its text."""
    found = re.search(r"os error (\d+)", str(error), re.I)
    number = int(found.group(1)) if found else errno.EIO
    return OSError(number, os.strerror(number))
