"""What people ask of monitoring: a check, another baseline."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

import pytest

from dashboard import state
from dashboard.monitoring import acting
from services.actions import catalog
from services.actions.action import Context, Deed, Step
from services.actions.roles import Actor, Role
from services.errors import InputError
from tests.monitoring_seed import LORA
from tests.pages.conftest import Open, said
from tests.pages.monitoring_shown import Laid, laid, opened
from tests.pages.roles import EVERY_ROLE

__all__ = ["laid"]


@dataclass(frozen=True)
class Asked:
    """What a check is asked with; the actions themselves are not of the page."""

    kind: ClassVar[str] = acting.CHECK
    role: ClassVar[Role] = "operator"

    project: str
    model: str
    report: bool | None = None

    title = "Check it"
    subject = "monitoring:x"

    def check(self, context: Context, actor: Actor) -> None: ...

    def consequences(self, context: Context) -> tuple[str, ...]:
        return (f"Checks {self.project}.{self.model}, report {self.report}.",)

    def steps(self, context: Context, deed: Deed) -> tuple[Step, ...]:
        return ()


@dataclass(frozen=True)
class Chosen(Asked):
    """A baseline."""

    kind: ClassVar[str] = acting.BASELINE
    role: ClassVar[Role] = "approver"

    report: bool | None = None
    baseline: str = "auto"
    weeks: int | None = None
    since: float | None = None
    until: float | None = None

    def consequences(self, context: Context) -> tuple[str, ...]:
        return (f"{self!r}",)


@pytest.fixture
def known(monkeypatch: pytest.MonkeyPatch) -> None:
    found = {**catalog.ACTIONS, acting.CHECK: Asked, acting.BASELINE: Chosen}
    monkeypatch.setattr(catalog, "ACTIONS", found)


@pytest.mark.parametrize("role", EVERY_ROLE)
def test_buttons_are_those_of_the_role(laid: Laid, open_page: Open, known: None, role: str):
    laid()
    app = opened(open_page, LORA, role=role)
    assert app.button(key=f"monitoring-{acting.CHECK}").disabled == (role == "viewer")
    allowed = role in {"approver", "admin"}
    assert app.button(key=f"monitoring-{acting.BASELINE}").disabled != allowed


def test_without_the_controller_nothing_can_be_asked(laid: Laid, open_page: Open, known: None):
    laid()
    app = opened(open_page, LORA, role="admin", mirror="none")
    assert not app.exception
    assert app.button(key=f"monitoring-{acting.CHECK}").disabled
    assert "3 of 10 inputs moved" in said(app)


def test_a_check_is_asked_for_in_the_dialog(
    laid: Laid, open_page: Open, known: None, dialog_open: Callable[[str], None]
):
    laid()
    dialog_open(f"monitoring-{acting.CHECK}")
    app = opened(open_page, LORA, role="operator")
    assert f"Checks {LORA}, report None." in said(app)
    app.toggle(key="monitoring-report").set_value(True).run()
    assert f"Checks {LORA}, report True." in said(app)
    app.button(key="acting-do").click().run()
    (asked,) = state.executor().history(kinds=(acting.CHECK,))
    assert (asked.actor, asked.state) == ("mira", "pending")


def test_who_may_not_check_cannot_check_all(laid: Laid, open_page: Open, known: None):
    laid()
    assert opened(open_page, role="viewer").button(key="monitoring-all").disabled


def test_all_deployments_are_checked_from_the_matrix(
    laid: Laid, open_page: Open, known: None, dialog_open: Callable[[str], None]
):
    laid()
    dialog_open("monitoring-all")
    app = opened(open_page, role="operator")
    assert LORA in said(app)
    app.button(key="acting-do").click().run()
    asked = state.executor().history(kinds=(acting.CHECK,))
    names = {f"{one.params['project']}.{one.params['model']}" for one in asked}
    assert len(asked) == len(names) > 3
    assert LORA in names


@pytest.mark.parametrize("kind", ["auto", "evaluation", "first", "season", "window"])
def test_every_baseline_can_be_chosen(
    laid: Laid, open_page: Open, known: None, dialog_open: Callable[[str], None], kind: str
):
    laid()
    dialog_open(f"monitoring-{acting.BASELINE}")
    app = opened(open_page, LORA, role="approver")
    app.radio(key="monitoring-baseline").set_value(kind).run()
    assert not app.exception
    told = said(app)
    assert f"'{kind}'" in told
    assert ("weeks=4" in told) == (kind == "season")
    assert ("since=None" in told) != (kind == "window")


def test_an_input_is_left_out_in_the_dialog_that_says_what_follows(
    laid: Laid, open_page: Open, dialog_open: Callable[[str], None]
):
    laid()
    dialog_open(f"monitoring-{acting.SETTINGS}")
    app = opened(open_page, LORA, role="operator")
    column = app.multiselect(key="monitoring-ignored").options[0]
    app.multiselect(key="monitoring-ignored").select(column).run()
    app.number_input(key="monitoring-threshold").set_value(0.25).run()
    assert not app.exception
    assert f"Nobody is told any more when input.{column} drifts." in said(app)
    app.button(key="acting-do").click().run()
    (asked,) = state.executor().history(kinds=(acting.SETTINGS,))
    assert asked.params["ignored"] == [f"input.{column}"]
    assert (asked.params["threshold"], asked.params["model"]) == (0.25, LORA.partition(".")[2])


def test_an_action_that_this_version_does_not_know_is_off(
    laid: Laid, open_page: Open, monkeypatch: pytest.MonkeyPatch
):
    found = {name: one for name, one in catalog.ACTIONS.items() if name != acting.CHECK}
    monkeypatch.setattr(catalog, "ACTIONS", found)
    laid()
    app = opened(open_page, LORA, role="admin")
    assert app.button(key=f"monitoring-{acting.CHECK}").disabled
    with pytest.raises(InputError):
        catalog.load(acting.CHECK, "{}")
