"""Retrainings that wait for somebody, for the inbox: those alone that no alert tells of yet."""

from services.actions.journal import Journal
from services.actions.retraining import AcceptRetraining
from services.actions.roles import Actor, at_least
from services.alerting import asking
from services.alerting.inbox import Item
from services.alerting.rules import retraining as rule
from services.retraining import store, wording

_FEW = 100


def items(journal: Journal, who: Actor) -> tuple[Item, ...]:
    """Return those that a person may decide about: nobody accepts what holds their own reason.

    Raises:
        JournalError: The journal cannot be read.
    """
    if not at_least(who, AcceptRetraining.role):
        return ()
    found = [
        one
        for one in store.proposals(journal, ("open",), projects=who.projects, limit=_FEW)
        if who.name not in one.asked_by
    ]
    told = asking.by_key(journal, [rule.waits_key(one) for one in found])
    return tuple(
        Item(
            "approval", one.id, rule.severity(one), "firing", one.project,
            f"A retraining of {one.model} waits for an approver",
            " ".join((one.why, *wording.costs(one))), one.created_at, "Decide", wording.link(one),
        )
        for one in found
        if rule.waits_key(one) not in told
    )  # fmt: skip
