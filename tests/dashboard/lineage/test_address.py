"""The pages of the things that lineage shows."""

import pytest

from dashboard.lineage.address import page_of
from services.lineage.models import Link, Node, Ref, numbered

VERDICT = Ref("verdict", "v-1")
LINK = Link(numbered("predictions", "p", "m.x", 3), VERDICT, "were judged in")


def node(ref: Ref, title: str = "title", state: str = "there") -> Node:
    return Node(ref, title, "p", "said", 1.0, state)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("ref", "page"),
    [
        (Ref("alert", "7"), ("alerts", {"alert": "7"})),
        (VERDICT, ("monitoring", {"deployment": "p.m.x", "verdict": "v-1"})),
        (Ref("retraining", "2"), ("monitoring", {"retraining": "2"})),
        (Ref("run", "r"), ("run", {"run": "r"})),
    ],
)
def test_each_thing_leads_to_its_page(ref: Ref, page: tuple[str, dict[str, str]]):
    assert page_of(node(ref), (LINK,)) == page
    assert page_of(node(ref, state="gone"), (LINK,)) is None


def test_a_verdict_whose_predictions_are_not_shown_has_none():
    other = Link(numbered("predictions", "p", "m", 3), Ref("verdict", "v-2"), "were judged in")
    assert page_of(node(VERDICT), (other,)) is None
