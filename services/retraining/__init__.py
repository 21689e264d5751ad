"""Retraining: proposed when a model got worse, accepted by somebody, followed to its end."""
