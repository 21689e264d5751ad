"""Adaptive noise schedules and step reduction for a small diffusion model on 8x8 digits."""
