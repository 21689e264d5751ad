"""The page of machines, as the app draws it over a real store of telemetry."""

import re
import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from services.home import Home
from services.mirror import schema
from services.mirror.store import Store as MirrorStore
from services.settings import Settings
from tests import hardware_seed, seed
from tests.hardware_seed import BOOK, MINI, RUNNER, STUDIO
from tests.pages.conftest import Open, said, said_links
from tests.pages.roles import EVERY_ROLE

PARTS = ("Charts", "Processes", "Figures", "Machine")


@pytest.fixture
def silent(home: Home) -> Home:
    """An installation whose sampler stopped a quarter of an hour ago."""
    hardware_seed.fill(home.telemetry, datetime.now(UTC) - timedelta(minutes=15), minutes=1)
    return home


@pytest.mark.parametrize("role", EVERY_ROLE)
@pytest.mark.parametrize("mirror", ["full", "empty", "down", "none"])
def test_the_page_draws_for_every_role_whatever_the_engines_do(
    sampled: Home, open_page: Open, role: str, mirror: str
):
    app = open_page("hardware", role=role, mirror=mirror)
    assert not app.exception
    assert not app.error
    assert app.title[0].value == "Hardware"
    assert all(one.host in said_links(app) for one in (STUDIO, BOOK, RUNNER, MINI))


@pytest.mark.parametrize("role", EVERY_ROLE)
def test_without_telemetry_it_says_how_it_begins(home: Home, open_page: Open, role: str):
    app = open_page("hardware", role=role)
    assert not app.exception
    assert "No machine has reported yet" in said(app)
    assert "mlops up" in said(app)
    assert "mlops agent" in said(app)


@pytest.mark.parametrize("role", EVERY_ROLE)
def test_a_stopped_sampler_is_told_with_the_age_of_the_last_known_figures(
    silent: Home, open_page: Open, role: str
):
    app = open_page("hardware", role=role)
    assert not app.exception
    assert "No machine has reported for 15 min" in app.warning[0].value
    assert "mlops restart telemetry" in app.warning[0].value
    assert "last heard 15 min ago" in said(app)
    assert "silent" in said(app)


def test_the_reason_an_engine_gives_is_told(silent: Home, open_page: Open):
    open_page("hardware")
    engine, _ = schema.prepare(Settings().mirror_url)
    MirrorStore(engine).write_engine(
        "telemetry", "Telemetry", "down", "Its process ended with code 1.", "See its log."
    )
    engine.dispose()
    app = open_page("hardware")
    assert "Its process ended with code 1" in app.warning[0].value.replace("\\", "")


def test_one_that_stopped_is_silent_while_the_others_are_live(sampled: Home, open_page: Open):
    app = open_page("hardware")
    told = said(app)
    assert not app.warning
    assert told.count("live") >= 3
    assert "last heard 12 min ago" in told
    assert "off, asleep, or its sampler has stopped" in told


def test_the_page_of_one_that_stopped_does_not_say_that_all_did(sampled: Home, open_page: Open):
    app = open_page("hardware", host=MINI.host)
    assert not app.warning
    assert "last heard 12 min ago" in said(app)


def test_what_cannot_be_read_says_why_and_is_never_zero(sampled: Home, open_page: Open):
    told = said(open_page("hardware"))
    assert "macmon is not installed: brew install macmon" in told
    assert "There is no GPU this machine can report" in told
    assert not re.search(r"(?<![\d.])0\.0 W", told)


def test_what_runs_there_is_told_by_project(sampled: Home, open_page: Open):
    told = said(open_page("hardware"))
    assert "**Stable diffusion** (1 run, 1.8 cores" in told
    assert "**Federated learning**" in told


def test_work_of_other_projects_has_no_name(sampled: Home, open_page: Open):
    app = open_page("hardware", projects=("stable-diffusion",))
    assert "**Stable diffusion**" in said(app)
    assert "federated" not in said(app).lower()
    assert "another project (" in said(app)
    app = open_page("hardware", projects=("stable-diffusion",), host=STUDIO.host, part="Processes")
    assert "not yours to see" in said(app)
    assert seed.run_id(5, 4) not in said(app)


@pytest.mark.full
@pytest.mark.parametrize("part", PARTS)
@pytest.mark.parametrize("host", [STUDIO.host, BOOK.host, RUNNER.host, MINI.host])
def test_every_part_draws_for_every_kind_of_machine(
    sampled: Home, open_page: Open, host: str, part: str
):
    app = open_page("hardware", host=host, part=part, range="1h")
    assert not app.exception
    assert not app.error
    assert app.title[0].value.replace("\\", "") == host
    assert len(app.get("echarts_chart")) == (part == "Charts")


def test_the_machine_part_has_the_chip_from_our_own_table(sampled: Home, open_page: Open):
    told = said(open_page("hardware", host=STUDIO.host, part="Machine"))
    assert "12 performance at up to 4,056 MHz + 4 efficiency" in told
    assert "400 GB/s, as Apple publishes" in told
    assert "≈ 14.1 TFLOPS, estimated" in told
    assert "51.5 GB (75 % of memory)" in told


def test_a_missing_provider_says_what_to_do(sampled: Home, open_page: Open):
    told = said(open_page("hardware", host=BOOK.host, part="Machine"))
    assert "It is not installed. `brew install macmon` gets it." in told


def test_processes_link_to_their_runs(sampled: Home, open_page: Open):
    app = open_page("hardware", host=STUDIO.host, part="Processes")
    rows = app.dataframe[0].value.set_index("what")
    assert rows.loc["run baseline-0", "run"] == f"/run?run={seed.run_id(1, 0)}"
    assert rows.loc["run baseline-0", "processes"] == "2"
    assert rows.loc["run baseline-0", "cpu"] == "1.80 cores"
    assert rows.loc["engine MLflow", "gpu"] == "unavailable"
    assert rows.loc["WindowServer", "run"] == ""


def test_what_projects_used_is_added_up(sampled: Home, open_page: Open):
    app = open_page("hardware", host=STUDIO.host, part="Processes", range="1h")
    rows = app.dataframe[1].value.set_index("who")
    assert list(rows.index[:2]) == ["Stable diffusion", "Federated learning"]
    assert rows.loc["Stable diffusion", "runs"] == "1"
    assert "min" in rows.loc["Stable diffusion", "cpu"]
    assert rows.loc["Stable diffusion", "energy"] == "no run ended"
    assert rows.loc["the platform’s engines", "runs"] == ""


def test_what_other_projects_used_has_no_name(sampled: Home, open_page: Open):
    app = open_page("hardware", projects=("stable-diffusion",), host=STUDIO.host, part="Processes")
    assert list(app.dataframe[1].value["who"][:2]) == [
        "Stable diffusion",
        "projects you do not see",
    ]


def test_every_figure_says_its_quality_and_who_says_it(sampled: Home, open_page: Open):
    (table,) = open_page("hardware", host=BOOK.host, part="Figures").dataframe
    rows = table.value.set_index("figure")
    assert list(rows.loc["CPU efficiency cores"])[:1] == ["unavailable"]
    assert rows.loc["CPU efficiency cores", "why"] == "This chip has no efficiency cores."
    assert list(rows.loc["CPU power", "quality"]) == ["○ unavailable"]
    assert list(rows.loc["Low Power Mode", "quality"]) == ["✓ measured"]


def test_an_unknown_machine_is_a_sentence_with_those_there_are(sampled: Home, open_page: Open):
    app = open_page("hardware", host="<b>nowhere</b>")
    assert not app.exception
    assert "No machine named" in app.error[0].value
    assert STUDIO.host in app.error[0].value.replace("\\", "")


@pytest.mark.parametrize(
    ("start", "end"),
    [("x", "y"), ("2026-11-28", ""), ("2020-01-01", "2019-01-01"), ("0001-01-01", "9999-01-01")],
)
def test_a_part_of_time_that_is_none_is_a_sentence_and_the_range_is_shown(
    sampled: Home, open_page: Open, start: str, end: str
):
    app = open_page("hardware", host=STUDIO.host, start=start, end=end, range="1h")
    assert not app.exception
    assert "cannot be read: the whole range is shown" in said(app)
    assert len(app.get("echarts_chart")) == 1


def _zoomed(open_page: Open, **more: str) -> AppTest:
    middle = datetime.now(UTC) - timedelta(minutes=6)
    start, end = middle - timedelta(minutes=2), middle + timedelta(minutes=2)
    return open_page(
        "hardware", host=STUDIO.host, start=start.isoformat(), end=end.isoformat(), **more
    )


def _time(app: AppTest, name: str) -> datetime:
    found = app.query_params[name]
    return datetime.fromisoformat(found if isinstance(found, str) else found[0])


@pytest.mark.parametrize(
    ("button", "minutes"),
    [("earlier", (-4, 0)), ("later", (0, 4)), ("in", (-1, 1)), ("out", (-4, 4))],
)
def test_buttons_lead_to_another_window_in_the_address(
    sampled: Home, open_page: Open, button: str, minutes: tuple[int, int]
):
    app = _zoomed(open_page)
    middle = _time(app, "start") + timedelta(minutes=2)
    app.button(key=f"hardware-{button}").click().run()
    assert not app.exception
    for name, wanted in zip(("start", "end"), minutes, strict=True):
        assert abs(_time(app, name) - middle - timedelta(minutes=wanted)) < timedelta(seconds=2)


def test_the_whole_range_is_one_click_away(sampled: Home, open_page: Open):
    app = _zoomed(open_page)
    app.button(key="hardware-whole").click().run()
    assert "start" not in app.query_params
    assert "end" not in app.query_params


def test_another_range_of_the_scope_leaves_the_zoom(sampled: Home, open_page: Open):
    app = _zoomed(open_page, range="24h")
    app.button_group(key="range").set_value(["1h"]).run()
    assert not app.exception
    assert "start" not in app.query_params


def test_a_time_without_samples_says_so(sampled: Home, open_page: Open):
    app = open_page("hardware", host=STUDIO.host, start="2026-01-01", end="2026-01-02")
    assert "Not sampled" in said(app)
    assert not app.get("echarts_chart")


@pytest.mark.parametrize("projects", [None, ("stable-diffusion",), ("clip-finetuning",)])
def test_events_of_runs_are_told_to_those_who_see_the_project(
    sampled: Home, open_page: Open, projects: tuple[str, ...] | None
):
    app = open_page("hardware", host=STUDIO.host, range="1h", projects=projects)
    app.session_state["hardware-happened"] = True  # opened
    app.run()
    seen = projects != ("clip-finetuning",)
    assert ("Stable diffusion started" in said(app)) == seen
    (chart,) = app.get("echarts_chart")
    assert ("run started" in chart.proto.spec) == seen
    assert "throttling" in chart.proto.spec


def test_a_single_machine_needs_no_list(home: Home, mould: Path, open_page: Open):
    hardware_seed.copied(mould, home.telemetry)
    for one in home.telemetry.iterdir():
        if not one.name.startswith("studio"):
            shutil.rmtree(one)
    app = open_page("hardware", range="1h")
    assert app.title[0].value == "Hardware"
    assert "All machines" not in said_links(app)
    assert len(app.get("echarts_chart")) == 1


# The run page


def _with_run(open_page: Open, **given: object) -> AppTest:
    open_page("overview")
    engine, _ = schema.prepare(Settings().mirror_url)
    now = datetime.now(UTC)
    tags = {"mlops.conditions": hardware_seed.HEAT.to_json()}
    begun, ended = now - timedelta(minutes=12), now - timedelta(minutes=2)
    hardware_seed.sampled_run(MirrorStore(engine), begun, ended, **tags | given)  # type: ignore[arg-type]
    engine.dispose()
    return open_page("run", run=hardware_seed.RUN, part="Hardware")


def test_a_run_has_its_energy_conditions_and_curves_on_one_axis(sampled: Home, open_page: Open):
    app = _with_run(open_page)
    told = said(app)
    assert not app.exception
    assert "Energy 73.4 kJ" in told
    assert "Measured, of CPU + GPU + Neural Engine" in told
    assert "It was throttled for 31 %" in told
    assert "Beside it, run lora-r8-4 used" in told
    (chart,) = app.get("echarts_chart")
    for panel in ("sample_quality", "loss", "CPU", "GPU", "Power", "Temperature", "Memory"):
        assert f'"{panel}{{u|' in chart.proto.spec, panel
    assert "All curves of the machine" in said_links(app)


def test_a_run_of_a_machine_that_never_reported_says_so(sampled: Home, open_page: Open):
    app = _with_run(open_page, host="gpu-box")
    assert not app.exception
    assert "Not sampled" in said(app)
    assert "gpu-box, which has sent no telemetry here" in said(app)


def test_a_run_before_the_first_sample_says_so(sampled: Home, open_page: Open):
    app = open_page("run", run=seed.run_id(1, 0), part="Hardware")
    assert not app.exception
    assert "Energy, CPU and GPU time and memory are unavailable: Nothing was sampled" in said(app)
    assert "Not sampled" in said(app)


def test_a_run_while_no_telemetry_is_there_says_how_it_begins(home: Home, open_page: Open):
    app = _with_run(open_page)
    assert not app.exception
    assert "No machine has ever been sampled here" in said(app)
    assert "mlops up" in said(app)


def test_compared_runs_of_other_conditions_are_warned_of(sampled: Home, open_page: Open):
    _with_run(open_page)
    engine, _ = schema.prepare(Settings().mirror_url)
    now = datetime.now(UTC)
    cool = hardware_seed.HEAT.to_json().replace('"low_power":0.11', '"low_power":0.0')
    hardware_seed.sampled_run(
        MirrorStore(engine), now - timedelta(minutes=12), now, run_id="6b" * 16,
        **{"mlops.conditions": cool},
    )  # fmt: skip
    engine.dispose()
    app = open_page("compare", runs=f"{hardware_seed.RUN},{'6b' * 16}")
    assert not app.exception
    assert "was in Low Power Mode for 11 % of its time" in said(app)


@pytest.mark.parametrize("role", EVERY_ROLE)
@pytest.mark.parametrize("mirror", ["full", "empty", "down", "none"])
def test_the_run_page_draws_the_part_for_every_role(
    sampled: Home, open_page: Open, role: str, mirror: str
):
    app = open_page("run", role=role, mirror=mirror, run=seed.run_id(1, 0), part="Hardware")
    assert not app.exception


def test_a_running_run_is_drawn_up_to_now(sampled: Home, open_page: Open):
    open_page("overview")
    engine, _ = schema.prepare(Settings().mirror_url)
    begun = datetime.now(UTC) - timedelta(minutes=5)
    hardware_seed.sampled_run(MirrorStore(engine), begun, None)
    engine.dispose()
    app = open_page("run", run=hardware_seed.RUN, part="Hardware")
    assert not app.exception
    assert "worked out when the run has ended" in said(app)
    assert len(app.get("echarts_chart")) == 1
