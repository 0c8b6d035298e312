"""Attention over rows of several lengths, in one kernel for each device."""
