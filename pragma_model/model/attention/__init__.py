"""Attention over rows of different lengths, with kernels for each device."""
