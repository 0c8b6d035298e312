"""How a command ends: with its output, or with an error of one or two lines."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from io import BufferedWriter, FileIO, TextIOWrapper
from typing import TYPE_CHECKING, TextIO

from pragma_sql.formats.errors import PragmaError

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer


@contextmanager
def ending() -> Iterator[None]:
    """Turn errors into sentences, or tracebacks if PRAGMA_DEBUG is set; exit the process."""
    sys.stdout = _heard(sys.stdout, sys.__stdout__)
    sys.stderr = _heard(sys.stderr, sys.__stderr__)
    try:
        with _sentences():
            yield
    except SystemExit as ended:
        if int(os.environ.get("WORLD_SIZE", "1")) == 1:
            raise
        # Threads of gloo may still hold tensors; they and the exiting interpreter would deadlock.
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(ended.code if isinstance(ended.code, int) else int(ended.code is not None))


@contextmanager
def _sentences() -> Iterator[None]:
    try:
        yield
    except PragmaError as error:
        _stop(error, f"error: {error}")
    except MemoryError as error:
        _stop(error, "error: out of memory\nnext: lower PRAGMA_MEMORY_LIMIT or --budget")
    except Exception as error:  # last resort: a sentence, not a traceback
        what = " ".join(str(error).split())[:400]
        _stop(error, f"error: {type(error).__name__}: {what}\nnext: PRAGMA_DEBUG=1 shows where")


def _stop(error: BaseException, message: str) -> None:
    if os.environ.get("PRAGMA_DEBUG"):
        raise error
    print(message, file=sys.stderr)
    sys.exit(1)


class _Pipe(FileIO):
    """A stream that ends the process, as SIGPIPE would, if its reader is gone.

    An exception would not suffice: in a thread of dbt it ends only that thread, and the main thread
    waits for it forever. The signal itself would also end a server when one of its clients hangs
    up.
    """

    def write(self, data: ReadableBuffer, /) -> int:
        try:
            return super().write(data)
        except BrokenPipeError:
            os._exit(128 + signal.SIGPIPE)


def _heard(stream: TextIO, own: TextIO | None) -> TextIO:
    """The process's own stream as a `_Pipe`; any other stream is returned unchanged."""
    if stream is not own or not isinstance(stream, TextIOWrapper):
        return stream
    stream.flush()
    return TextIOWrapper(
        BufferedWriter(_Pipe(stream.fileno(), "w", closefd=False)),
        encoding=stream.encoding,
        errors=stream.errors,
        line_buffering=stream.line_buffering,
        write_through=stream.write_through,
    )
