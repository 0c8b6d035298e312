"""Packages that a command needs and an installation may lack."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.util import find_spec

from pragma_sql.formats.errors import PragmaError

TRAIN = "pip install 'pragma-sql[train]'"
"""The command that installs torch, ONNX, scikit-learn, LightGBM and matplotlib."""

INSTALLED_AS = {"sklearn": "scikit-learn", "sentence_transformers": "sentence-transformers"}
"""Import name -> name of the package, where they differ."""


def need_packages(what: str, packages: Sequence[str], install: str = TRAIN) -> None:
    """Raise an error if packages are missing.

    Args:
        what: what needs the packages, such as `pragma plot`.
        packages: import names; none is imported.
        install: the command that installs the packages.

    Raises:
        PragmaError: names the missing packages.
    """
    missing = [INSTALLED_AS.get(name, name) for name in packages if find_spec(name) is None]
    if missing:
        raise PragmaError(f"{what} needs {' and '.join(missing)}", install)
