"""Publications follow each build: their folders are recorded beside the warehouse."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path

import duckdb

from pragma_sql.formats.errors import PragmaError
from pragma_sql.formats.paths import Home
from pragma_sql.warehouse.publish import DATABASE, Published, forget_old, publish_tables
from pragma_sql.warehouse.connection import open_warehouse

HELD = (
    "contract.event_partitions",
    "tokens.profile_tokens",
    "vectors.user_embeddings",
    "vectors._embedding_state",
)
"""Tables whose content decides what is published; together they cover every event and user."""


def publish(home: Home, folder: Path | None = None, *, at_once: bool = False) -> list[Published]:
    """Publish to a folder, HOME/published by default, and record it for later builds."""
    place = (folder or home.published).resolve()
    published = publish_tables(home.warehouse, place, at_once=at_once)
    _remember(home, {**_read_places(home), str(place): _state(home)})
    return published


def republish(home: Home) -> Iterator[str]:
    """After a build: publish again to each recorded folder, if vectors changed.

    Older versions are removed at once, because an event behind them may have been deleted. Yields
    lines on what was done, and on what failed.
    """
    states = _read_places(home)
    if not states:
        return
    state = _state(home)
    for name, published in states.items():
        folder = Path(name)
        if not (folder / DATABASE).is_file():
            _remember(home, {key: one for key, one in _read_places(home).items() if key != name})
            yield f"note: {folder / DATABASE} is gone, so it is not published to any more"
        elif published == state:
            forget_old(folder, at_once=True)
        else:
            try:
                publish(home, folder, at_once=True)
            except (PragmaError, OSError) as error:
                what = error.what if isinstance(error, PragmaError) else str(error)
                yield f"warning: {folder} still holds what was published before: {what}"
                yield f"next: pragma publish --to {folder}"
            else:
                yield f"published again: {folder / DATABASE}"


def _state(home: Home) -> str:
    """A text that changes with the content that is published."""
    with open_warehouse(home.warehouse) as con:
        return " ".join(_content(con, relation) for relation in HELD)


def _content(con: duckdb.DuckDBPyConnection, relation: str) -> str:
    try:
        query = f"select count(*), bit_xor(hash(held)), sum(hash(held)) from {relation} as held"  # noqa: S608
        return "-".join(str(value) for value in con.execute(query).fetchall()[0])
    except duckdb.CatalogException:
        return "none"


def _file(home: Home) -> Path:
    return home.root / "published.json"


def _read_places(home: Home) -> Mapping[str, str]:
    """Folder -> the state that was published to it, which is unknown for an old HOME/published.

    A copy of a home does not publish to the original's folders, except HOME/published.
    """
    known: dict[str, str] = {}
    if (home.published / DATABASE).is_file():
        known[str(home.published)] = ""
    try:
        content = json.loads(_file(home).read_text(encoding="utf-8"))
        states = {str(name): str(state) for name, state in content["folders"].items()}
        return {**known, **states} if content["home"] == str(home.root) else known
    except FileNotFoundError:
        return known
    except (ValueError, AttributeError, KeyError, TypeError):
        raise PragmaError(
            f"{_file(home)} is damaged: it names the folders that builds publish to",
            "remove it, then pragma publish, once for each folder",
        ) from None


def _remember(home: Home, states: Mapping[str, str]) -> None:
    draft = _file(home).with_suffix(".draft")
    content = {"home": str(home.root), "folders": states}
    draft.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    os.replace(draft, _file(home))
