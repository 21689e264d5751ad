"""The page of machines: what each does now, what it did, who uses it and who tells."""
