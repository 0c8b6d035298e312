"""The training loop and all it takes: data, masking, objectives, optimizers, checkpoints."""
