"""The page of deployments, as the app draws it over what the engines left."""

import re
import time
from collections.abc import Callable
from datetime import UTC, datetime

import pytest
from streamlit.testing.v1 import AppTest

from dashboard import state
from services.actions.journal import Journal
from services.home import Home
from services.mirror.store import Store
from services.serving import figures, status, store
from services.serving.models import Target
from services.settings import Settings
from tests import deployments_hostile, deployments_seed, hostile_seed
from tests.deployments_seed import CLIP, FEW, IMAGES, LORA, NAMES, PIXELS, TEXT
from tests.pages.conftest import Open, said, said_links, words
from tests.pages.roles import EVERY_ROLE
from tests.pages.test_hostile_names import SIGNS, read_as_markdown

PARTS = ("Now", "Versions", "Replicas", "Try it", "Use it", "Keys")
BUTTONS = ("deployment-deploy", "deployment-rollback", "deployment-scale", "deployment-undeploy")
Laid = Callable[..., Journal]


@pytest.fixture
def laid(home: Home, monkeypatch: pytest.MonkeyPatch) -> Laid:
    """Put six endpoints into service; engines may be away."""
    monkeypatch.setenv("MLOPS_SERVING_ENABLED", "1")
    for module in (status, figures):  # nobody beats here, and machines are busy
        monkeypatch.setattr(module, "STALE_S", 120.0)

    def done(**engines: object) -> Journal:
        journal = Journal.open(Settings())
        deployments_seed.fill(home, journal, minutes=3)
        if engines:
            for name in ("status.json", "figures.json"):
                (home.run / "serving" / name).unlink()
            deployments_seed.beat(home, **engines)  # type: ignore[arg-type]
        return journal

    return done


def opened(open_page: Open, name: str = "", **given: object) -> AppTest:
    query = {"deployment": name} if name else {}
    return open_page("deployments", mirror=given.pop("mirror", "full"), **query, **given)


def drawn(app: AppTest) -> str:
    return "\n".join(str(one.value) for one in app.get("html"))


@pytest.mark.parametrize("role", EVERY_ROLE)
def test_all_of_them_stand_in_one_table_for_every_role(laid: Laid, open_page: Open, role: str):
    laid()
    app = opened(open_page, role=role)
    assert not app.exception
    assert not app.error
    assert not app.warning
    assert app.title[0].value == "Deployments"
    told = drawn(app)
    for name in NAMES:
        assert f"deployment={name}" in told
    assert "6 deployments." in said(app)


@pytest.mark.parametrize("role", EVERY_ROLE)
@pytest.mark.parametrize("part", PARTS)
def test_every_part_draws_for_every_role(laid: Laid, open_page: Open, role: str, part: str):
    laid()
    app = opened(open_page, PIXELS, role=role, part=part)
    assert not app.exception
    assert not app.error
    assert app.title[0].value.replace("\\", "") == "cpu-compression"
    assert "Takes 10 % of the requests; 214 answered, 0 errors." in drawn(app)


@pytest.mark.parametrize("name", [LORA, IMAGES, CLIP, TEXT, FEW])
@pytest.mark.parametrize("part", ["Now", "Try it", "Use it"])
def test_every_kind_of_endpoint_draws(laid: Laid, open_page: Open, name: str, part: str):
    laid()
    app = opened(open_page, name, role="approver", part=part)
    assert not app.exception
    assert not app.error


@pytest.mark.parametrize("role", EVERY_ROLE)
@pytest.mark.parametrize("mirror", ["empty", "full"])
def test_before_the_first_deployment_it_says_how_there_is_one(
    home: Home, open_page: Open, monkeypatch: pytest.MonkeyPatch, role: str, mirror: str
):
    monkeypatch.setenv("MLOPS_SERVING_ENABLED", "1")
    app = opened(open_page, role=role, mirror=mirror)
    assert not app.exception
    assert not app.error
    assert "No model is in service yet" in said(app)
    assert "The serving engine has not come up yet." in words(app).replace("\\", "")
    assert "To the registry" in said_links(app)


def test_where_serving_is_switched_off_it_says_so(
    home: Home, open_page: Open, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("MLOPS_SERVING_ENABLED", "false")
    app = opened(open_page, role="admin")
    assert not app.exception
    assert "Serving is switched off" in app.info[0].value
    assert not app.warning


@pytest.mark.parametrize("role", EVERY_ROLE)
@pytest.mark.parametrize("part", PARTS)
def test_while_the_serving_engine_is_away_the_last_picture_stays_and_nothing_can_be_done(
    laid: Laid, open_page: Open, role: str, part: str
):
    laid(age_s=190.0)
    app = opened(open_page, LORA, role=role, part=part)
    assert not app.exception
    assert not app.error
    warned = "".join(one.value for one in app.warning)
    assert "The serving engine was last heard of 3 min ago" in warned.replace("\\", "")
    for key in BUTTONS:
        assert app.button(key=key).disabled
    if part == "Replicas":
        assert "1:1-a1b1" in drawn(app)


@pytest.mark.parametrize("role", EVERY_ROLE)
def test_while_the_gateway_is_away_nobody_counts_and_nobody_is_told_a_zero(
    laid: Laid, open_page: Open, role: str
):
    laid(gateway=False)
    app = opened(open_page, role=role)
    assert not app.exception
    assert "The gateway does not answer" in app.warning[0].value.replace("\\", "")
    assert "/s</span>" not in drawn(app), "no rate that nobody counted"
    one = opened(open_page, LORA, role=role, part="Now")
    assert not one.exception
    values = {metric.label: metric.value for metric in one.metric}
    assert values["Requests"] == "not reported"
    assert values["Errors"] == "not reported"
    assert values["Version"] == "1"
    asked = opened(open_page, LORA, role=role, part="Try it")
    assert asked.button(key="try-ask").disabled


@pytest.mark.parametrize("role", EVERY_ROLE)
def test_while_the_controller_is_away_its_buttons_are_off_with_the_reason(
    laid: Laid, open_page: Open, home: Home, role: str
):
    laid()
    app = opened(open_page, LORA, role=role)
    Store(state.mirror()._engine).write_engine(
        "controller", "Controller", "down", "It was stopped."
    )
    app.run()
    assert not app.exception
    assert "Controller has not answered" in "".join(one.value for one in app.warning)
    assert app.button(key="deployment-scale").disabled
    assert "Controller" in app.button(key="deployment-scale").help


def test_a_row_tells_state_traffic_latency_errors_memory_and_why(laid: Laid, open_page: Open):
    laid()
    told = drawn(opened(open_page))
    assert "▲ version 2 rolled back" in told  # clip
    assert "NaN in “embedding”" in told
    assert "90 %" in told
    assert "10 %" in told
    assert "0.900\u00a0· 1.89\u00a0· 3.06\u00a0ms" in told
    assert "✕ 2.5 % errors" in told  # of clip
    assert "a launch on the GPU costs more" in told  # why the CPU
    assert "Nobody asked it for 15 minutes" in told
    assert "689 MB</span>" in told  # two replicas
    assert "of 801 MB</span>" in told
    assert "200 J" in told
    assert "No energy of a prediction was measured" in told


def test_while_a_new_version_is_watched_both_are_told(laid: Laid, open_page: Open):
    journal = laid()
    left = r"2 live, watched, (39|38|3[0-7]|2\d) s left"
    told = drawn(opened(open_page))
    assert re.search(left, told)
    assert "1 kept to go back to" in told, "below the state"
    assert "○ kept to go back to" in told, "in the row of the version"
    assert "1 live" in told, "with the canary of another one"
    assert "2 canary, 10 %" in told
    app = opened(open_page, TEXT, part="Now")
    assert {one.label: one.value for one in app.metric}["Version"] == "2, watched"
    assert re.search(left, said(app))
    canary = opened(open_page, PIXELS, part="Now")
    assert {one.label: one.value for one in canary.metric}["Version"] == "1 + 2"
    first = opened(open_page, FEW, part="Now")
    assert {one.label: one.value for one in first.metric}["Version"] == "1"
    assert "1 loads" in said(first)
    told = drawn(opened(open_page, TEXT, part="Versions"))
    assert "it goes back by itself when a guard speaks" in told
    assert re.search(r"version 2 for [\d.]+ s; version 1 for 23 h", told)
    assert [one.version for one in store.events(journal, TEXT, kinds=("live",))] == [1]


def test_the_address_filters_by_project_state_and_words(laid: Laid, open_page: Open):
    laid()
    told = drawn(opened(open_page, project="clip-finetuning"))
    assert CLIP in told
    assert LORA not in told
    told = drawn(opened(open_page, state="canary"))
    assert PIXELS in told
    assert CLIP not in told
    app = opened(open_page, find="quant")
    assert "1 of 6 deployments." in said(app)
    app = opened(open_page, find="nothing of that name")
    assert "No deployment has what is looked for" in said(app)


def test_of_projects_that_are_not_theirs_a_person_sees_nothing(laid: Laid, open_page: Open):
    laid()
    mine = ("clip-finetuning",)
    told = drawn(opened(open_page, projects=mine))
    assert CLIP in told
    assert "lora-finetuning" not in told
    app = opened(open_page, LORA, projects=mine)
    assert "There is no deployment" in app.error[0].value


def test_one_that_never_was_is_a_sentence_and_one_that_ended_keeps_its_history(
    laid: Laid, open_page: Open
):
    journal = laid()
    app = opened(open_page, "lora-finetuning.never", role="admin")
    assert not app.exception
    assert "There is no deployment" in app.error[0].value
    name = "lora-finetuning.old"
    store.change(journal, "lora-finetuning", "old", lambda one: one.with_live(Target(1)))
    store.record_event(journal, name, "live", "Version 1 answers.", version=1)
    store.remove(journal, name, said="Taken out of service by ann.", action_id=None, actor="ann")
    app = opened(open_page, name, role="admin", part="Versions")
    assert not app.exception
    assert "It is not in service any more" in said(app)
    assert "Taken out of service by ann." in drawn(app)
    assert app.button(key="deployment-undeploy").disabled


def test_charts_have_the_panels_the_versions_and_the_marks(laid: Laid, open_page: Open):
    laid()
    (chart,) = opened(open_page, PIXELS, part="Now").get("echarts_chart")
    spec = chart.proto.spec
    for word in ("Requests", "Latency", "Errors", "version 1", "version 2", "p99", "2 deployed"):
        assert word in spec, word
    app = opened(open_page, IMAGES, part="Now")
    assert not app.get("echarts_chart")
    assert "Nobody asked it in the last hour" in said(app)


def test_what_was_live_when_is_told_with_who_and_why(laid: Laid, open_page: Open):
    laid()
    told = drawn(opened(open_page, LORA, part="Versions"))
    assert "rolled back by hand" in told
    assert "version 1 for 2 d; version 2 for 7 d" in told
    assert "From 1 to 2 replicas: 9 requests waited." in told


def test_the_log_of_a_replica_is_searched_and_drawn_letter_by_letter(laid: Laid, open_page: Open):
    laid()
    app = opened(open_page, LORA, part="Replicas", words="queue")
    assert "“queue” is 1 time in the last 121 lines." in said(app)
    told = drawn(app)
    assert "&lt;b&gt;<mark" in told
    assert "<b>queue" not in told
    app = opened(open_page, LORA, part="Replicas", words="no such words")
    assert "is 0 times" in said(app)


@pytest.mark.parametrize("log", ["/etc/passwd", "../../../etc/hosts.log", "/nowhere/a.log"])
def test_a_file_that_is_no_log_of_ours_is_never_shown(home: Home, log: str):
    from dashboard.deployments.log import own

    assert own(log) is None


def test_the_last_rollout_stays_to_be_read(laid: Laid, open_page: Open):
    laid()
    app = opened(open_page, CLIP, part="Now")
    assert "The last rollout: version 2" in [one.label for one in app.expander]
    assert "NaN in “embedding”" in "".join(one.value for one in app.warning)
    assert "not reached" in drawn(app)


def test_every_word_of_a_model_is_text(home: Home, laid: Laid, open_page: Open):
    from services.mirror import schema

    journal = laid()
    engine, _ = schema.prepare(Settings().mirror_url)
    hostile_seed.fill(Store(engine))
    Store(engine).write_engine("controller", "Controller", "live")
    name = deployments_hostile.fill(home, journal)
    for part in ("", *PARTS):
        query = {"deployment": name, "part": part} if part else {}
        app = open_page("deployments", mirror="mine", role="admin", **query)
        assert not app.exception, part
        texts = list(read_as_markdown(app))
        assert not [text for text in texts if any(sign in text for sign in SIGNS)], part
        assert "&lt;img src=x" in drawn(app) or part == "Keys", part
        assert "<img src=x" not in drawn(app), part
        assert "<b>loud" not in drawn(app), part


def test_the_overview_tells_what_was_taken_back_and_leads_to_it(laid: Laid, open_page: Open):
    laid()
    app = open_page("overview", mirror="full", role="approver")
    assert not app.exception
    assert "Version 2 was taken back" in said(app)


def test_the_model_page_deploys_a_version(laid: Laid, open_page: Open):
    laid()
    given = {"of": "lora-finetuning", "model": "lora-finetuning", "version": "2"}
    app = open_page("model", mirror="full", role="approver", **given)
    assert not app.exception
    assert not app.button(key="version-deploy").disabled
    app = open_page("model", mirror="full", role="approver", of="cpu-compression",
                    model="cpu-compression")  # fmt: skip
    assert app.button(key="version-deploy").disabled
    assert "is on its way" in app.button(key="version-deploy").help


def test_the_palette_finds_them(laid: Laid, open_page: Open):
    from dashboard import palette

    laid()
    opened(open_page)
    state.user  # noqa: B018 - it is there for whoever asks
    found = [hit for hit in palette._of_models("clip") if hit[1] == "deployments"]
    assert [hit[3] for hit in found] == [{"deployment": CLIP}]


def test_keys_that_ended_and_those_of_an_hour_are_left_out(laid: Laid, open_page: Open):
    from services.serving.store import ApiKey

    journal = laid()
    past = time.time() - 10
    old = ApiKey("9" * 12, "lora-finetuning", "the platform, for mira", "0" * 64, None, 5.0, 2,
                 past - 3_600, "mira", past)  # fmt: skip
    store.add_key(journal, old)
    told = said(opened(open_page, LORA, part="Keys", role="approver"))
    assert "checkout service" in told
    assert "old notebook" in told
    assert "the platform, for mira" not in told
    assert datetime.fromtimestamp(past, UTC) < datetime.now(UTC)
