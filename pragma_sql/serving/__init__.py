"""Answers for other programs: JSON records, Triton and the SQL server."""
