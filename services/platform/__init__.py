"""Processes, ports, secrets and environments of one installation."""
