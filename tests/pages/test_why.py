"""Why a run or a machine was slow, the roofline, and what happened: as the app draws them."""

import functools
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qs, urlsplit

import pytest
from streamlit.testing.v1 import AppTest

from services.actions import schema as journal_schema
from services.actions.journal import Journal
from services.engines.silicon.models import ProcessUse
from services.home import Home
from services.mirror.store import Store as MirrorStore
from services.settings import Settings
from services.telemetry.store import Store
from tests import hardware_seed, seed
from tests.hardware_seed import RUN, RUNNER, STUDIO
from tests.pages.conftest import Open, said
from tests.pages.moulds import Moulds
from tests.services.telemetry.recordings import BEGIN, BUSY, MAC, moved, recording, use

_FULL = pytest.mark.full
ROLES = ("viewer", *(pytest.param(role, marks=_FULL) for role in ("operator", "approver", "admin")))
KINDS = (*(pytest.param(kind, marks=_FULL) for kind in ("full", "empty", "down")), "none")
PROMOTION = "Promote clip-small version 2 to champion"


@pytest.fixture
def now() -> datetime:
    return datetime.now(UTC)


@pytest.fixture
def mirror(home: Home, moulds: Moulds) -> Iterator[MirrorStore]:
    """The full mirror, to write runs into before a page opens over it."""
    made = moulds.mirror("full", home)
    yield made
    made.engine.dispose()


@pytest.fixture
def open_mine(open_page: Open, mirror: MirrorStore) -> Open:
    """Open a page over what the test made of the mirror."""
    return functools.partial(open_page, mirror="mine")


def links(app: AppTest, label: str) -> list[dict[str, list[str]]]:
    """The parameters of the page links whose label begins so."""
    return [
        parse_qs(link.proto.query_string)
        for link in app.page_link
        if str(link.proto.label).startswith(label)
    ]


def why(open_page: Open, run: str = RUN, **more: str) -> AppTest:
    return open_page("run", run=run, part="hardware", why="true", **more)


def hot_run(mirror: MirrorStore, now: datetime, **tags: str) -> None:
    """A run over the time in which the machine throttled."""
    begun, ended = now - timedelta(minutes=12), now - timedelta(minutes=1)
    tags = {"mlops.host_id": STUDIO.host, "mlops.backend": "mlx-metal"} | tags
    hardware_seed.sampled_run(mirror, begun, ended, **tags)


def recorded(home: Home, mirror: MirrorStore, now: datetime, *beside: ProcessUse) -> None:
    """A run of ten minutes on a machine of its own, undisturbed but for the processes beside."""
    begun = now - timedelta(minutes=15)
    own = use(f"run:{RUN}", gpu_s=1.2 if beside else 1.92)
    samples = moved(recording(600, BUSY, (own, *beside)), (begun - BEGIN).total_seconds())
    store = Store(home.telemetry, merge_in_background=False)
    store.introduce(MAC, ())
    for one in samples:
        store.append(one)
    store.close()
    tags = {"mlops.host_id": MAC.host, "mlops.backend": "mlx-metal"}
    hardware_seed.sampled_run(mirror, begun, begun + timedelta(minutes=10), **tags)


# Why a run was slow


@pytest.mark.parametrize("role", ROLES)
def test_a_hot_run_has_its_causes_with_the_evidence_and_the_way_to_their_time(
    sampled: Home, open_mine: Open, mirror: MirrorStore, now: datetime, role: str
):
    hot_run(mirror, now)
    app = why(open_mine, role=role)
    told = said(app)
    assert not app.exception
    assert "1. Throttled by heat for" in told
    assert "of the speed" in told
    assert "The thermal level was 1 or more for" in told
    assert "Looked for and not found" in told
    (zoom, *_) = links(app, "Zoom to")
    start, end = (datetime.fromisoformat(zoom[name][0]) for name in ("start", "end"))
    assert (zoom["run"], zoom["part"], zoom["why"]) == ([RUN], ["hardware"], ["true"])
    assert now - timedelta(minutes=12, seconds=2) <= start < end <= now


def test_it_is_asked_by_a_button_and_closed_again(
    sampled: Home, open_mine: Open, mirror: MirrorStore, now: datetime
):
    hot_run(mirror, now)
    app = open_mine("run", run=RUN, part="hardware")
    assert "Throttled by heat" not in said(app)  # on demand alone
    app.button(key="run-why").click().run()
    assert "Throttled by heat" in said(app)
    assert app.query_params["why"] == "true"
    app.button(key="why-close").click().run()
    assert "Throttled by heat" not in said(app)
    assert "why" not in app.query_params


def test_that_nothing_slowed_it_down_is_said_with_pride(
    home: Home, open_mine: Open, mirror: MirrorStore, now: datetime
):
    recorded(home, mirror, now)
    app = why(open_mine)
    assert not app.exception
    (told,) = app.success
    assert "Nothing slowed it down" in told.value
    assert "8 causes of slowness were looked for, and none was at work" in told.value
    assert not links(app, "Zoom to")


def test_what_cannot_be_told_says_why(
    sampled: Home, open_mine: Open, mirror: MirrorStore, now: datetime
):
    tags = {"mlops.host_id": RUNNER.host, "mlops.backend": "mlx-cpu"}
    hardware_seed.sampled_run(mirror, now - timedelta(minutes=9), now - timedelta(minutes=1),
                              **tags)  # fmt: skip
    app = why(open_mine)
    assert not app.exception
    assert "Cannot be told" in said(app)
    assert "Not Apple Silicon" in said(app)
    assert not app.success


@pytest.mark.parametrize("projects", [None, ("stable-diffusion",)])
def test_neighbours_of_other_projects_have_no_name(
    home: Home, open_mine: Open, mirror: MirrorStore, now: datetime,
    projects: tuple[str, ...] | None,
):  # fmt: skip
    other = use(f"run:{seed.run_id(5, 0)}", pid=7, project="federated-learning", gpu_s=0.7)
    recorded(home, mirror, now, other)
    app = why(open_mine, projects=projects)
    told = said(app)
    assert not app.exception
    assert "used the GPU at the same time" in told
    seen = projects is None
    assert ("run baseline-0" in told) == seen
    assert seed.run_id(5, 0) not in told
    assert ("Federated" in told) == seen


def test_the_curves_are_zoomed_by_the_address(
    sampled: Home, open_mine: Open, mirror: MirrorStore, now: datetime
):
    hot_run(mirror, now)
    start, end = now - timedelta(minutes=6), now - timedelta(minutes=4)
    app = why(open_mine, start=start.isoformat(), end=end.isoformat())
    assert not app.exception
    (chart,) = app.get("echarts_chart")
    assert f'"min":{round(start.timestamp() * 1000)}' in chart.proto.spec.replace(" ", "")
    app.button(key="run-whole").click().run()
    assert "start" not in app.query_params


@pytest.mark.parametrize("kind", KINDS)
def test_the_part_draws_whatever_the_engines_do(sampled: Home, open_page: Open, kind: str):
    app = open_page("run", mirror=kind, run=seed.run_id(1, 0), part="hardware", why="true")
    assert not app.exception


# Why a machine was slow


def test_a_machine_is_asked_about_the_time_that_is_shown(sampled: Home, open_page: Open):
    app = open_page("hardware", host=STUDIO.host, range="1h")
    app.button(key="hardware-why").click().run()
    told = said(app)
    assert not app.exception
    assert "Throttled by heat" in told
    # The time that was asked about stays in the address: the answer can be passed on.
    assert {"start", "end", "why"} <= set(app.query_params)
    (zoom, *_) = links(app, "Zoom to")
    assert zoom["host"] == [STUDIO.host]


def test_more_than_a_day_is_not_asked_about(sampled: Home, open_page: Open):
    app = open_page("hardware", host=STUDIO.host, range="7d")
    button = app.button(key="hardware-why")
    assert button.disabled
    assert "zoom in first" in button.help
    told = said(open_page("hardware", host=STUDIO.host, range="7d", why="true"))
    assert "At most 24 hours can be looked at together" in told
    assert "--from" not in told  # that is how the command line says it


def test_a_time_of_which_nothing_is_kept_says_so(sampled: Home, open_page: Open):
    app = open_page("hardware", host=STUDIO.host, start="2026-01-01", end="2026-01-02", why="true")
    assert "Nothing can be told: no sample of the machine is kept" in said(app)
    assert not app.success


# Runs, promotions and deployments on the charts


def promoted(at: datetime, project: str) -> int:
    """Write a promotion that was done then; return its number."""
    at_ms = round(at.timestamp() * 1000)
    row = {
        "key": f"{at_ms}", "kind": "promote", "project": project,
        "title": PROMOTION, "params": "{}", "memory": "{}",
        "actor": "mira", "actor_kind": "user", "actor_role": "approver", "subject": "",
        "state": "done", "error": "", "hint": "", "result": "", "submitted_ms": at_ms,
        "finished_ms": at_ms, "attempts": 1,
    }  # fmt: skip
    table = journal_schema.actions
    journal = Journal.open(Settings())
    with journal.write() as connection:
        made = connection.execute(table.insert().values(**row).returning(table.c.id))
        number = int(made.scalar_one())
    journal.close()
    return number


def table_of(app: AppTest) -> dict[str, str]:
    """What happened, by title, with where it leads."""
    app.session_state["hardware-happened"] = True  # opened
    app.run()
    assert not app.exception
    (table,) = app.dataframe
    return dict(zip(table.value["title"], table.value["link"], strict=True))


@pytest.mark.parametrize("projects", [None, ("stable-diffusion",), ("lora-finetuning",)])
def test_runs_and_promotions_are_marked_for_those_who_see_the_project(
    sampled: Home, open_mine: Open, mirror: MirrorStore, now: datetime,
    projects: tuple[str, ...] | None,
):  # fmt: skip
    hot_run(mirror, now)
    number = promoted(now - timedelta(minutes=5), "stable-diffusion")
    app = open_mine("hardware", host=STUDIO.host, range="1h", projects=projects)
    seen = projects != ("lora-finetuning",)
    (chart,) = app.get("echarts_chart")
    for mark in ("hot-and-bothered started", "hot-and-bothered finished", PROMOTION):
        assert (mark in chart.proto.spec) == seen, mark
    rows = table_of(app)
    title = f"{PROMOTION} in Stable diffusion, asked by mira"
    assert (title in rows) == seen
    if seen:
        link = parse_qs(urlsplit(rows[title]).query)
        assert link["before"] == [str(number + 1)]
        assert f"run={RUN}" in rows["Run hot-and-bothered of Stable diffusion started"]


def test_runs_of_other_machines_are_not_marked(
    sampled: Home, open_mine: Open, mirror: MirrorStore, now: datetime
):
    hot_run(mirror, now)
    app = open_mine("hardware", host=RUNNER.host, range="1h")
    (chart,) = app.get("echarts_chart")
    assert "hot-and-bothered" not in chart.proto.spec


def test_what_cannot_be_asked_is_said_and_not_taken_for_nothing(sampled: Home, open_page: Open):
    app = open_page("hardware", mirror="none", host=STUDIO.host, range="1h")
    assert not app.exception
    assert "Which runs began and ended cannot be told" in said(app)


# The roofline


def test_a_run_that_logs_its_work_is_held_against_its_chip(
    sampled: Home, open_mine: Open, mirror: MirrorStore, now: datetime
):
    hot_run(mirror, now)
    app = open_mine("run", run=RUN, part="hardware")
    assert "it did not log flops_per_step" in said(app).replace("\\", "")
    assert len(app.get("echarts_chart")) == 1


@pytest.mark.parametrize("host", [STUDIO, RUNNER])
def test_the_roof_is_drawn_where_the_chip_is_known(
    sampled: Home, open_mine: Open, mirror: MirrorStore, now: datetime, host
):
    hardware_seed.sampled_run(
        mirror, now - timedelta(minutes=9), now - timedelta(minutes=1),
        params={"flops_per_step": "1.2e12", "bytes_per_step": "3e10"},
        **{"mlops.host_id": host.host, "mlops.backend": "mlx-metal"},
    )  # fmt: skip
    app = open_mine("run", run=RUN, part="hardware")
    told = said(app).replace("\\", "")
    assert not app.exception
    drawn = len(app.get("echarts_chart"))
    if host is STUDIO:
        # 120 steps: 72 of 180 ms, 49 of 265 ms; 30 GB a step in 214 ms are 140 of 400 GB/s.
        assert "It reached 35 % of the memory bandwidth (400 GB/s) and 40 % of the arithm" in told
        assert drawn == 2
    else:
        assert "the chip is not in the table of Apple’s chips" in told
        assert drawn == 1


# Runs begun while MLflow was away


@pytest.mark.parametrize("sent", [True, False])
def test_the_processes_of_a_run_begun_offline_lead_to_it_once_mlflow_knows_it(
    home: Home, open_mine: Open, mirror: MirrorStore, now: datetime, sent: bool
):
    key = "0123456789abcdef01234567"
    store = Store(home.telemetry, merge_in_background=False)
    store.introduce(MAC, ())
    (one,) = recording(2, BUSY, (use(f"run:offline-{key}", project="stable-diffusion"),))
    store.append(replace(one, at=now))
    store.close()
    if sent:
        hot_run(mirror, now, **{"mlops.local_id": key})
    table = open_mine("hardware", host=MAC.host, part="Processes").dataframe[0]
    (row,) = table.value.to_dict("records")
    assert row["what"] == ("run hot-and-bothered" if sent else f"run {key[:8]}")
    assert row["run"] == (f"/run?run={RUN}" if sent else "")
