"""Objectives of deployments: what they promise, what of it was kept, how fast the rest is spent."""

from services.objectives.asking import standing

__all__ = ["standing"]
