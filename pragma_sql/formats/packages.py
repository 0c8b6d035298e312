"""Packages that a command needs and an installation may lack."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.util import find_spec

from pragma_sql.formats.errors import PragmaError

TRAIN = "pip install 'pragma-sql[train]'"
"""What brings torch, ONNX, scikit-learn, LightGBM and matplotlib."""

INSTALLED_AS = {"sklearn": "scikit-learn", "sentence_transformers": "sentence-transformers"}
"""Packages that are installed by another name than they are imported by."""


def need_packages(what: str, packages: Sequence[str], install: str = TRAIN) -> None:
    """Refuse to go on where packages are missing.

    Args:
        what: needs them, such as `pragma plot`.
        packages: by the names that they are imported by; none is imported.
        install: the command that brings them.

    Raises:
        PragmaError: names those that are missing.
    """
    missing = [INSTALLED_AS.get(name, name) for name in packages if find_spec(name) is None]
    if missing:
        raise PragmaError(f"{what} needs {' and '.join(missing)}", install)
