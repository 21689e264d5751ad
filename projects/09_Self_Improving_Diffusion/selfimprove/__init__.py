"""A diffusion model that trains on its own filtered samples."""
