"""Embedding inversion: from exposed vectors, or scores, back to the input or a hidden column."""
