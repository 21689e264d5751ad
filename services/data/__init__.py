"""Data versions: one DVC repository a project, one cache and one remote for all."""
