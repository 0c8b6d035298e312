"""Which bundles a warehouse knows, and which of them `embed` uses.

Bundles lie beside the warehouse file; `Home` says where, and which of them is current.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

import duckdb
import pyarrow as pa

from pragma_sql.formats.activity import FORECAST_TYPE
from pragma_sql.formats.bundle import Bundle, open_bundle, read_manifest
from pragma_sql.formats.errors import PragmaError
from pragma_sql.formats.files import replaced_folder
from pragma_sql.formats.paths import Home
from pragma_sql.warehouse.promote import put_into_force, schema_of
from pragma_sql.warehouse.render import load_macros
from pragma_sql.warehouse.connection import open_warehouse, read_tokenizer

MODEL_ID = re.compile("[0-9a-f]{12}")
"""The form of a registered bundle's folder name, which drafts do not have."""

_USER = "STRUCT(user_id VARCHAR, moment TIMESTAMP, model_id VARCHAR)"

CALLED = {
    "embed_user": (_USER, "FLOAT[]"),
    "embed_record": ("STRUCT(record VARCHAR)", "FLOAT[]"),
    "forecast_user": (_USER, FORECAST_TYPE),
}
"""The functions behind `embed`, `forecast` and the like, which must exist when those are created:
name -> SQL types of the parameter and of the result."""

REGISTERED = "registered"
"""The file in a registered bundle's folder with the time when it was last made current."""

MODELS = pa.schema(
    {
        "model_id": pa.string(),
        "is_current": pa.bool_(),
        "status": pa.string(),
        "problem": pa.string(),
        "tokenizer_hash": pa.string(),
        "hashes": pa.map_(pa.string(), pa.string()),
        "size": pa.string(),
        "embedding_size": pa.int32(),
        "trained_until": pa.string(),
        "created": pa.timestamp("us"),
        "registered": pa.timestamp("us"),
        "metrics": pa.map_(pa.string(), pa.float64()),
    }
)


def register_bundle(bundle: Bundle, warehouse: Path) -> str:
    """Copy a bundle into the registry and make it current; returns its model id.

    A bundle that is registered already is only made current. `vectors.models` shows it at once, or
    after the next build if another process has the warehouse open.

    A bundle of a refit's candidate, or of an earlier tokenizer, puts that one into force; the next
    build makes its tokens.

    Raises:
        PragmaError: the bundle was trained on a tokenizer that the warehouse does not have.
    """
    manifest, home = bundle.manifest, _home(warehouse)
    folder = home.bundles / manifest.model_id
    with open_warehouse(warehouse) as con:
        tokenizer_hash = read_tokenizer(con).tokenizer_hash
    is_other = manifest.tokenizer_hash != tokenizer_hash
    waiting = schema_of(warehouse, manifest.tokenizer_hash) if is_other else None
    if is_other and waiting is None:
        raise PragmaError(
            f"{bundle.path}: trained on tokenizer {manifest.tokenizer_hash[:12]}, "
            f"but this warehouse's tokens are of {tokenizer_hash[:12]}",
            "train on the present tokens: pragma shards, then pragma train",
        )
    if bundle.path.resolve() != folder.resolve():
        with replaced_folder(folder) as draft:
            shutil.copytree(bundle.path, draft, dirs_exist_ok=True)
    if waiting is not None:
        # Only after the copy, which may fail, because an active tokenizer needs its model.
        put_into_force(warehouse, waiting)
    now = datetime.now(UTC).replace(tzinfo=None)
    (folder / REGISTERED).write_text(now.isoformat() + "\n")
    draft = home.bundles / ".current"
    draft.write_text(manifest.model_id + "\n")
    os.replace(draft, home.pointer)
    _show(warehouse)
    return manifest.model_id


def find_bundle(run: str, runs: Path) -> Path:
    """A bundle by the name of its run, by the path of a run or bundle, or by its id."""
    registered = runs.parent / "bundles"
    for folder in (runs / run / "bundle", Path(run) / "bundle", Path(run), registered / run):
        if (folder / "manifest.json").is_file():
            return folder
    known = ", ".join(sorted(path.parent.name for path in runs.glob("*/bundle"))) or "none"
    models = ", ".join(sorted(path.name for path in registered.glob("[0-9a-f]*")))
    raise PragmaError(
        f"there is no run '{run}' with a bundle; runs: {known}; models: {models or 'none'}",
        "pragma train SHARDS",
    )


def current_bundle(warehouse: Path) -> Path:
    """The folder of the bundle that `embed` uses; raises if there is none."""
    current = _home(warehouse).current_model
    if current is None:
        raise PragmaError(
            "embed: no model is registered for this warehouse",
            "pragma train, then pragma register RUN",
        )
    return registered_bundle(warehouse, current)


def registered_bundle(warehouse: Path, model_id: str) -> Path:
    """The folder of the bundle with this id; raises if there is none."""
    folder = _home(warehouse).bundles / model_id
    if folder not in (folders := _folders(warehouse)):
        known = ", ".join(path.name for path in folders) or "none"
        raise PragmaError(
            f"no model '{model_id[:40]}' is registered; there are: {known}", "pragma register RUN"
        )
    return folder


def registered_models(warehouse: Path, tokenizer_hash: str) -> pa.Table:
    """The registry as `vectors.models` shows it, after checking every bundle's hashes.

    The status is `current`, `available`, `other tokenizer` (the model cannot score tokens of the
    given tokenizer), or `broken`, for a reason given in `problem`.
    """
    current = _home(warehouse).current_model
    rows = [_row(folder, folder.name == current, tokenizer_hash) for folder in _folders(warehouse)]
    return pa.Table.from_pylist(rows, schema=MODELS)


def models_of(warehouse: Path) -> pa.Table:
    """The registry of a warehouse, see `registered_models`."""
    with open_warehouse(warehouse) as con:
        tokenizer_hash = read_tokenizer(con).tokenizer_hash
    return registered_models(warehouse, tokenizer_hash)


def _row(folder: Path, is_current: bool, tokenizer_hash: str) -> dict[str, object]:
    written = (folder / "manifest.json").stat().st_mtime
    row: dict[str, object] = {
        "model_id": folder.name,
        "is_current": is_current,
        "created": datetime.fromtimestamp(written, UTC).replace(tzinfo=None),
        "registered": _registered_models(folder),
    }
    try:
        manifest = read_manifest(folder)
        row |= {
            "tokenizer_hash": manifest.tokenizer_hash,
            "hashes": list(manifest.files.items()),
            "size": manifest.size,
            "embedding_size": manifest.embedding_size,
            "trained_until": manifest.trained_until,
            "metrics": [(name, float(value)) for name, value in manifest.metrics.items()],
        }
        open_bundle(folder)
    except PragmaError as error:
        return row | {"status": "broken", "problem": error.what}
    if manifest.tokenizer_hash != tokenizer_hash:
        return row | {"status": "other tokenizer"}
    return row | {"status": "current" if is_current else "available"}


def _registered_models(folder: Path) -> datetime | None:
    """When the bundle was last made current; None if no `pragma register` recorded it."""
    try:
        return datetime.fromisoformat((folder / REGISTERED).read_text().strip())
    except (OSError, ValueError):
        return None


def _show(warehouse: Path) -> None:
    """Write `vectors.models` and the SQL functions, unless the warehouse is open elsewhere."""
    try:
        con = duckdb.connect(str(warehouse))
    except (duckdb.IOException, duckdb.ConnectionException):
        return
    try:
        models = registered_models(warehouse, read_tokenizer(con).tokenizer_hash)
        con.execute("create schema if not exists vectors")
        con.register("registered_models", models)
        con.execute("create or replace table vectors.models as from registered_models")
        for name, (given, returned) in CALLED.items():
            con.create_function(
                name, lambda _asked: None, [duckdb.sqltype(given)], duckdb.sqltype(returned)
            )
        for function in _functions(models.to_pylist()):
            con.execute(function)
    finally:
        con.close()


def _functions(models: Sequence[Mapping[str, object]]) -> Iterator[str]:
    """SQL that creates `embed` and the like with the current model's width, as a build does."""
    macros = load_macros()
    (width,) = [model["embedding_size"] for model in models if model["is_current"]]
    one = all(model["embedding_size"] == width for model in models)
    for name in ("create_embed", "create_embed_at", "create_embed_records"):
        yield macros[name](width)
    yield macros["create_embed_with"](width if one else None)
    yield macros["create_forecast"]()
    yield macros["create_forecast_at"]()


def _home(warehouse: Path) -> Home:
    return Home(warehouse.parent)


def _folders(warehouse: Path) -> list[Path]:
    found = (path.parent for path in _home(warehouse).bundles.glob("*/manifest.json"))
    return sorted(folder for folder in found if MODEL_ID.fullmatch(folder.name))
