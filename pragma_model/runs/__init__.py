"""What a run writes down: metrics, its log, comparison with other runs, trackers."""
