"""How good a model is: validation, baselines, probes and pictures."""
