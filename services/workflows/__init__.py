"""Workflows: who goes next, on which machine, and why anything waits."""
