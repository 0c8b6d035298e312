"""Moved to `pragma_sql.serving.triton_backend`; older Triton folders name this place."""

from pragma_sql.serving.triton_backend import Served

__all__ = ["Served"]
