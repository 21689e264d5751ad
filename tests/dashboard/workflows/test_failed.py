"""What is known of a failure without its log."""

import pytest

from dashboard.workflows.failed import sentence
from tests.dashboard.workflows.made import task


@pytest.mark.parametrize(
    ("evidence", "said"),
    [
        ({"sentence": "It ended with exit code 1."}, "It ended with exit code 1."),
        (
            {"sentence": "It ended with exit code 1.", "exception": {"name": "KeyError"}},
            "It ended with exit code 1. It raised KeyError.",
        ),
        (
            {"sentence": "Exit code 1: KeyError: x", "exception": {"name": "KeyError"}},
            "Exit code 1: KeyError: x",
        ),
        ({"exception": {"name": "KeyError"}}, "It raised KeyError."),
        ({"outcome": "running"}, "Its log says why."),
        ({}, "It left no evidence: it never began, or its machine went away. Its log says more."),
    ],
)
def test_what_is_known_is_said(evidence: dict[str, object], said: str):
    assert sentence(task("failed", evidence=evidence)) == said


def test_what_leaves_no_evidence_is_not_blamed_for_it():
    assert sentence(task("failed", operator="PlatformTask")) == "Its log says why."
