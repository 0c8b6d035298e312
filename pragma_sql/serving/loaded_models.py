"""The models that a process has loaded, by their ids in the warehouse's registry."""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path

from pragma_sql.formats.bundle import open_bundle
from pragma_sql.serving.online import RecordScorer
from pragma_sql.warehouse.registry import current_bundle, registered_bundle

MAX_LOADED_MODELS = 2
"""Models that stay loaded: the current one, and one to compare it with."""


class Models:
    """Registered models, each loaded at its first use; threads may share them."""

    def __init__(self, warehouse: Callable[[], Path]) -> None:
        """`warehouse` gives the DuckDB file, which the registry lies beside."""
        self._warehouse = warehouse
        self._lock = threading.Lock()
        self._load = lru_cache(maxsize=MAX_LOADED_MODELS)(
            lambda folder: RecordScorer(open_bundle(folder))
        )

    def current(self) -> RecordScorer:
        """The model that `embed` uses; raises if there is none, or if its files have changed."""
        return self._loaded(current_bundle(self._warehouse()))

    def of(self, model_id: str) -> RecordScorer:
        """A registered model; raises if no model has this id."""
        return self._loaded(registered_bundle(self._warehouse(), model_id))

    def forget(self) -> None:
        """Release the loaded models; a model is loaded again at its next use."""
        with self._lock:
            self._load.cache_clear()

    def _loaded(self, folder: Path) -> RecordScorer:
        with self._lock:
            return self._load(folder)
