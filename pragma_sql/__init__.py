"""Around the warehouse: the `pragma` command, checks, shards, packing and bundles; no torch."""

__version__ = "0.1.0"
