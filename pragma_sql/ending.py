"""How a command ends: with what it said, or with an error in one or two lines."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from pragma_sql.errors import PragmaError


@contextmanager
def ending() -> Iterator[None]:
    """Errors as sentences, tracebacks when PRAGMA_DEBUG is set; the process ends inside."""
    try:
        with _sentences():
            yield
    except SystemExit as ended:
        if int(os.environ.get("WORLD_SIZE", "1")) == 1:
            raise
        # Threads of gloo may still hold tensors, and wait for an interpreter that waits for them.
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
    except Exception as error:  # the last net: a user gets a sentence, not a traceback
        what = " ".join(str(error).split())[:400]
        _stop(error, f"error: {type(error).__name__}: {what}\nnext: PRAGMA_DEBUG=1 shows where")


def _stop(error: BaseException, message: str) -> None:
    if os.environ.get("PRAGMA_DEBUG"):
        raise error
    print(message, file=sys.stderr)
    sys.exit(1)
