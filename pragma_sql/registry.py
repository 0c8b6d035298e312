"""Which bundles a warehouse knows, and which of them `embed` uses.

Bundles lie beside the warehouse file, `bundles/<model id>/`; the file `bundles/current` names one.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pyarrow as pa

from pragma_sql.bundle import Bundle, open_bundle
from pragma_sql.errors import PragmaError
from pragma_sql.files import replaced_folder
from pragma_sql.warehouse import opened, read_tokenizer


def register_bundle(bundle: Bundle, warehouse: Path) -> str:
    """Copy a bundle into the registry and make it current; returns its model id.

    Raises:
        PragmaError: when the bundle was trained on another tokenizer than the warehouse's.
    """
    manifest, bundles = bundle.manifest, warehouse.parent / "bundles"
    with opened(warehouse) as con:
        tokenizer_hash = read_tokenizer(con).tokenizer_hash
    if manifest.tokenizer_hash != tokenizer_hash:
        raise PragmaError(
            f"{bundle.path}: trained on tokenizer {manifest.tokenizer_hash[:12]}, "
            f"but this warehouse's tokens are of {tokenizer_hash[:12]}",
            "train on the present tokens: pragma shards, then pragma train",
        )
    with replaced_folder(bundles / manifest.model_id) as draft:
        shutil.copytree(bundle.path, draft, dirs_exist_ok=True)
    pointer = bundles / ".current"
    pointer.write_text(manifest.model_id + "\n")
    os.replace(pointer, bundles / "current")
    return manifest.model_id


def find_bundle(run: str, runs: Path) -> Path:
    """The bundle of a run, by the run's name, or by the path of a run or of a bundle."""
    for folder in (runs / run / "bundle", Path(run) / "bundle", Path(run)):
        if (folder / "manifest.json").is_file():
            return folder
    known = ", ".join(sorted(path.parent.name for path in runs.glob("*/bundle"))) or "none"
    raise PragmaError(
        f"there is no run '{run}' with a bundle; runs: {known}", "pragma train SHARDS"
    )


def current_bundle(warehouse: Path) -> Path:
    """The folder of the bundle that `embed` uses; raises when there is none."""
    pointer = warehouse.parent / "bundles" / "current"
    if not pointer.is_file():
        raise PragmaError(
            "embed: no model is registered for this warehouse",
            "pragma train, then pragma register RUN",
        )
    return pointer.parent / pointer.read_text().strip()


def registered_models(warehouse: Path) -> pa.Table:
    """The registry as `vectors.models` shows it, after checking every bundle's hashes."""
    folders = sorted(path.parent for path in warehouse.parent.glob("bundles/*/manifest.json"))
    current = current_bundle(warehouse) if folders else None
    opened = [(open_bundle(folder), folder == current) for folder in folders]
    rows = [
        {
            "model_id": bundle.manifest.model_id,
            "is_current": is_current,
            "tokenizer_hash": bundle.manifest.tokenizer_hash,
            "size": bundle.manifest.size,
            "embedding_size": bundle.manifest.embedding_size,
            "trained_until": bundle.manifest.trained_until,
            "metrics": [(name, float(value)) for name, value in bundle.manifest.metrics.items()],
        }
        for bundle, is_current in opened
    ]
    schema = pa.schema(
        {
            "model_id": pa.string(),
            "is_current": pa.bool_(),
            "tokenizer_hash": pa.string(),
            "size": pa.string(),
            "embedding_size": pa.int32(),
            "trained_until": pa.string(),
            "metrics": pa.map_(pa.string(), pa.float64()),
        }
    )
    return pa.Table.from_pylist(rows, schema=schema)
