"""From when on it is drift, and of how many rows that can be told; see ``shift``."""

THRESHOLD = 0.1
"""From this distance on it is drift; no unit."""
LEAST = 500
"""Fewer rows of either side are not compared."""
