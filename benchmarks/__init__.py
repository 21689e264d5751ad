"""Benchmarks: each one command, printing figures side by side; never part of the tests."""
