"""Machines are added by a token and removed, on the page, by those who may."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from streamlit.testing.v1 import AppTest

from services.engines.silicon.models import Sample
from services.engines.silicon.provider import measured
from services.home import Home
from services.telemetry import tokens
from services.telemetry.store import Store
from tests.hardware_seed import MINI, RUNNER
from tests.pages.conftest import Open, words

ADMIN = "admin"


def put(home: Home) -> None:
    """Write one machine that reports and one that stopped, which has a token."""
    writer = Store(home.telemetry, merge_in_background=False)
    now = datetime.now(UTC)
    for machine, age_s in ((RUNNER, 1.0), (MINI, 600.0)):
        writer.introduce(machine, ())
        at = now - timedelta(seconds=age_s)
        writer.append(Sample(machine.host, at, 2.0, (measured("cpu_ratio", 0.5, "psutil"),)))
    writer.close()
    folder = home.secrets / tokens.FOLDER
    check, made = tokens.Tokens(folder), tokens.make(folder, "mini")
    holder = check.holder(made)
    assert holder is not None
    check.bind(holder, MINI.host)


def keys(app: AppTest) -> set[str]:
    return {str(button.key) for button in app.button}


@pytest.mark.parametrize("role", ["viewer", "operator", "approver"])
def test_others_see_nothing_of_tokens_and_removal(home: Home, open_page: Open, role: str):
    put(home)
    app = open_page("hardware", role=role)
    assert not app.exception
    assert "Other machines" not in words(app)
    assert not app.dataframe
    app = open_page("hardware", role=role, host=MINI.host, part="Machine")
    assert "remove-machine" not in keys(app)


def test_a_scoped_admin_does_not_manage_machines(home: Home, open_page: Open):
    put(home)
    app = open_page("hardware", role=ADMIN, projects=("clip-finetuning",))
    assert "Other machines" not in words(app)


@pytest.mark.parametrize("mirror", ["full", "empty", "down", "none"])
def test_an_admin_sees_who_uses_which_token_whatever_the_engines_do(
    home: Home, open_page: Open, mirror: str
):
    put(home)
    app = open_page("hardware", role=ADMIN, mirror=mirror)
    assert not app.exception
    (table,) = app.dataframe
    (row,) = table.value.to_dict("records")
    assert (row["name"], row["host"], row["seen"]) == ("mini", MINI.host, "10 min ago")
    off = mirror == "none"
    assert app.button(key="add-machine").disabled == off


def test_without_any_machine_one_can_be_added(home: Home, open_page: Open):
    app = open_page("hardware", role=ADMIN)
    assert "add-machine" in keys(app)
    assert not app.dataframe


def test_a_token_is_made_in_the_dialog_and_shown_with_the_whole_command(
    home: Home, open_page: Open, carry_out: Callable[[], int], dialog_open: Callable[[str], None]
):
    dialog_open("add-machine")
    app = open_page("hardware", role=ADMIN)
    assert app.button(key="acting-do").disabled
    app.text_input(key="token-name").set_value("studio").run()
    token = app.session_state["acting"]["token"]
    assert token not in words(app)
    assert "the first that comes with the token" in words(app)
    app.button(key="acting-do").click().run()
    assert token not in words(app)
    carry_out()
    app.run()
    told = words(app)
    assert f"export MLOPS_AGENT_TOKEN={token}" in told
    assert "./mlops agent --join http://127.0.0.1:9470" in told
    assert "ssh -N -L 9470:127.0.0.1:9470" in told
    assert "telemetry_certificate" in told
    holder = tokens.Tokens(home.secrets / tokens.FOLDER).holder(token)
    assert holder is not None
    assert holder.name == "studio"
    for path in home.databases.iterdir():
        assert token.encode() not in path.read_bytes()


def test_a_name_that_has_a_token_is_refused_in_the_dialog(
    home: Home, open_page: Open, dialog_open: Callable[[str], None]
):
    put(home)
    dialog_open("add-machine")
    app = open_page("hardware", role=ADMIN)
    app.text_input(key="token-name").set_value("mini").run()
    assert "There is a token mini already" in app.error[0].value


def test_a_machine_that_reports_cannot_be_removed(home: Home, open_page: Open):
    put(home)
    app = open_page("hardware", role=ADMIN, host=RUNNER.host, part="Machine")
    assert app.button(key="remove-machine").disabled
    assert "It still reports" in words(app)


def test_a_silent_one_is_removed_and_the_page_goes_back_to_the_list(
    home: Home, open_page: Open, carry_out: Callable[[], int], dialog_open: Callable[[str], None]
):
    put(home)
    dialog_open("remove-machine")
    app = open_page("hardware", role=ADMIN, host=MINI.host, part="Machine")
    assert "They cannot be brought back" in words(app)
    assert "Its token mini ends" in words(app)
    app.button(key="acting-do").click().run()
    carry_out()
    app.run()
    assert not app.exception
    assert not app.error
    assert app.title[0].value == "Hardware"
    assert "was removed" in app.success[0].value
    assert "host" not in app.query_params
    assert [one.machine.host for one in Store(home.telemetry).hosts()] == [RUNNER.host]
    app.run()
    assert not app.success


def test_one_removed_by_somebody_else_is_a_sentence(home: Home, open_page: Open):
    put(home)
    app = open_page("hardware", role=ADMIN, host=MINI.host, part="Machine")
    Store(home.telemetry).remove(MINI.host)
    app.run()
    assert not app.exception
    assert "No machine named" in app.error[0].value
