"""Where a thing came from, and what came of it."""
