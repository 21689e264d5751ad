"""The page of machines: what each does now, and did over time."""
