"""The parameters of the page's address."""

from dashboard import navigation

DEPLOYMENT = "deployment"
"""The endpoint that is looked at."""
PART, STATE, FIND = "part", "state", "find"
VERSION = "version"
"""The version that is tried, or whose replicas are looked at."""
REPLICA, WORDS, ONLY, FOLLOW, LINES = "replica", "words", "only", "follow", "lines"
"""Whose log is read, what is looked for in it, and how much is shown."""
API = "api"
"""Which of the three ways to ask is told."""


def to(name: str, part: str | None = None) -> str:
    """Return the address of an endpoint."""
    return navigation.address("deployments", deployment=name, part=part)
