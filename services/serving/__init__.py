"""Serving: registered versions as endpoints, within the machine's memory, without a dropped request."""
