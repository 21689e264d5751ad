"""Lineage over a real mirror, journal, data repositories and prediction log."""
