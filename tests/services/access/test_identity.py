import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from services.access import Access, Identity, store
from services.access import identity as identity_module
from services.actions import audit
from services.actions.journal import Journal
from services.errors import DeniedError
from tests.conftest import BOTH


@pytest.fixture(params=BOTH)
def journal(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Journal]:
    on_postgres = request.param == "postgres"
    file = f"sqlite:///{tmp_path / 'journal.sqlite'}"
    journal = Journal(request.getfixturevalue("postgres_url") if on_postgres else file)
    store.insert(journal, "ann@example.org", "x", "operator", None)
    yield journal
    journal.close()


@pytest.fixture
def access(journal: Journal) -> Access:
    return Access(journal, session_days=1)


def said(
    address: str = "ann@example.org", *, verified: bool = True, sign_in: str = "1", age_s: float = 1
) -> Identity:
    return Identity(address, verified, sign_in, time.time() - age_s)


@pytest.mark.parametrize("address", ["ann@example.org", "Ann@Example.ORG"])
def test_an_address_is_the_account_of_that_name_in_any_case(access: Access, address: str):
    ticket = access.vouched(said(address), "a")

    assert ticket is not None
    person = access.who(access.redeem(ticket.value))
    assert person is not None
    assert (person.name, person.role) == ("ann@example.org", "operator")


@pytest.mark.parametrize(
    ("identity", "why"),
    [
        (said("bob@example.org"), "bob@example.org has no account here"),
        (said("ann@example.org\0"), "no account here"),
        (said("\u212aann@example.org"), "no account here"),
        (said("half \ud800"), "no account here"),
        (said("x" * 10_000), "no account here"),
        (said(verified=False), "has not verified that ann@example.org is yours"),
        (said(""), "gave no e-mail address"),
    ],
)
def test_who_does_not_get_in_is_told_why_and_kept_in_the_audit(
    access: Access, journal: Journal, identity: Identity, why: str
):
    with pytest.raises(DeniedError, match=why):
        access.vouched(identity, "192.0.2.7")

    newest = audit.entries(journal)[0]
    assert newest.what == "sign-in.failed"
    assert newest.detail == {"address": "192.0.2.7", "by": "identity provider"}


def test_letters_that_fold_into_ascii_are_other_letters(access: Access, journal: Journal):
    store.insert(journal, "kim@example.org", "x", "admin", None)

    with pytest.raises(DeniedError, match="no account"):
        access.vouched(said("\u212aim@example.org"), "a")  # the Kelvin sign, in lower case a k


def test_a_disabled_account_is_named(access: Access, journal: Journal):
    store.change(journal, "ann@example.org", disabled=True)

    with pytest.raises(DeniedError, match=r"The account ann@example\.org is disabled"):
        access.vouched(said(), "a")


def test_a_sign_in_at_the_provider_counts_once_also_after_a_restart(
    access: Access, journal: Journal
):
    identity = said()

    assert access.vouched(identity, "a") is not None
    assert access.vouched(identity, "a") is None
    assert Access(journal, session_days=1).vouched(identity, "a") is None
    assert access.vouched(said(sign_in="2"), "a") is not None


@pytest.mark.parametrize(
    ("age_s", "counts"), [(590, True), (610, False), (-100, True), (-130, False), (1e12, False)]
)
def test_an_old_sign_in_says_nothing_any_more(access: Access, age_s: float, counts: bool):
    assert (access.vouched(said(age_s=age_s), "a") is not None) is counts


def test_what_was_used_is_kept_for_as_long_as_it_is_fresh():
    from services.access import lockout

    fresh_s = identity_module._FRESH_S + identity_module._CLOCKS_DIFFER_S
    assert fresh_s < lockout._WINDOW_S  # after which the table is swept


def test_of_many_at_once_one_gets_the_ticket(access: Access):
    identity, tickets = said(), []

    def ask() -> None:
        tickets.append(access.vouched(identity, "a"))

    threads = [threading.Thread(target=ask) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(tickets) == 6
    assert sum(ticket is not None for ticket in tickets) == 1
