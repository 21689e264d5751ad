"""Versions of data and models: what the folders hold, how it came about, and who uses it."""
