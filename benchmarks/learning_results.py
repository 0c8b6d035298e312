"""What a long benchmark has found so far: an interrupted run is not taken again."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path

Found = dict[str, float]


class Results:
    """Figures by name, in one file."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._found = self._read()

    def once(self, name: str, measure: Callable[[], Found]) -> Found:
        """The figures of this name, measured unless they are there."""
        if name not in self._found:
            print(f"== {name}", file=sys.stderr, flush=True)
            measured = measure()
            # Another process may have written in between: parts run side by side.
            self._found = {**self._read(), name: measured}
            self._path.write_text(json.dumps(self._found, indent=1) + "\n")
        return self._found[name]

    def _read(self) -> dict[str, Found]:
        return json.loads(self._path.read_text()) if self._path.is_file() else {}

    def get(self, name: str) -> Found | None:
        """The figures of this name, if they are there."""
        return self._found.get(name)
