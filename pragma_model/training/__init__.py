"""The training loop and its parts: data, masking, objective, optimizers, checkpoints."""
