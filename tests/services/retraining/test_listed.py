"""Retrainings as a list that is turned page by page."""

from services.actions.journal import Journal
from services.retraining import store
from tests.services.retraining.things import NOW, ended, evidence


def test_a_page_ends_where_the_next_begins(url: str):
    journal = Journal(url)
    for number in range(5):
        one = ended("failed", NOW, 0, evidence=(evidence(number),))
        assert store.put(journal, one).id == number + 1
    first = store.proposals(journal, limit=2)
    assert [one.id for one in first] == [5, 4]
    second = store.proposals(journal, before=first[-1].id, limit=2)
    assert [one.id for one in second] == [3, 2]
    assert store.proposals(journal, ("open",), before=3) == ()
    assert store.proposals(journal, before=1) == ()
    journal.close()
