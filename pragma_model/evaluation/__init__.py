"""How good it is: validation, baselines, probes and pictures."""
