"""The models that a process has loaded, by their ids in the registry of its warehouse."""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path

from pragma_sql.formats.bundle import open_bundle
from pragma_sql.serving.online import RecordScorer
from pragma_sql.warehouse.registry import current_bundle, registered_bundle

LOADED = 2
"""Models that stay loaded: the current one, and one that it is compared with."""


class Models:
    """Registered models, each loaded when it is first asked for; threads may share them."""

    def __init__(self, warehouse: Callable[[], Path]) -> None:
        """`warehouse` gives the DuckDB file that the registry lies beside."""
        self._warehouse = warehouse
        self._lock = threading.Lock()
        self._load = lru_cache(maxsize=LOADED)(lambda folder: RecordScorer(open_bundle(folder)))

    def current(self) -> RecordScorer:
        """The model that `embed` uses; raises where none is registered or its files are changed."""
        return self._loaded(current_bundle(self._warehouse()))

    def of(self, model_id: str) -> RecordScorer:
        """A registered model; raises where there is none of this id."""
        return self._loaded(registered_bundle(self._warehouse(), model_id))

    def forget(self) -> None:
        """Let go of the loaded models; one that is asked for again is loaded again."""
        with self._lock:
            self._load.cache_clear()

    def _loaded(self, folder: Path) -> RecordScorer:
        with self._lock:
            return self._load(folder)
