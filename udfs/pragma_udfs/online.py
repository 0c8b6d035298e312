"""Moved to `pragma_sql.serving.online`; older Triton folders name this place."""

from pragma_sql.serving.online import RecordScorer, RecordTokenizer

__all__ = ["RecordScorer", "RecordTokenizer"]
