"""The page of machines, as the app draws it."""

import json
from datetime import UTC, datetime, timedelta

import pytest
from streamlit.testing.v1 import AppTest

from services.home import Home
from services.telemetry.models import HostState
from services.telemetry.store import Store
from tests import hardware_seed, seed
from tests.hardware_seed import BOOK, LINUX, LOST, STUDIO
from tests.pages.conftest import Open, words

ROLES = ("viewer", "operator", "approver", "admin")


@pytest.fixture
def machines(home: Home) -> tuple[HostState, ...]:
    hardware_seed.fill(home.telemetry, datetime.now(UTC), minutes=12, step_s=20.0)
    return Store(home.telemetry).hosts()


def rows(app: AppTest, index: int = 0) -> list[dict[str, object]]:
    return app.dataframe[index].value.to_dict("records")


def charts(app: AppTest) -> list[dict[str, object]]:
    return [json.loads(chart.proto.spec) for chart in app.get("echarts_chart")]


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("mirror", ["full", "empty", "down", "none"])
def test_the_page_draws_for_every_role_whatever_the_engines_do(
    machines: object, open_page: Open, role: str, mirror: str
):
    app = open_page("hardware", role=role, mirror=mirror)
    assert not app.exception
    assert len(rows(app)) == 4


@pytest.mark.parametrize("role", ROLES)
def test_without_a_machine_it_says_what_to_do(open_page: Open, role: str):
    app = open_page("hardware", role=role)
    assert not app.exception
    assert "No machine has reported yet" in words(app)
    assert "./mlops up" in words(app)


def test_one_row_a_machine_with_units_and_what_it_works_on(machines: object, open_page: Open):
    found = {row["host"]: row for row in rows(open_page("hardware"))}
    assert found[STUDIO.host]["work"] == "2 runs: clip-finetuning, federated-learning"
    assert found[STUDIO.host]["thermal"] == "2 heavy"
    assert str(found[BOOK.host]["power"]).endswith("W system")
    assert found[LINUX.host]["gpu"] == "unavailable"
    assert found[LINUX.host]["thermal"] == "unavailable"
    assert found[LOST.host]["state"] == ["▲ stale"]
    assert found[LOST.host]["work"] == "not known"


def test_a_machine_in_full(machines: object, open_page: Open):
    app = open_page("hardware", host=STUDIO.host, range="1h")
    said = words(app)
    assert "400 GB/s memory bandwidth" in said
    assert "12 performance + 4 efficiency cores" in said
    titles = {"Processor", "GPU", "Power", "Memory", "Temperature", "Clock", "Disk", "Network"}
    assert {f"**{title}**" for title in titles} <= {m.value for m in app.markdown}
    memory = next(c for c in charts(app) if c["yAxis"]["name"] == "GB")  # type: ignore[index]
    assert [s["name"] for s in memory["series"]][:2] == ["used", "wired"]  # type: ignore[union-attr, index]
    processor = charts(app)[0]["series"][0]  # type: ignore[index]
    (band,) = processor["markArea"]["data"]
    assert band[0]["name"] == "thermal"
    (mark,) = processor["markLine"]["data"]
    assert "CLIP fine-tuning started" in mark["name"]


def test_who_uses_it_with_the_way_to_the_run(machines: object, open_page: Open):
    found = rows(open_page("hardware", host=STUDIO.host), 1)
    first = found[0]
    assert first["who"] == "run baseline-0"
    assert f"run={seed.run_id(1, 0)}" in str(first["link"])
    assert (first["cpu"], first["mlx"]) == ("1.60 cores", "7.20 GB")
    other = next(row for row in found if row["who"] == "engine mlflow")
    assert (other["gpu"], other["mlx"]) == ("unavailable", "not reported")


def test_whose_work_it_is_shows_only_in_ones_own_projects(machines: object, open_page: Open):
    app = open_page("hardware", role="operator", projects=("clip-finetuning",), host=STUDIO.host)
    found = rows(app, 1)
    hidden = next(row for row in found if row["who"] == "a run of another project")
    assert (hidden["project"], hidden["link"]) == ("another project", "")
    assert "federated" not in json.dumps(found)
    work = {row["host"]: row["work"] for row in rows(app)}
    assert work[STUDIO.host] == "2 runs: another project, clip-finetuning"


def test_what_is_missing_says_why(machines: object, open_page: Open):
    app = open_page("hardware", host=LINUX.host, range="1h")
    said = words(app)
    assert "not Apple Silicon: " in said
    assert "**Power**: this machine does not report it" in said
    values = {metric.label: metric.value for metric in app.metric}
    assert values["Thermal level"] == "unavailable"
    assert values["CPU"].endswith("%")


def test_a_missing_provider_is_named_with_what_to_do(machines: object, open_page: Open):
    app = open_page("hardware", host=BOOK.host)
    (macmon,) = (
        row for frame in app.dataframe for row in frame.value.to_dict("records")
        if row.get("name") == "macmon"
    )  # fmt: skip
    assert "brew install macmon" in str(macmon["said"])


def test_a_machine_that_fell_silent_says_so(machines: object, open_page: Open):
    app = open_page("hardware", host=LOST.host)
    assert any("the figures are its last ones" in info.value for info in app.info)


@pytest.mark.parametrize("span", ["1h", "6h", "24h", "7d", "30d", "all"])
def test_every_range_draws(machines: object, open_page: Open, span: str):
    app = open_page("hardware", host=STUDIO.host, range=span)
    assert not app.exception
    assert charts(app)


@pytest.mark.parametrize("host", ["nobody", "", "../../etc", "<script>", "x" * 5_000])
def test_an_unknown_machine_is_the_first(machines: object, open_page: Open, host: str):
    app = open_page("hardware", host=host)
    assert not app.exception
    assert app.subheader[0].value.startswith("book")


def test_the_range_of_all_time_begins_with_the_first_sample(machines: object, open_page: Open):
    axis = charts(open_page("hardware", host=STUDIO.host, range="all"))[0]["xAxis"]
    start = datetime.fromisoformat(axis["min"])  # type: ignore[index]
    assert timedelta(minutes=11) < datetime.now(UTC) - start < timedelta(minutes=14)
