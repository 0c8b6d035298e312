"""Late import of modules that a library imports, but that are not used here."""

from __future__ import annotations

import sys
from importlib import import_module
from importlib.util import find_spec
from types import ModuleType


class _Late(ModuleType):
    """Stands in for a module until an attribute of it is used."""

    def __getattr__(self, name: str) -> object:
        if sys.modules.get(self.__name__) is self:
            del sys.modules[self.__name__]
        module = import_module(self.__name__)
        self.__dict__.update(module.__dict__)
        return getattr(module, name)


def import_late(name: str) -> None:
    """Load a module at the first use of an attribute, not when it is imported.

    A module that is missing or already loaded is left as it is.
    """
    if name not in sys.modules and find_spec(name) is not None:
        sys.modules[name] = _Late(name)
