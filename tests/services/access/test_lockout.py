import threading
import time
from collections.abc import Iterator
from pathlib import Path

import bcrypt
import pytest

from services.access import Access, ensure_admin, store
from services.access import lockout as lockout_module
from services.access import sessions as sessions_module
from services.actions import audit
from services.actions.journal import Journal
from services.errors import ConflictError, DeniedError, InputError, JournalError, NotFoundError
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
    store.insert(journal, "ana", store.password_hash("ana", PASSWORD), "operator", None)
    return Access(journal, session_days=1)


@pytest.fixture
def later(monkeypatch: pytest.MonkeyPatch):
    ahead_ms = 0

    def now_ms() -> int:
        return time.time_ns() // 1_000_000 + ahead_ms

    def wait(seconds: float) -> None:
        nonlocal ahead_ms
        ahead_ms += int(seconds * 1000)

    monkeypatch.setattr(sessions_module, "now_ms", now_ms)
    monkeypatch.setattr(lockout_module, "now_ms", now_ms)
    return wait


def fail(access: Access, times: int, name: str = "ana", address: str = "a") -> None:
    for _ in range(times):
        with pytest.raises(DeniedError, match="do not match"):
            access.sign_in(name, "wrong", address)


def test_an_unknown_name_costs_what_a_known_one_costs():
    """The hash that is checked for nobody has the cost of those we make."""
    assert sessions_module._NOBODY.split(b"$")[2] == b"%02d" % store._ROUNDS


def test_the_sentence_says_when_it_ends_and_pauses_grow(access: Access, later):
    fail(access, 10)
    for words, pause_s in (("30 seconds", 31), ("60 seconds", 61), ("2 minutes", 121)):
        with pytest.raises(DeniedError, match=f"try again in {words}"):
            access.sign_in("ana", PASSWORD, "a")
        later(pause_s)
        fail(access, 1)
    with pytest.raises(DeniedError, match="4 minutes"):
        access.sign_in("ana", PASSWORD, "a")


def test_upper_and_lower_case_share_one_lock(access: Access):
    fail(access, 5, "ANA")
    fail(access, 5, "Ana")
    with pytest.raises(DeniedError, match="Too many"):
        access.sign_in("ana", PASSWORD, "b")


def test_trying_while_locked_is_not_counted_and_not_told_about(access: Access, journal: Journal):
    fail(access, 10)
    for _ in range(20):
        with pytest.raises(DeniedError, match=r"in \d+ seconds"):
            access.sign_in("ana", PASSWORD, "a")
    failed = [e for e in audit.entries(journal) if e.what == "sign-in.failed"]
    assert len(failed) == 10


def test_a_right_password_forgives_the_name_but_not_the_address(access: Access):
    fail(access, 9)
    access.sign_in("ana", PASSWORD, "a")
    fail(access, 9)
    access.sign_in("ana", PASSWORD, "a")
    for number in range(12):  # with the eighteen of ana's, struck out for her name alone: thirty
        fail(access, 1, f"nobody{number}")
    with pytest.raises(DeniedError, match="Too many"):
        access.sign_in("ana", PASSWORD, "a")
    assert access.sign_in("ana", PASSWORD, "b")


def test_many_at_once_get_no_more_guesses(access: Access):
    outcomes: list[str] = []

    def guess() -> None:
        try:
            access.sign_in("ana", "wrong", "a")
        except DeniedError as error:
            outcomes.append(error.message)

    threads = [threading.Thread(target=guess) for _ in range(25)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum("do not match" in said for said in outcomes) == 10
    assert sum("Too many" in said for said in outcomes) == 15


def test_a_new_password_takes_the_lock_off(access: Access, journal: Journal):
    fail(access, 10)
    hashed = store.password_hash("ana", "another good password")
    store.change(journal, "ana", password_hash=hashed)
    assert access.sign_in("ana", "another good password", "b")


# Sessions


def test_a_session_in_use_is_prolonged_and_has_an_end(access: Access, later):
    cookie = access.redeem(access.sign_in("ana", PASSWORD, "a").value)
    for _ in range(7):
        later(43_200)
        assert access.who(cookie) is not None
    later(43_200)
    assert access.who(cookie) is None
    assert access.cookie_max_age_s == 4 * 86_400


def test_at_its_longest_a_session_is_not_written_any_more(
    access: Access, journal: Journal, later, monkeypatch: pytest.MonkeyPatch
):
    cookie = access.redeem(access.sign_in("ana", PASSWORD, "a").value)
    for _ in range(7):
        later(43_200)
        assert access.who(cookie) is not None

    def never() -> None:
        raise AssertionError("who() wrote to the journal")

    monkeypatch.setattr(journal, "write", never)
    assert access.who(cookie) is not None


def test_a_session_not_in_use_ends(access: Access, later):
    cookie = access.redeem(access.sign_in("ana", PASSWORD, "a").value)
    later(86_401)
    assert access.who(cookie) is None


def test_looking_who_it_is_writes_nothing(
    access: Access, journal: Journal, monkeypatch: pytest.MonkeyPatch
):
    cookie = access.redeem(access.sign_in("ana", PASSWORD, "a").value)

    def never() -> None:
        raise AssertionError("who() wrote to the journal")

    monkeypatch.setattr(journal, "write", never)
    for _ in range(3):
        assert access.who(cookie) is not None


def test_a_full_disk_signs_nobody_out(
    access: Access, journal: Journal, later, monkeypatch: pytest.MonkeyPatch
):
    cookie = access.redeem(access.sign_in("ana", PASSWORD, "a").value)
    later(43_200)

    def full() -> None:
        raise JournalError("The journal could not be used (database or disk is full).")

    monkeypatch.setattr(journal, "write", full)
    assert access.who(cookie) is not None


def test_a_changed_role_counts_at_once_in_an_open_session(access: Access, journal: Journal):
    cookie = access.redeem(access.sign_in("ana", PASSWORD, "a").value)
    store.change(journal, "ana", role="viewer", projects=("p",), end_sessions=False)
    person = access.who(cookie)
    assert person is not None
    assert (person.role, person.projects) == ("viewer", ("p",))


def test_a_ticket_from_before_a_new_password_gives_nobody(access: Access, journal: Journal):
    mine = access.redeem(access.sign_in("ana", PASSWORD, "a").value)
    ticket = access.sign_in("ana", PASSWORD, "a").value
    access.change_password(mine, PASSWORD, "another good password")
    with pytest.raises(DeniedError):
        access.redeem(ticket)
    assert access.who(mine) is not None


def test_a_wrong_present_password_is_counted(access: Access):
    cookie = access.redeem(access.sign_in("ana", PASSWORD, "a").value)
    for _ in range(10):
        with pytest.raises(DeniedError, match="present password is wrong"):
            access.change_password(cookie, "wrong", "another good password")
    with pytest.raises(DeniedError, match="Too many"):
        access.change_password(cookie, PASSWORD, "another good password")


@pytest.mark.parametrize("name", ["half \ud800", "nul\0", "x" * 10_000])
def test_names_no_database_holds_are_only_wrong(access: Access, name: str):
    with pytest.raises(DeniedError, match="do not match"):
        access.sign_in(name, "half \ud800 nul\0", "address\0")


@pytest.mark.parametrize("journal", ["sqlite"], indirect=True)
def test_only_hashes_are_stored(access: Access, journal: Journal):
    ticket = access.sign_in("ana", PASSWORD, "a").value
    cookie = access.redeem(access.sign_in("ana", PASSWORD, "a").value)
    assert journal.path is not None
    content = journal.path.read_bytes()
    for secret in (ticket, cookie, PASSWORD):
        assert secret.encode() not in content


# Accounts


def test_names_differ_by_more_than_case(access: Access, journal: Journal):
    with pytest.raises(ConflictError, match="user ana already"):
        store.insert(journal, "ANA", "x", "viewer", None)
    assert store.similar(journal, "ANA") == "ana"
    assert store.similar(journal, "an") is None


def test_changing_nobody_is_a_sentence(journal: Journal):
    with pytest.raises(NotFoundError, match="no user"):
        store.change(journal, "nobody", role="admin")


@pytest.mark.parametrize("name", ["", "-a", "a b", "a\n", "os:root", "x" * 65, "é"])
def test_a_user_name_cannot_look_like_something_else(name: str):
    with pytest.raises(InputError, match="no user name"):
        store.check_name(name)


def test_the_first_admin_is_made_by_one_of_many(journal: Journal):
    made: list[str | None] = []
    threads = [
        threading.Thread(target=lambda: made.append(ensure_admin(journal))) for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len([password for password in made if password]) == 1
    assert [user.name for user in store.everyone(journal)] == ["admin"]
