"""Everything with a gradient: the PRAGMA model, masking, the trainer and the export; no duckdb."""
