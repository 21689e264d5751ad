"""Pruning, distillation and low-rank compression of a digit classifier, in MLX on CPUs."""
