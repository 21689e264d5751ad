"""The page of the queue, as the app draws it over a queue that the real policy decided."""

import shutil
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from dashboard import state
from dashboard.queue import what_if
from dashboard.queue.veil import Veil
from services.home import Home
from services.mirror import schema
from services.mirror.queries import Mirror
from services.mirror.store import Store
from services.mirror.workflow_models import Decided
from services.mirror.workflow_queries import Workflows
from services.settings import Settings
from tests import queue_seed, seed
from tests.pages.conftest import Open, said, said_links
from tests.pages.roles import EVERY_ROLE

PARTS = ("Now", "Why", "Shares", "What if")
MINE = ("clip-finetuning", "lora-finetuning")


@pytest.fixture(scope="session")
def queued(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A mirror with a queue, written once a session."""
    made = tmp_path_factory.mktemp("queue") / "mirror.sqlite"
    seed.fill(f"sqlite:///{made}")
    queue_seed.fill(f"sqlite:///{made}", waiting=40, past=40)
    engine = schema.open_engine(f"sqlite:///{made}")
    with engine.connect() as connection:
        connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
    engine.dispose()
    return made


@pytest.fixture
def queue(home: Home, queued: Path) -> Callable[..., Decided]:
    """Lay the queue into the home, decided so many minutes ago, engines heard of just now."""

    def laid(minutes: float = 0.0, engine: str = "live") -> Decided:
        shutil.copy(queued, home.databases / "mirror.sqlite")
        url = Settings().mirror_url
        made, _ = schema.prepare(url)
        store = Store(made)
        for name, title in (*seed.ENGINES, ("airflow", "Airflow")):
            store.write_engine(name, title, "live")
        if engine != "live":
            store.write_engine("airflow", "Airflow", "down", "It was stopped.", "`mlops up`")
        made.dispose()
        queue_seed.keep_deciding(url, queue_seed.long_ago(minutes))
        found = Workflows(Mirror.open(Settings())).queue()
        assert found is not None
        return found

    return laid


def opened(open_page: Open, **given: object) -> AppTest:
    return open_page("queue", mirror="laid", **given)


def row(decided: Decided, kind: str):
    return next(r for r in decided.rows if r.kind == kind)


def waiting(decided: Decided):
    return next(r for r in decided.rows if r.state == "waiting" and r.expected_at is not None)


@pytest.mark.parametrize("role", EVERY_ROLE)
@pytest.mark.parametrize("part", PARTS)
def test_every_part_draws_for_every_role(
    queue: Callable[..., Decided], open_page: Open, role: str, part: str
):
    queue()
    app = opened(open_page, role=role, part=part)
    assert not app.exception
    assert not app.error
    assert not app.warning
    assert app.title[0].value == "Queue"


@pytest.mark.parametrize("role", EVERY_ROLE)
@pytest.mark.parametrize("mirror", ["empty", "down"])
def test_before_the_first_decision_it_says_when_there_is_one(
    open_page: Open, role: str, mirror: str
):
    app = open_page("queue", role=role, mirror=mirror)
    assert not app.exception
    assert not app.error
    assert "Nothing was decided yet" in said(app)
    assert "mlops status" in said(app)


@pytest.mark.parametrize("role", EVERY_ROLE)
@pytest.mark.parametrize("part", PARTS)
def test_while_airflow_is_away_the_last_picture_stays_with_its_age(
    queue: Callable[..., Decided], open_page: Open, role: str, part: str
):
    decided = queue(12, engine="down")
    waits = waiting(decided)
    app = opened(open_page, role=role, part=part, job=waits.id)
    assert not app.exception
    assert "Airflow has not answered" in app.warning[0].value
    if part == "Now":
        assert "This was decided 12 min ago" in "".join(one.value for one in app.warning)
        assert "what" in app.dataframe[0].value
        assert app.button(key="queue-front").disabled


def test_jobs_are_told_with_reason_place_start_and_what_would_unblock_them(
    queue: Callable[..., Decided], open_page: Open
):
    decided = queue()
    first = Veil(None, decided, {}).row(next(r for r in decided.rows if r.position == 1))
    assert "“" in first.said, "it names who has the room as the page does"
    table = opened(open_page).dataframe[0].value
    cells = table[table["position"] == "1"].iloc[0]
    assert (cells["what"], cells["said"]) == (first.what, first.said)
    assert (cells["unblock"], cells["host"]) == (first.unblock, first.host)
    assert cells["start"].startswith("≈ ")
    assert list(cells["kind"]) in (["≡ its turn"], ["▤ memory"])


def test_machines_are_told_with_slots_memory_and_the_thermal_policy(
    queue: Callable[..., Decided], open_page: Open
):
    queue()
    told = said(opened(open_page))
    assert queue_seed.HOT in told
    assert "22 min ago" in told
    assert "macmon is not installed" in told
    assert "1 of 1 heavy slot taken" in told
    assert "of 54.0 GB for jobs" in told


def test_the_address_filters_by_reason_state_and_project(
    queue: Callable[..., Decided], open_page: Open
):
    decided = queue()
    table = opened(open_page, reason="too large").dataframe[0].value
    assert [list(kind) for kind in table["kind"]] == [["✕ too large"]]
    project = waiting(decided).project
    wanted = [r for r in decided.rows if r.project == project and r.state == "waiting"]
    app = opened(open_page, project=project, state="waits")
    assert len(app.dataframe[0].value) == len(wanted) > 0
    assert "more are in the queue: the filter hides them" in said(app)
    none = opened(open_page, reason="power")
    assert not none.dataframe
    assert "of the queue fits the filter" in said(none)


@pytest.mark.parametrize("role", EVERY_ROLE)
def test_a_job_is_told_in_full_and_moved_by_who_may(
    queue: Callable[..., Decided], open_page: Open, role: str
):
    decided = queue()
    waits = Veil(None, decided, {}).row(waiting(decided))
    app = opened(open_page, role=role, job=waits.id)
    told = said(app)
    assert not app.exception
    assert waits.said in told
    assert waits.unblock in told
    assert "nine of ten times by" in told or "≈" in told
    assert "Until now:" in told
    front = app.button(key="queue-front")
    assert front.disabled == (role == "viewer")
    if role == "viewer":
        assert "operator" in front.help


def test_why_there_is_no_estimate_is_said(queue: Callable[..., Decided], open_page: Open):
    held = row(queue(), "never")
    told = said(opened(open_page, job=held.id))
    assert "It is not known. It never starts as it is." in told
    assert "It can never fit: it needs 96.0 GB" in told


def test_a_job_that_runs_cannot_be_moved_and_leads_to_its_run(
    queue: Callable[..., Decided], open_page: Open
):
    runs = row(queue(), "running")
    app = opened(open_page, role="operator", job=runs.id)
    assert app.button(key="queue-back").disabled
    assert "It runs already" in app.button(key="queue-back").help
    assert f"Run {seed.run_id(1, 0)[:8]}" in said_links(app)


def test_nothing_is_moved_by_an_old_decision(queue: Callable[..., Decided], open_page: Open):
    waits = waiting(queue(12))
    app = opened(open_page, role="operator", job=waits.id)
    assert "This was decided 12 min ago" in app.warning[0].value
    assert app.button(key="queue-front").disabled
    assert "The queue is old" in app.button(key="queue-front").help


def test_a_moved_job_is_noted_for_the_next_decision(
    queue: Callable[..., Decided],
    open_page: Open,
    home: Home,
    dialog_open: Callable[[str], None],
):
    waits = waiting(queue())
    dialog_open("queue-front")
    app = opened(open_page, role="operator", job=waits.id)
    assert "It goes before all that wait, of other projects too." in said(app)
    app.button(key="acting-do").click().run()
    (asked,) = state.executor().history(kinds=("queue-move",))
    assert (asked.state, asked.project) == ("pending", waits.project)
    assert asked.title.startswith("Of the job")


def test_jobs_of_projects_one_may_not_see_have_no_names(
    queue: Callable[..., Decided], open_page: Open
):
    decided = queue()
    hidden = [r for r in decided.rows if r.project not in MINE]
    for part in PARTS:
        app = opened(open_page, projects=MINE, part=part)
        told = said(app) + "".join(one.proto.spec for one in app.get("echarts_chart"))
        for other in hidden:
            assert other.id not in told, part
            assert other.project not in told, part
            assert other.what not in told, part
    assert "a job of another project" in said(opened(open_page, projects=MINE))
    app = opened(open_page, projects=MINE, job=hidden[0].id)
    assert "There is no job" in said(app)


def test_why_tells_the_hours_and_the_readings(queue: Callable[..., Decided], open_page: Open):
    queue()
    app = opened(open_page, part="Why", range="7d")
    told = said(app)
    assert "waited in the last 7 days" in told
    lanes, totals = app.get("echarts_chart")
    assert "thermal level 2 from notifyd" in lanes.proto.spec
    assert "its turn for" in lanes.proto.spec
    assert "heat or battery" in totals.proto.spec
    assert "5 decisions of the thermal policy" in " ".join(e.label for e in app.expander)


def test_a_time_in_which_nothing_waited_is_said_to_be_so(
    queue: Callable[..., Decided], open_page: Open
):
    queue()
    engine = schema.open_engine(Settings().mirror_url)
    with engine.begin() as connection:
        connection.exec_driver_sql("DELETE FROM waits")
        connection.exec_driver_sql("DELETE FROM policy_decisions")
    engine.dispose()
    told = said(opened(open_page, part="Why", range="1h"))
    assert "No job waited or ran" in told
    assert "decided nothing in the last hour" in told


def test_shares_are_used_against_due(queue: Callable[..., Decided], open_page: Open):
    queue()
    app = opened(open_page, part="Shares", range="7d")
    told = said(app)
    assert "slot-hours in the last 7 days" in told
    assert "h due" in told
    assert "of 30 h" in told  # the quota
    assert "Farthest from its due" in told
    assert len(app.get("echarts_chart")) == 1


def test_a_replay_is_marked_as_simulated(queue: Callable[..., Decided], open_page: Open):
    decided = queue()
    app = opened(open_page, part="What if")
    assert "Nothing here changes a setting" in said(app)
    next(one for one in app.button if one.label.startswith("Replay")).click().run()
    told = said(app)
    assert not app.exception
    assert "replayed" in told
    assert "simulated" in told
    assert "jobs left out: never began or not ended" in told
    assert "from the real ones" in told
    again = Workflows(Mirror.open(Settings())).queue()
    assert again is not None
    assert again.shares == decided.shares


def test_without_records_there_is_nothing_to_replay(queue: Callable[..., Decided], open_page: Open):
    decided = queue()
    wanted = what_if.wanted_of(
        [{"project": "lora-finetuning", "weight": None, "priority": float("nan")}], []
    )
    assert (wanted.shares[0].weight, wanted.shares[0].priority) == (1.0, 5)
    nothing = what_if.history.History((), (), (), {}, ())
    now = datetime.now(UTC)
    assert what_if.ask(decided, nothing, wanted, now - timedelta(days=7), now) is None
