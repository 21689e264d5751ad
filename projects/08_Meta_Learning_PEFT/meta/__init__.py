"""Meta-learning of parameter-efficient adapters for few-shot recognition, in MLX."""
