"""The page Monitoring: how each deployment is beside its baseline, and what moved."""
