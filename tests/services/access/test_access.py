import time
from collections.abc import Iterator
from pathlib import Path

import bcrypt
import pytest

from services.access import Access, ensure_admin, lockout, store
from services.access import sessions as sessions_module
from services.actions import audit
from services.actions.journal import Journal
from services.errors import DeniedError, InputError
from tests.conftest import BOTH

PASSWORD = "correct horse battery"


@pytest.fixture(params=BOTH)
def journal(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Journal]:
    monkeypatch.setattr(store, "_ROUNDS", 4)  # bcrypt's cost is not under test
    cheap = bcrypt.hashpw(b"nobody's", bcrypt.gensalt(4))
    monkeypatch.setattr(sessions_module, "_NOBODY", cheap)
    on_postgres = request.param == "postgres"
    file = f"sqlite:///{tmp_path / 'journal.sqlite'}"
    journal = Journal(request.getfixturevalue("postgres_url") if on_postgres else file)
    yield journal
    journal.close()


@pytest.fixture
def access(journal: Journal) -> Access:
    store.insert(journal, "ana", store.password_hash("ana", PASSWORD), "operator", ("p",))
    return Access(journal, session_days=1)


def signed_in(access: Access) -> str:
    return access.redeem(access.sign_in("ana", PASSWORD, "10.0.0.1").value)


def test_password_ticket_cookie_person(access: Access):
    person = access.who(signed_in(access))
    assert person is not None
    assert (person.name, person.role, person.projects) == ("ana", "operator", ("p",))


def test_a_ticket_works_once(access: Access):
    ticket = access.sign_in("ana", PASSWORD, "a").value
    access.redeem(ticket)
    with pytest.raises(DeniedError, match="expired or was used"):
        access.redeem(ticket)


def test_a_ticket_is_no_cookie_and_a_cookie_no_ticket(access: Access):
    ticket = access.sign_in("ana", PASSWORD, "a").value
    assert access.who(ticket) is None
    cookie = access.redeem(ticket)
    with pytest.raises(DeniedError):
        access.redeem(cookie)


def test_a_ticket_expires(access: Access, monkeypatch: pytest.MonkeyPatch):
    ticket = access.sign_in("ana", PASSWORD, "a").value
    later = int((time.time() + 61) * 1000)
    monkeypatch.setattr(sessions_module, "now_ms", lambda: later)
    with pytest.raises(DeniedError):
        access.redeem(ticket)


def test_sign_out_ends_the_session_for_good(access: Access):
    cookie = signed_in(access)
    other = signed_in(access)
    access.sign_out(cookie)
    assert access.who(cookie) is None
    assert access.who(other) is not None


def test_disabling_and_role_count_at_once(access: Access, journal: Journal):
    cookie = signed_in(access)
    store.change(journal, "ana", disabled=True)
    assert access.who(cookie) is None
    store.change(journal, "ana", disabled=False, role="admin")
    assert access.who(cookie) is None


def test_a_new_password_ends_the_other_sessions(access: Access):
    mine, other = signed_in(access), signed_in(access)
    access.change_password(mine, PASSWORD, "another good password")
    assert access.who(mine) is not None
    assert access.who(other) is None
    with pytest.raises(DeniedError):
        access.sign_in("ana", PASSWORD, "a")
    assert access.sign_in("ana", "another good password", "a")


@pytest.mark.parametrize(
    ("name", "password"),
    [("ana", "wrong"), ("nobody", PASSWORD), ("", ""), ("ana' OR 1=1 --", "x"), ("ana", "x" * 999)],
)
def test_wrong_is_one_sentence_whoever_it_is(access: Access, name: str, password: str):
    with pytest.raises(DeniedError, match="do not match"):
        access.sign_in(name, password, "a")


def test_a_name_is_locked_and_a_restart_forgives_nothing(access: Access, journal: Journal):
    for _ in range(10):
        with pytest.raises(DeniedError, match="do not match"):
            access.sign_in("ana", "wrong", "10.0.0.1")
    again = Access(journal, session_days=1)
    with pytest.raises(DeniedError, match="Too many"):
        again.sign_in("ana", PASSWORD, "10.0.0.2")


@pytest.mark.full
def test_an_address_is_locked_over_many_names(access: Access):
    for number in range(30):
        with pytest.raises(DeniedError, match="do not match"):
            access.sign_in(f"user{number}", "wrong", "10.0.0.9")
    with pytest.raises(DeniedError, match="Too many"):
        access.sign_in("ana", PASSWORD, "10.0.0.9")
    assert access.sign_in("ana", PASSWORD, "10.0.0.1")


def test_the_lock_ends(access: Access, monkeypatch: pytest.MonkeyPatch):
    for _ in range(10):
        with pytest.raises(DeniedError):
            access.sign_in("ana", "wrong", "a")
    later = int((time.time() + 31) * 1000)
    monkeypatch.setattr(lockout, "now_ms", lambda: later)
    assert access.sign_in("ana", PASSWORD, "a")


@pytest.mark.parametrize("bad", ["short", "x" * 100, "ana-password1"])
def test_password_rules(bad: str):
    with pytest.raises(InputError):
        store.password_hash("ana-password", bad)


def test_the_first_admin_is_made_once(journal: Journal):
    password = ensure_admin(journal)
    assert password is not None
    assert ensure_admin(journal) is None
    access = Access(journal, session_days=1)
    person = access.who(access.redeem(access.sign_in("admin", password, "a").value))
    assert person is not None
    assert person.role == "admin"


def test_sign_ins_are_audited_without_passwords(access: Access, journal: Journal):
    signed_in(access)
    with pytest.raises(DeniedError):
        access.sign_in("ana", "wrong password", "a")
    entries = audit.entries(journal)
    assert {entry.what for entry in entries} == {"sign-in", "sign-in.failed"}
    assert not any("password" in str(entry.detail) for entry in entries)
