"""Functions on Arrow arrays that SQL calls, and the dbt plugin that registers them; no torch."""
