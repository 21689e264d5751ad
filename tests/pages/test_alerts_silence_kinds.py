"""A new silence is offered for every kind of alert there is."""

from collections.abc import Callable

from dashboard import state
from services.alerting import store
from services.alerting.kinds import KINDS
from tests.pages.alerts_shown import Scene, scene
from tests.pages.conftest import Open, said

__all__ = ["scene"]


def test_a_kind_that_is_chosen_is_written_as_the_keys(
    scene: Scene,
    open_page: Open,
    carry_out: Callable[[], int],
    dialog_open: Callable[[str], None],
):
    scene()
    dialog_open("silence-new")
    app = open_page("alerts", role="operator", mirror="empty", view="silences")
    chooser = app.selectbox(key="alert-silence-kind")
    assert tuple(chooser.options) == KINDS
    chooser.select("run").run()
    assert app.text_input(key="alert-silence-pattern").value == "run/*"
    assert "It covers 2 open alerts" in said(app)
    app.text_input(key="alert-silence-pattern").input("run/clip*").run()
    app.text_input(key="alert-reason").input("Moving house.").run()
    app.button(key="acting-do").click().run()
    assert carry_out() == 1
    assert store.silences(state.journal())[0].pattern == "run/clip*"
