"""The encoder: inputs, layers, attention and the one forward pass."""
