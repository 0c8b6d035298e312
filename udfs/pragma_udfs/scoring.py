"""Moved to `pragma_sql.scoring.scorer`; older Triton folders name this place."""

from pragma_sql.scoring.scorer import Scorer

__all__ = ["Scorer"]
