"""A journal that another process holds is a sentence in a dialog, and the dialog goes on."""

import contextlib
import sqlite3
from collections.abc import Callable, Iterator

import pytest
from streamlit.testing.v1 import AppTest

from dashboard import state
from services.actions import database
from services.actions.alerts import AcknowledgeAlert
from services.actions.roles import Actor
from services.alerting import store
from services.alerting.deciding import decide
from services.alerting.models import Policy
from services.home import Home
from tests.pages.conftest import said
from tests.services.alerting.things import NOW, event

OWNER = Actor("owner", "admin", None, "os")
LOCKED = "Another process held it for ten seconds"


@pytest.fixture
def ids(home: Home, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Actions that were asked for: two alerts are to be acknowledged."""
    monkeypatch.setattr(database, "_BUSY_S", 0.05)
    decide(state.journal(), [event("run/p/a"), event("run/p/b")], NOW, Policy())
    return [
        state.executor().submit(OWNER, AcknowledgeAlert(one.id, one.project, ""), f"k{one.id}").id
        for one in store.alerts(state.journal())
    ]


@contextlib.contextmanager
def held(home: Home) -> Iterator[None]:
    """Hold the journal as a process does that writes it."""
    with contextlib.closing(sqlite3.connect(home.databases / "journal.sqlite")) as other:
        other.execute("BEGIN EXCLUSIVE")
        yield
        other.rollback()


def drawn(name: str) -> AppTest:
    return AppTest.from_string(f"from tests.pages import drawn_dialogs\ndrawn_dialogs.{name}()")


def test_how_far_several_are(home: Home, ids: list[int], carry_out: Callable[[], int]):
    app = drawn("of_several")
    app.session_state["several"] = {"key": "k", "ids": ids, "refused": []}
    with held(home):
        app.run()
        assert not app.exception
        assert "database is locked" in app.error[0].value
        assert LOCKED in app.error[0].value
    app.run()
    assert not app.error
    assert carry_out() == 2
    app.run()
    assert [one.value for one in app.success] == ["2 alerts done."]


def test_how_far_one_is(home: Home, ids: list[int], carry_out: Callable[[], int]):
    app = drawn("of_one")
    app.session_state["acting"] = {"key": "k", "id": ids[0]}
    with held(home):
        app.run()
        assert not app.exception
        assert LOCKED in app.error[0].value
    app.run()
    assert not app.error
    assert carry_out() == 2
    app.run()
    assert app.success
    assert "To what came of it" in said(app)


@pytest.mark.parametrize("ended", [False, True])
def test_what_belongs_to_an_action_and_cannot_be_read_keeps_the_dialog(
    home: Home, ids: list[int], carry_out: Callable[[], int], ended: bool
):
    app = drawn("of_one")
    app.session_state["acting"] = {"key": "k", "id": ids[0]}
    app.session_state["busy"] = True
    if ended:
        carry_out()
    app.run()
    assert not app.exception
    assert "database is locked" in app.error[0].value
    assert bool(app.success) is ended
    assert [one.key for one in app.button] == (["acting-close"] if ended else [])
