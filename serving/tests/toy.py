"""What `toy_models.py` wrote, and `pragma serve` over it."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq
from server import ROOT, run

from pragma_sql.formats.histories import NO_TIME

Vectors = npt.NDArray[np.float32]

MOMENT = "2024-07-01"
KINDS = {"ts": np.int64, "as_of": np.int64, "ids": np.int32}


class Toy:
    """Two bundles of one tokenizer, `first` and `second`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @cached_property
    def records(self) -> Mapping[str, dict[str, object]]:
        """A record for each user."""
        found: dict[str, dict[str, object]] = json.loads((self.folder / "records.json").read_text())
        return found

    def vectors(self, run: str = "first", function: str = "embed") -> Mapping[str, Vectors]:
        """For each user what `embed(user_id)` or `embed_at(user_id, MOMENT)` gave.

        With `table`, what `vectors.latest_embeddings` holds.
        """
        found = json.loads((self.folder / "vectors.json").read_text())[run][function]
        return {user: np.asarray(vector, np.float32) for user, vector in found.items()}

    def tokens(self) -> Mapping[str, dict[str, npt.NDArray[np.generic]]]:
        """Rows of tokens.user_tokens as the inputs of `embed_tokens`, by user."""
        rows = pq.read_table(self.folder / "user_tokens.parquet").to_pylist()
        return {row["user_id"]: _tensors(row) for row in rows}

    def bundle(self, run: str) -> Path:
        return self.folder / "home" / "runs" / run / "bundle"

    def serve(self, bundle: str | Path, folder: Path) -> list[str]:
        """`pragma export-triton`: the command that it prints."""
        words = [str(ROOT / ".venv" / "bin" / "python"), "-m", "pragma_sql", "export-triton"]
        words += [str(bundle), "--out", str(folder), "--instances", "2"]
        return shlex.split(run([*words, "--home", str(self.folder / "home")]))


def _tensors(row: Mapping[str, Any]) -> dict[str, npt.NDArray[np.generic]]:
    """Arrays [1, length], as a client would make them of a row."""
    found: dict[str, npt.NDArray[np.generic]] = {}
    for name, values in row.items():
        if name in ("user_id", "split"):
            continue
        if name == "tokenizer_hash":
            found[name] = np.array([[str(values).encode()]], np.object_)
        elif "texts" in name:
            texts = [text.encode() for text in values if text is not None]
            if texts:
                found[name] = np.array([texts], np.object_)
        elif name.endswith(("ts", "as_of")):
            column = pa.array(values, pa.timestamp("us")).cast(pa.int64()).fill_null(NO_TIME)
            found[name] = column.to_numpy().astype(np.int64)[None]
        else:
            kind = np.int32 if name.endswith("_ids") else np.uint8
            found[name] = np.asarray(values, kind)[None]
    return found
