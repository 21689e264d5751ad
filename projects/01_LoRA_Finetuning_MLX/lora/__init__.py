"""LoRA fine-tuning of a pretrained MiniLM sentence encoder, in MLX."""
