"""Which page shows a thing of a thread."""

import pytest

from dashboard.lineage import address
from services.lineage.models import Node, Ref


@pytest.mark.parametrize(
    ("ref", "page"),
    [
        (Ref("run", "r"), ("run", {"run": "r"})),
        (Ref("alert", "12"), ("alerts", {"alert": "12"})),
        (Ref("alert", "a-1"), None),
        (Ref("verdict", "v-1"), None),
    ],
)
def test_an_alert_has_a_page_of_its_own(ref: Ref, page: object):
    assert address.page_of(Node(ref, "title", "p", "fine")) == page
