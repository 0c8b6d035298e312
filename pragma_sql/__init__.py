"""The `pragma` command, the warehouse, checks, shards, scoring and serving; no torch."""

__version__ = "0.1.0"
