import json
import os
import time
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from services.access import Access, store
from services.actions import audit
from services.actions.journal import Journal
from services.cli import mlops
from services.errors import DeniedError
from services.settings import Settings


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("MLOPS_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(store, "_ROUNDS", 4)  # bcrypt's cost is not under test
    return tmp_path / "home"


def run(*words: str, code: int = 0) -> Result:
    done = CliRunner().invoke(mlops, words)
    assert done.exit_code == code, done.output
    return done


def password_of(done: Result) -> str:
    return done.output.split("password   ")[1].strip()


def test_an_account_is_made_with_a_password_that_works(home: Path):
    password = password_of(run("users", "add", "ana", "--role", "operator", "--project", "p1"))
    access = Access.open(Settings())
    person = access.who(access.redeem(access.sign_in("ana", password, "a").value))
    assert person is not None
    assert (person.role, person.projects) == ("operator", ("p1",))
    (found,) = json.loads(run("users", "list", "--json").output)
    assert found["created_at"].endswith("Z")
    del found["created_at"]
    assert found == {"name": "ana", "role": "operator", "projects": ["p1"], "disabled": False}
    done, asked = audit.entries(Journal.open(Settings()))[1:3]
    assert (asked.what, done.what) == ("add-user.requested", "add-user.done")
    assert asked.actor.startswith("os:")
    assert "hash" not in str(asked.detail)


def test_role_scope_and_disabling(home: Path):
    run("users", "add", "ana", "--role", "viewer")
    run("users", "set", "ana", "--role", "approver", "--project", "p1", "--project", "p2")
    user = store.require(Journal.open(Settings()), "ana")
    assert (user.role, user.projects) == ("approver", ("p1", "p2"))
    run("users", "set", "ana", "--all-projects")
    run("users", "disable", "ana")
    user = store.require(Journal.open(Settings()), "ana")
    assert (user.projects, user.disabled) == (None, True)
    assert run("users", "list").output == "ana\tapprover\tall projects\tdisabled\n"
    run("users", "enable", "ana")


def test_a_new_password_replaces_the_old_one(home: Path):
    old = password_of(run("users", "add", "ana", "--role", "viewer"))
    new = password_of(run("users", "reset-password", "ana"))
    access = Access.open(Settings())
    with pytest.raises(DeniedError):
        access.sign_in("ana", old, "a")
    assert access.sign_in("ana", new, "a")


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("add", "a b", "--role", "viewer"), 2, "no user name"),
        (("add", "ana", "--role", "king"), 2, "king"),
        (("add", "ana"), 2, "--role"),
        (("add", "ana", "--role", "viewer", "--project", "../x"), 2, "no project id"),
        (("set", "nobody", "--role", "viewer"), 1, "no user 'nobody'"),
        (("set", "nobody"), 2, "Say what to change"),
        (("reset-password", "nobody"), 1, "no user 'nobody'"),
        (("disable", "x" * 10_000), 1, "no user"),
    ],
)
def test_wrong_input_is_a_sentence(home: Path, words: tuple[str, ...], code: int, said: str):
    done = run("users", *words, code=code)
    assert said in done.output
    assert "Traceback" not in done.output
    assert len(done.output) < 2_000


def test_the_last_admin_stays(home: Path):
    run("users", "add", "ana", "--role", "admin")
    assert "last admin" in run("users", "disable", "ana", code=2).output


def test_a_garbage_journal_is_a_sentence(home: Path):
    (home / "db").mkdir(parents=True)
    (home / "db" / "journal.sqlite").write_bytes(b"garbage" * 999)
    done = run("users", "list", code=1)
    assert "journal.sqlite cannot be used" in done.output
    assert "mlops restore" in done.output


def test_backup_and_restore(home: Path, tmp_path: Path):
    run("users", "add", "ana", "--role", "viewer")
    copy = str(tmp_path / "copy.sqlite")
    run("backup", copy)
    run("users", "add", "bob", "--role", "viewer")
    assert "exists already" in run("backup", copy, code=2).output
    assert "kept as" in run("restore", copy, "--yes").output
    assert run("users", "list").output == "ana\tviewer\tall projects\tenabled\n"


def test_restore_waits_for_the_platform_to_be_down(home: Path, tmp_path: Path):
    run("users", "add", "ana", "--role", "viewer")
    run("backup", str(tmp_path / "copy.sqlite"))
    beat = {"pid": os.getpid(), "at": time.time(), "detail": ""}
    (home / "run" / "controller.json").write_text(json.dumps(beat))
    done = run("restore", str(tmp_path / "copy.sqlite"), "--yes", code=1)
    assert "mlops down" in done.output


def test_a_controller_that_died_is_no_controller(home: Path):
    (home / "run").mkdir(parents=True)
    beat = {"pid": 2**22 + 1, "at": time.time(), "detail": ""}
    (home / "run" / "controller.json").write_text(json.dumps(beat))
    run("users", "add", "ana", "--role", "viewer")
