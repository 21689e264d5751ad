"""Many who decide at the same moment, on both databases: what a week allows is used once."""

import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from services.actions.journal import Journal
from services.retraining import bounds, store
from services.retraining.models import Proposal
from tests.conftest import BOTH
from tests.services.retraining.things import NOW, policy, proposal

MANY = 6
AUTOMATIC = policy(mode="automatic", most_per_week=2)


@pytest.fixture(params=BOTH)
def journal(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Journal]:
    url = f"sqlite:///{tmp_path / 'journal.sqlite'}"
    if request.param == "postgres":
        url = str(request.getfixturevalue("postgres_url"))
    found = Journal(url)
    yield found
    found.close()


def accept(journal: Journal, one: Proposal) -> None:
    """Accept one, as the loop does: by what the journal says while nobody else writes."""

    def how(now: Proposal) -> store.Changed:
        past = store.proposals(journal, projects=["lora"])
        if not bounds.decide(AUTOMATIC, now, past, NOW).allowed:
            return now, ()
        return replace(now, state="accepted", approved_by="policy", decided_at=NOW), ()

    store.change(journal, one.id, how)


def test_of_many_that_are_decided_at_once_no_more_begin_than_are_allowed(journal: Journal):
    waiting = [
        store.put(journal, proposal(0, model=f"net-{number}", thread=f"t{number}"))
        for number in range(MANY)
    ]
    ready = threading.Barrier(MANY)
    failed: list[BaseException] = []

    def decide(one: Proposal) -> None:
        try:
            ready.wait(20)
            accept(journal, one)
        except BaseException as error:  # noqa: BLE001 - told below
            failed.append(error)

    threads = [threading.Thread(target=decide, args=(one,)) for one in waiting]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert not failed
    states = sorted(one.state for one in store.proposals(journal))
    assert states == ["accepted"] * 2 + ["open"] * (MANY - 2)
