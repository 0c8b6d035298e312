"""Ctrl-C and SIGTERM ask a run to stop after the step that it is in."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

STOPPING = (signal.SIGINT, signal.SIGTERM)


class StopRequest:
    """Whether someone has asked, and by which signal."""

    number = 0

    def __bool__(self) -> bool:
        return self.number != 0


@contextmanager
def stop_requests() -> Iterator[StopRequest]:
    """Listen for a request to stop; a second one stops at once, as it does without this."""
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
