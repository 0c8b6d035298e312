"""A bundle and Triton's models of it, as one folder that can be moved and mounted read-only.

models/embed_records  models/embed_tokens  bundles/<model id>
"""

from __future__ import annotations

import shlex
import shutil
from dataclasses import dataclass
from pathlib import Path
from string import Template

from pragma_sql.formats.bundle import Bundle, open_bundle
from pragma_sql.formats.errors import PragmaError
from pragma_sql.formats.files import replaced_folder
from pragma_sql.formats.paths import DATA

TEMPLATES = DATA / "serving" / "triton"
CONFIG = "config.pbtxt"

SERVER_OPTIONS = (
    "--model-control-mode=explicit",
    "--load-model=*",
    "--metrics-config=summary_latencies=true",
    "--metrics-config=summary_quantiles=0.5:0.05,0.99:0.001",
)
"""Options of the server: it loads models, and reloads them, on request."""

LOOPBACK = ("--http-address=127.0.0.1", "--grpc-address=127.0.0.1", "--metrics-address=127.0.0.1")


@dataclass(frozen=True)
class TritonRepository:
    """The result of `prepare`."""

    root: Path
    bundle: Bundle

    @property
    def models(self) -> Path:
        """The folder that Triton calls a model repository."""
        return self.root / "models"

    def command(self) -> str:
        """The command that starts the server on this machine, reachable from this machine only."""
        return shlex.join(
            ["tritonserver", f"--model-repository={self.models}", *SERVER_OPTIONS, *LOOPBACK]
        )


def prepare(bundle_folder: Path, root: Path, instances: int = 2) -> TritonRepository:
    """Put a bundle and the models that serve it into a folder, or leave the folder as it was.

    A running server keeps the models that it has loaded until it is asked to reload. Bundles that
    were prepared before are kept; to go back to one, prepare it again.

    Args:
        bundle_folder: the bundle; its files and the copies are checked against their hashes.
        root: the folder to write, created if it is missing.
        instances: processes per model, which share the cores.

    Raises:
        PragmaError: a file differs from its hash, the bundle needs a folder that it does not hold,
            or Triton could not read from `root`.
    """
    bundle = open_bundle(bundle_folder)
    manifest = bundle.manifest
    if "@" in manifest.text_encoder:
        raise PragmaError(
            f"{bundle_folder} reads texts through {manifest.text_encoder.partition('@')[0]}, "
            "which is not part of the bundle",
            "train with --text-encoder ngrams to serve it online",
        )
    if any(map(str.isspace, str(root))):
        raise PragmaError(
            f"{root}: Triton's Python backend splits paths at spaces",
            "name a folder without any: pragma export-triton BUNDLE --out FOLDER",
        )
    copy = root / "bundles" / manifest.model_id
    if copy.resolve() != bundle_folder.resolve():
        with replaced_folder(copy) as draft:
            for name in ("manifest.json", *manifest.files):
                shutil.copyfile(bundle_folder / name, draft / name)
            open_bundle(draft)
    with replaced_folder(root / "models") as draft:
        for template in sorted(TEMPLATES.iterdir()):
            shutil.copytree(
                template, draft / template.name, ignore=shutil.ignore_patterns("__pycache__")
            )
            config = draft / template.name / CONFIG
            config.write_text(
                Template(config.read_text()).substitute(
                    embedding_size=manifest.embedding_size,
                    instances=instances,
                    bundle=f"../../bundles/{manifest.model_id}",
                )
            )
    return TritonRepository(root, open_bundle(copy))
