"""The inbox shows a retraining to who may decide about it: to nobody whose own reason it holds."""

from hypothesis import given
from hypothesis import strategies as st

from dashboard.overview import needs
from services.actions.roles import Actor
from services.retraining.models import BY_POLICY, Evidence
from tests.services.retraining.things import NOW, evidence, proposal

PEOPLE = ("ana", "ben", "mira")


@given(
    asked=st.sampled_from([BY_POLICY, *PEOPLE]), others=st.lists(st.sampled_from(PEOPLE)),
    alerts=st.integers(0, 2),
)  # fmt: skip
def test_it_waits_for_those_alone_who_gave_no_reason(asked: str, others: list[str], alerts: int):
    reasons = [*(evidence(one) for one in range(alerts)),
               *(Evidence(NOW, "It is wrong.", by=name) for name in others)]  # fmt: skip
    one = proposal(requested_by=asked, evidence=tuple(reasons))
    for name in PEOPLE:
        shown = needs.of_proposals((one,), Actor(name, "approver"))
        assert bool(shown) == (name != asked and name not in others)
