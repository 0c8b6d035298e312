"""The parsed dbt project, kept between builds.

Parsing takes a third of the time of a build before it touches data. dbt keeps its own result beside
each warehouse and discards it when any var differs; the cache here serves every warehouse.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator
from contextlib import suppress
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING
from platformdirs import user_cache_path
from pragma_sql.datasets.dataset import Variables
from pragma_sql.warehouse.gc_paused import without_collecting
if TYPE_CHECKING:
    from dbt.contracts.graph.manifest import Manifest
import re
from pragma_sql.formats.errors import PragmaError
from pragma_sql.formats.paths import Home

PARSED_WITH = (
    *("dataset", "book", "candidate", "check_all_events", "embedding_size", "purchase_cards_path"),
    *("quarantine",),
    *("map_clusters", "map_users"),
    *("neighbours", "neighbours_exact_users", "neighbours_index_users"),
)
"""Vars that decide which models exist, their order and their settings. All others are read when a
model's SQL is rendered, so a cached project stays valid when they change."""

PARTS = ("dbt-core", "dbt-duckdb", "duckdb")
MAX_PARSED = 20
"""Most parsed projects in the cache: one for each set of these vars."""


class ParsedProject:
    """Our dbt project in one folder, as dbt parses it with certain vars."""

    def __init__(self, project: Path, variables: Variables) -> None:
        structural = {name: variables.get(name) for name in PARSED_WITH}
        # A parsed project holds its path, from which dbt reads the seeds.
        parts = [str(project), *map(version, PARTS), structural]
        digest = hashlib.sha256(json.dumps(parts).encode())
        for path in _project_files(project):
            digest.update(f"{path.relative_to(project)}\0{path.stat().st_size}\0".encode())
            digest.update(path.read_bytes())
        self._folder = user_cache_path("pragma") / "dbt"
        self.file = self._folder / f"{digest.hexdigest()[:32]}.msgpack"

    def load(self) -> Manifest | None:
        """The cached project; None if there is none, or if it cannot be read."""
        with without_collecting():
            from dbt.contracts.graph.manifest import Manifest
            from dbt.parser.manifest import extended_mashumuro_decoder

            try:
                manifest = Manifest.from_msgpack(
                    self.file.read_bytes(), decoder=extended_mashumuro_decoder
                )
            except Exception:  # whatever is wrong with the cache, dbt can parse again
                return None
            manifest.build_flat_graph()  # type: ignore[no-untyped-call]
        with suppress(OSError):
            os.utime(self.file)
        return manifest

    def keep(self, target: Path) -> None:
        """Cache the project that dbt has just parsed into its target folder, if the disk allows."""
        with suppress(OSError):
            self._folder.mkdir(parents=True, exist_ok=True)
            draft = self.file.with_suffix(f".{os.getpid()}")
            draft.write_bytes((target / "partial_parse.msgpack").read_bytes())
            draft.replace(self.file)
            kept = sorted(self._folder.glob("*.msgpack"), key=lambda file: file.stat().st_mtime)
            for file in kept[:-MAX_PARSED]:
                file.unlink()


def _project_files(project: Path) -> Iterator[Path]:
    """The files that dbt parses, without those that it wrote itself."""
    for folder, folders, names in os.walk(project, followlinks=True):
        folders[:] = sorted(set(folders) - {"target", "logs", "dbt_packages", "__pycache__"})
        yield from (Path(folder) / name for name in sorted(names) if not name.startswith("."))


def readable(message: str, home: Home) -> PragmaError:
    """Dbt's message of a failure without the tracebacks, which are in the log."""
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
    spent = re.search(r"in model (?P<model>\S+) .*Out of Memory Error", message, re.S)
    if spent:
        limit = os.environ.get("PRAGMA_MEMORY_LIMIT", "2GB")
        return PragmaError(
            f"model {spent['model']} needs more memory than the {limit} that DuckDB may take",
            "allow more, PRAGMA_MEMORY_LIMIT=4GB pragma build, "
            "or let models wait for each other, PRAGMA_DBT_THREADS=1",
        )
    unread = re.search(
        r"in model (file_partitions|changed_partitions|new_events) \([^)]*\)\s+(?P<why>.*)",
        message,
        re.S,
    )
    if unread:
        return PragmaError(
            f"contract.events cannot be read: {' '.join(unread['why'].split())}",
            "fix its source, then run `pragma validate`",
        )
    if "lock on file" in message:
        return PragmaError(
            f"{home.warehouse} is open in another process", "close it, then build again"
        )
    return PragmaError(
        " ".join(lines[:4]),
        f"fix the model or its source; dbt's log: {home.dbt / 'logs' / 'dbt.log'}",
    )
