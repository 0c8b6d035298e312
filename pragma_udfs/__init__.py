"""Pure functions on Arrow arrays that SQL calls, and the dbt-duckdb plugin that registers them; no torch."""
