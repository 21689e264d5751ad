"""Quantisation of a small character language model, in MLX."""
