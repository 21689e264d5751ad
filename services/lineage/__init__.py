"""Where a thing came from and what came of it, over all engines."""
