"""The PRAGMA model and its training, evaluation and export, with torch and without duckdb."""
