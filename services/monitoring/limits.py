"""From when on it is drift, and of how many rows that can be told; see ``shift``."""

THRESHOLD = 0.1
"""From this distance on it is drift; no unit."""
LEAST = 500
"""Fewer rows of either side are not compared."""

VERDICT_DAYS, REPORT_DAYS = 365.0, 30.0
"""How long they are kept: the verdicts of a check take some 5 KB, a report takes 4.5 MB."""
