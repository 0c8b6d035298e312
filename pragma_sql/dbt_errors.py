"""What dbt says of a failure, in a sentence and a next step."""

from __future__ import annotations

import re

from pragma_sql.errors import PragmaError
from pragma_sql.home import Home


def readable(message: str, home: Home) -> PragmaError:
    """Dbt's account of a failure, without the tracebacks: they are in the log."""
    ours = re.search(r"PragmaError: (?P<what>.*?)(?:\n\s*next: (?P<next>[^\n]*)|$)", message, re.S)
    if ours:
        what = "\n".join(line.strip() for line in ours["what"].strip().splitlines())
        return PragmaError(what, (ours["next"] or "").strip())
    lines = [line.strip() for line in message.splitlines() if line.strip()]
    if re.search("no space left|disk is full|disk full", message, re.I):
        return PragmaError(
            f"the disk of {home.root} is full; the tables are as they were",
            "free some space, then build again",
        )
    unread = re.search(
        r"in model (file_partitions|changed_partitions|new_events) \([^)]*\)\s+(?P<why>.*)",
        message,
        re.S,
    )
    if unread:
        return PragmaError(
            f"contract.events cannot be read: {' '.join(unread['why'].split())}",
            "mend its source, then run `pragma validate`",
        )
    if "lock on file" in message:
        return PragmaError(
            f"{home.warehouse} is open in another process", "close it, then build again"
        )
    return PragmaError(
        " ".join(lines[:4]),
        f"mend the model or its source; dbt's log: {home.dbt / 'logs' / 'dbt.log'}",
    )
