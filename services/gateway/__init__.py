"""The gateway: what applications talk to. It checks, routes, counts, and asks model servers."""
