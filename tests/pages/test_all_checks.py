"""Checking all deployments at once, some of which are refused."""

from collections.abc import Callable
from dataclasses import dataclass, field

import pytest

from dashboard import state
from dashboard.monitoring import acting
from services.actions import catalog
from services.actions.action import Context
from services.actions.roles import Actor
from services.errors import ConflictError
from tests.pages.conftest import Open, said
from tests.pages.monitoring_shown import Laid, laid, opened
from tests.pages.test_monitoring_acting import Asked

__all__ = ["laid"]


@dataclass
class Refusing:
    """Which checks are refused, and which were asked for."""

    names: set[str] | None = None
    """None: all."""
    asked: list[str] = field(default_factory=list)


@pytest.fixture
def refusing(monkeypatch: pytest.MonkeyPatch) -> Refusing:
    told = Refusing()

    class Refused(Asked):
        def check(self, context: Context, actor: Actor) -> None:
            del context, actor
            name = f"{self.project}.{self.model}"
            told.asked.append(name)
            if told.names is None or name in told.names:
                raise ConflictError(f"{self.model} takes no requests yet.")

    monkeypatch.setattr(catalog, "ACTIONS", {**catalog.ACTIONS, acting.CHECK: Refused})
    return told


def test_one_that_is_refused_keeps_no_other_from_being_asked_for(
    laid: Laid, open_page: Open, refusing: Refusing, dialog_open: Callable[[str], None]
):
    laid()
    dialog_open("monitoring-all")
    app = opened(open_page, role="operator")
    app.button(key="acting-do").click().run()
    assert state.executor().history(kinds=(acting.CHECK,)) == ()
    assert "takes no requests yet" in said(app)
    assert not app.toast

    first, *others = refusing.asked
    assert len(others) > 3
    refusing.names = {first}
    app.button(key="acting-do").click().run()
    asked = state.executor().history(kinds=(acting.CHECK,))
    assert {f"{one.params['project']}.{one.params['model']}" for one in asked} == {*others}
    (told,) = app.toast
    assert told.value.replace("\\", "").startswith(f"{first}: ")
