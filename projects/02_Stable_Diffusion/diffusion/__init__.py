"""A small class-conditional diffusion model on 8x8 digits."""
