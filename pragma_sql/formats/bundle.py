"""The bundle: one folder that holds everything a trained model needs to score, guarded by hashes.

manifest.json  model.safetensors  event_encoder.onnx  user_encoder.onnx
vocabulary.parquet  bpe.json  tokenize.sql  forecast.onnx

The weights of a graph of more than a gigabyte lie beside it, in `<graph>.data`.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import ClassVar

from pragma_sql.formats.activity import HINGES_AT, ActivitySpec
from pragma_sql.formats.errors import PragmaError
from pragma_sql.formats.files import check_hashes, sha256

FORMAT_VERSION = 3
READABLE = (1, 2, FORMAT_VERSION)

TOKENIZER_FILES = ("vocabulary.parquet", "bpe.json", "tokenize.sql")
MODEL_FILES = ("model.safetensors", "event_encoder.onnx", "user_encoder.onnx")
FORECAST_FILE = "forecast.onnx"
"""Only in the bundle of a model that looks ahead: states of [USR] -> forecasts."""

AGAIN = "pragma train SHARDS"


@dataclass(frozen=True)
class BundleManifest:
    """The content of a bundle's `manifest.json`."""

    __pydantic_config__: ClassVar = {"extra": "forbid"}

    tokenizer_hash: str
    size: str
    embedding_size: int
    """Width of a user vector."""
    vocabulary_size: int
    max_events: int
    trained_until: str
    """The cut-off as an ISO moment; training saw only what was strictly before it."""
    metrics: Mapping[str, float]
    settings: Mapping[str, float | int | str]
    width: int = 0
    """Width of an event's vector; 0 in version 1, where it equals that of a user's vector."""
    readout: str = "user"
    """What a user vector is made of; see `pragma_model.model.readout`."""
    activity: ActivitySpec | None = None
    """The activity that the model is given; None if it is the paper's, or of before version 3."""
    text_encoder: str = ""
    """Name of the frozen text encoder; empty if no key uses one."""
    text_width: int = 0
    layers: Mapping[str, int] = field(default_factory=dict)
    """Depths of the encoders; empty in an older bundle, where `size` implies them."""
    files: Mapping[str, str] = field(default_factory=dict)
    """SHA-256 of every other file of the bundle, by name."""
    format_version: int = FORMAT_VERSION

    @property
    def event_size(self) -> int:
        """Width of an event's vector."""
        return self.width or self.embedding_size

    @property
    def user_states(self) -> slice | None:
        """Where the state of [USR] lies in a user vector; None if it is no part of it."""
        activity = self.activity.width if self.activity else 0
        widths = {"state": activity, "hinges": len(HINGES_AT) * activity}
        start = 0
        for block in self.readout.replace("both", "user,last").split(","):
            if block == "user":
                return slice(start, start + self.event_size)
            start += widths.get(block, self.event_size)
        return None

    @property
    def model_id(self) -> str:
        """Twelve hex digits of a hash over the files."""
        return hashlib.sha256(json.dumps(dict(sorted(self.files.items()))).encode()).hexdigest()[
            :12
        ]


@dataclass(frozen=True)
class Bundle:
    """An opened bundle: its folder and its manifest."""

    path: Path
    manifest: BundleManifest


def seal(folder: Path, manifest: BundleManifest) -> Bundle:
    """Hash the files in the folder and write the manifest."""
    more = sorted(path.name for path in folder.glob("*.onnx.data"))
    more += [FORECAST_FILE] if (folder / FORECAST_FILE).is_file() else []
    files = {name: sha256(folder / name) for name in (*TOKENIZER_FILES, *MODEL_FILES, *more)}
    sealed = BundleManifest(**{**asdict(manifest), "files": files})
    text = json.dumps({"model_id": sealed.model_id, **asdict(sealed)}, indent=2)
    (folder / "manifest.json").write_text(text + "\n")
    return Bundle(folder, sealed)


def read_manifest(folder: Path) -> BundleManifest:
    """Read a bundle's manifest without checking the other files."""
    from pragma_sql.formats.validation import Wording, validate_json

    path = folder / "manifest.json"
    if not path.is_file():
        raise PragmaError(f"{folder} is not a bundle: no manifest.json", AGAIN)
    try:
        content = json.loads(path.read_text("utf-8"))
        version = content["format_version"]
        if version not in READABLE:
            raise PragmaError(
                f"{path}: format version {version}, this program reads up to {FORMAT_VERSION}",
                "install the pragma that wrote it, or train again",
            )
        content.pop("model_id")
    except (ValueError, KeyError, TypeError) as error:
        raise PragmaError(f"{path}: not a bundle manifest ({error})", AGAIN) from None
    return validate_json(
        BundleManifest, json.dumps(content), Wording("the manifest", AGAIN, file=str(path))
    )


def open_bundle(folder: Path) -> Bundle:
    """Open a bundle, after checking every file against its hash."""
    manifest = read_manifest(folder)
    check_hashes(
        folder, dict(manifest.files), "copy the bundle again, or `pragma register` its run"
    )
    return Bundle(folder, manifest)
