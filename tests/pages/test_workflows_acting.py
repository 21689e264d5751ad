"""What is done with workflows from their page, and the logs it reads: over a small Airflow."""

import socket
import time
from collections.abc import Callable

import httpx
import pytest
from streamlit.testing.v1 import AppTest

from dashboard import state
from dashboard.workflows import logs
from services.actions.executor import Executor
from services.engines import registry
from services.engines.airflow.adapter import Airflow
from services.home import Home
from services.settings import Settings
from tests import workflows_seed as seeded
from tests.pages.conftest import Open, said, said_links, words
from tests.pages.roles import EVERY_ROLE, ROLES
from tests.services.actions.small_airflow import SmallAirflow

ONE = {"dag": seeded.TRAIN}
FAILED, RUNNING = ONE | {"run": seeded.FAILED}, ONE | {"run": seeded.RUNNING}
OF_DAG, OF_RUN = ("workflow-launch", "workflow-pause"), ("workflow-retry", "workflow-clear")


@pytest.fixture
def airflow(home: Home, monkeypatch: pytest.MonkeyPatch) -> SmallAirflow:
    """An Airflow that the pages and the executor ask."""
    made = SmallAirflow(home.root / "small-airflow.json")
    made.add_dag(seeded.TRAIN, is_paused=False)
    made.add_run(seeded.TRAIN, seeded.RUNNING)
    made.add_run(seeded.TRAIN, seeded.FAILED, "failed")
    made.add_task(seeded.TRAIN, seeded.FAILED, "train", "failed", tries=2)
    for step in seeded.STEPS[2:]:
        made.add_task(seeded.TRAIN, seeded.FAILED, step, "upstream_failed", tries=0)
    made.add_task(seeded.TRAIN, seeded.RUNNING, "train", "running")
    monkeypatch.setattr(registry, "late_airflow", lambda *_: made.adapter())
    return made


@pytest.fixture
def ready(airflow: SmallAirflow, open_page: Open, home: Home) -> None:
    """A mirror whose training can be launched, and whose queue was decided just now."""
    open_page("activity", role="operator", mirror="workflows")
    seeded.decide(Settings().mirror_url)
    seeded.connect(Settings().mirror_url, home.root / "lora")


def done() -> None:
    """Carry out what was asked for, as the controller does."""
    Executor(state.context()).execute_pending()


def opened(open_page: Open, role: str = "operator", **query: str) -> AppTest:
    app = open_page("workflows", role=role, mirror="workflows", **query)
    assert not app.exception
    return app


# Who may


@pytest.mark.parametrize("role", EVERY_ROLE)
def test_who_may_not_act_is_told_why(open_page: Open, role: str):
    may = ROLES.index(role) >= ROLES.index("operator")
    for query, keys in ((ONE, OF_DAG), (FAILED, OF_RUN)):
        app = opened(open_page, role, **query)
        for key in keys:
            assert app.button(key=key).disabled is not may, key
            if not may:
                assert f"takes the role operator; mira is {role}" in app.button(key=key).help


@pytest.mark.parametrize("query", [ONE, FAILED])
def test_nothing_is_done_while_airflow_is_away(open_page: Open, query: dict[str, str]):
    app = open_page("workflows", role="admin", mirror="airflow down", **query)
    for key in OF_DAG if query == ONE else OF_RUN:
        assert app.button(key=key).disabled, key
        assert "Airflow has not answered" in app.button(key=key).help


def test_what_makes_no_sense_is_off_with_the_reason(open_page: Open):
    ended = opened(open_page, **ONE, run=seeded.MADE)
    assert "It has ended" in ended.button(key="workflow-cancel").help
    assert "No task of it failed" in ended.button(key="workflow-retry").help
    broken = opened(open_page, dag=f"{seeded.DIFFUSION}.train")
    assert "makes no workflow now" in broken.button(key="workflow-launch").help


# Launching


def test_a_launch_shows_what_was_last_given_and_what_it_will_take(
    ready: None, airflow: SmallAirflow, open_page: Open, dialog_open: Callable[[str], None]
):
    dialog_open("workflow-launch")
    app = opened(open_page, **ONE)
    assert app.number_input[0].value == 12
    assert app.toggle[0].value is False
    told = said(app)
    for expected in (
        "by the median of earlier runs",
        "Memory: 7.5 GB is its limit",
        "when a machine is free, expected in 2 min",
        "this one queues behind",
    ):
        assert expected in told, expected
    app.session_state["launch-source"] = "Defaults"
    app.run()
    assert app.number_input[0].value == 3
    assert app.toggle[0].value is True


def test_a_launch_is_asked_for_once_and_leads_to_its_run(
    ready: None, airflow: SmallAirflow, open_page: Open, dialog_open: Callable[[str], None]
):
    dialog_open("workflow-launch")
    app = opened(open_page, **ONE)
    app.number_input[0].set_value(7).run()
    app.text_input(key="launch-note").set_value("For the paper").run()
    app.button(key="acting-do").click().run()
    done()
    app.run()
    (run_id,) = [name for name in airflow.state["runs"] if "mlops-" in name]
    made = airflow.state["runs"][run_id]
    assert made["conf"]["epochs"] == 7
    assert made["conf"]["optimizer"] == "lion"
    assert made["note"] == "Launched by mira. For the paper"
    assert "To the run" in said_links(app)
    assert airflow.writes == ["launched"]


def test_a_wrong_value_is_named_before_anything_is_launched(
    ready: None, airflow: SmallAirflow, open_page: Open, dialog_open: Callable[[str], None]
):
    dialog_open("workflow-launch")
    app = opened(open_page, **ONE)
    revision = next(one for one in app.text_input if str(one.key).endswith(":data_revision"))
    revision.set_value("not a version").run()
    assert "data_revision is 'not a version', which is not of the form" in said(app)
    assert "Nothing was started" in said(app)
    assert not airflow.writes


# Pause, cancel, retry, clear


@pytest.mark.parametrize(
    ("key", "query", "write"),
    [
        ("workflow-pause", ONE, "paused=True"),
        ("workflow-cancel", RUNNING, f"{seeded.RUNNING} failed"),
        ("workflow-retry", FAILED, "cleared 4"),
    ],
)
def test_each_button_does_what_it_says(
    airflow: SmallAirflow, open_page: Open, dialog_open: Callable[[str], None],
    key: str, query: dict[str, str], write: str,
):  # fmt: skip
    dialog_open(key)
    app = opened(open_page, **query)
    assert "What happens" in words(app)
    app.button(key="acting-do").click().run()
    done()
    assert airflow.writes == [write]


def test_chosen_tasks_are_done_again(
    airflow: SmallAirflow, open_page: Open, dialog_open: Callable[[str], None]
):
    dialog_open("workflow-clear")
    app = opened(open_page, **FAILED)
    assert app.button(key="acting-do").disabled  # no task is chosen yet
    app.multiselect(key="workflow-clear-tasks").set_value(["train"]).run()
    assert "Done again as new tries: train and the tasks after them" in said(app)
    app.button(key="acting-do").click().run()
    done()
    assert airflow.writes == ["cleared 1"]


# Logs


def test_the_log_of_what_failed_is_shown_first_its_newest_try(
    airflow: SmallAirflow, open_page: Open
):
    airflow.add_log(seeded.TRAIN, seeded.FAILED, "train", "epoch 1", "<b>boom</b>", attempt=2)
    app = opened(open_page, **FAILED)
    assert app.selectbox(key="task").value == "train"
    drawn = said(app)
    assert "&lt;b&gt;boom" in drawn
    assert "Lines 1–2 of 2" in drawn
    assert "::group::" not in drawn


def test_an_earlier_try_is_chosen_by_the_address(airflow: SmallAirflow, open_page: Open):
    airflow.add_log(seeded.TRAIN, seeded.FAILED, "train", "the first try", attempt=1)
    assert "the first try" in said(opened(open_page, **FAILED, task="train", **{"try": "1"}))


def test_a_search_marks_counts_and_goes_from_match_to_match(airflow: SmallAirflow, open_page: Open):
    lines = [f"epoch {n} loss 0.{n}" for n in range(5)]
    airflow.add_log(seeded.TRAIN, seeded.FAILED, "train", *lines, attempt=2)
    app = opened(open_page, **FAILED, words="LOSS")
    assert "Match 5 of 5, in 5 lines" in said(app)
    app.button(key="log-Next").click().run()
    assert "Match 1 of 5" in said(app)
    app.button(key="log-Previous").click().run()
    assert "Match 5 of 5" in said(app)
    assert said(app).count("<mark ") == 5


def test_only_the_lines_that_match_are_shown(airflow: SmallAirflow, open_page: Open):
    airflow.add_log(seeded.TRAIN, seeded.FAILED, "train", "alpha", "beta", attempt=2)
    drawn = said(opened(open_page, **FAILED, words="bet", only="true"))
    assert "alpha" not in drawn
    assert "<mark" in drawn
    assert "is in none of the 2 lines" in said(opened(open_page, **FAILED, words="gamma"))


def test_a_long_log_shows_its_end_and_more_when_asked(
    airflow: SmallAirflow, open_page: Open, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(logs, "ENDED_LINES", 10)
    lines = [f"line-{n}-" for n in range(25)]
    airflow.add_log(seeded.TRAIN, seeded.FAILED, "train", *lines, attempt=2)
    app = opened(open_page, **FAILED)
    assert "Lines 16–25 of 25" in said(app)
    assert "line-14-" not in said(app)
    app.button(key="log-older").click().run()
    assert "Lines 6–25 of 25" in said(app)


def test_a_running_log_is_read_on_from_where_it_was_read(airflow: SmallAirflow, open_page: Open):
    airflow.add_log(seeded.TRAIN, seeded.RUNNING, "train", "one")
    app = opened(open_page, **RUNNING)
    assert "Lines 1–1 of 1, followed as it grows" in said(app)
    airflow.add_log(seeded.TRAIN, seeded.RUNNING, "train", "two")
    app.run()
    assert "Lines 1–2 of 2" in said(app)


def test_while_airflow_is_away_the_log_says_so_and_keeps_what_was_read(
    airflow: SmallAirflow, open_page: Open, monkeypatch: pytest.MonkeyPatch
):
    airflow.add_log(seeded.TRAIN, seeded.RUNNING, "train", "read before")
    app = opened(open_page, **RUNNING)
    airflow.silent = True
    app.run()
    warned = next(one.value for one in app.warning if "The log is with Airflow" in one.value)
    assert "It is asked again by itself" in warned
    assert "read before" in said(app)
    airflow.silent = False
    app.run()
    assert any("The log is with Airflow" in one.value for one in app.warning)  # it is left alone
    monkeypatch.setattr(logs, "_AGAIN_S", 0.0)
    app.run()
    assert not any("The log is with Airflow" in one.value for one in app.warning)


def answering(monkeypatch: pytest.MonkeyPatch, answer: Callable[..., httpx.Response]) -> None:
    client = httpx.Client(transport=httpx.MockTransport(answer), base_url="http://airflow.test")
    monkeypatch.setattr(registry, "late_airflow", lambda *_: Airflow(client))


def test_an_airflow_that_is_known_to_be_away_is_not_asked(
    open_page: Open, monkeypatch: pytest.MonkeyPatch
):
    asked: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request)
        return httpx.Response(404)

    answering(monkeypatch, answer)
    app = open_page("workflows", role="admin", mirror="airflow down", **FAILED)
    assert not app.exception
    assert "Its API server does not answer" in said(app)
    assert not asked


@pytest.mark.engine
def test_an_airflow_that_hangs_holds_the_page_for_seconds_at_most(
    open_page: Open, home: Home, monkeypatch: pytest.MonkeyPatch
):
    (home.secrets / "airflow-passwords.json").write_text('{"platform": "x"}')
    with socket.create_server(("127.0.0.1", 0)) as silent:  # it takes connections and says nothing
        monkeypatch.setenv("MLOPS_AIRFLOW_PORT", str(silent.getsockname()[1]))
        began = time.monotonic()
        app = opened(open_page, **FAILED)
        assert 2.5 < time.monotonic() - began < 8
        assert "did not answer in time" in said(app)
        began = time.monotonic()
        app.run()
        assert time.monotonic() - began < 2.5  # it is left alone for a while


def test_a_try_without_a_log_is_said(open_page: Open, monkeypatch: pytest.MonkeyPatch):
    answering(monkeypatch, lambda _: httpx.Response(404, json={"detail": "not found"}))
    assert "Airflow has no log of it" in said(opened(open_page, **FAILED))
