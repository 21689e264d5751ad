"""Serving: registered versions as endpoints, within memory, without a dropped request."""
