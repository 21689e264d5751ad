"""One thread of events, from the first alert to the end."""

from services.actions.journal import Journal
from services.alerting import store as alerts
from services.retraining import store
from services.retraining.models import Happened

_TOLD = frozenset({"fired", "worse", "milder", "unknown", "seen", "acknowledged", "resolved"})


def thread(journal: Journal, number: int) -> tuple[Happened, ...]:
    """Return all that happened, oldest first: to the alerts, the retraining, and its version.

    Raises:
        NotFoundError: There is no retraining of this number.
        JournalError: The journal cannot be read.
    """
    found = store.proposal(journal, number)
    lines = list(store.happened(journal, number))
    for name in found.alerts:
        link = f"/alerts?alert={name}"
        lines += [
            Happened(note.at, "alert", f"{note.key}: {note.said}", note.actor, link=link)
            for note in alerts.notes(journal, name)
            if note.what in _TOLD
        ]
    # What happened at the same moment stays in the order it was written in: the sort is stable,
    # and an alert goes before what it led to.
    return tuple(sorted(lines, key=lambda one: (one.at, one.what != "alert")))
