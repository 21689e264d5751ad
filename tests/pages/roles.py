"""Who opens a page."""

import pytest

ROLES = ("viewer", "operator", "approver", "admin")
EVERY_ROLE = (
    "viewer",
    *(pytest.param(role, marks=pytest.mark.full) for role in ("operator", "approver")),
    "admin",
)
"""For tests of every role: the fast suite takes the two ends."""
