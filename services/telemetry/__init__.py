"""Telemetry: what machines did over time, whose work it was, and why something was slow."""
