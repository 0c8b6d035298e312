"""Modules that a library imports although nothing will be asked of them."""

from __future__ import annotations

import sys
from importlib import import_module
from importlib.util import find_spec
from types import ModuleType


class _Late(ModuleType):
    """Stands for a module until something in it is asked for."""

    def __getattr__(self, name: str) -> object:
        if sys.modules.get(self.__name__) is self:
            del sys.modules[self.__name__]
        module = import_module(self.__name__)
        self.__dict__.update(module.__dict__)
        return getattr(module, name)


def import_late(name: str) -> None:
    """Have a module loaded at the first use of what is in it, not when it is imported.

    A module that is not installed, or is loaded already, stays as it is.
    """
    if name not in sys.modules and find_spec(name) is not None:
        sys.modules[name] = _Late(name)
