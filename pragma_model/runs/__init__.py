"""The records of runs: metrics, log, comparison and trackers."""
