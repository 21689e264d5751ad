"""The page of monitoring, as the app draws it over real checks."""

import html
import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import pytest
from sqlalchemy import Engine
from streamlit.testing.v1 import AppTest

from dashboard import state
from dashboard.monitoring import acting
from services.actions import catalog
from services.actions.action import Context, Deed, Step
from services.actions.journal import Journal
from services.actions.roles import Actor, Role
from services.alerting import store as alerting
from services.errors import InputError
from services.home import Home
from services.mirror import schema
from services.mirror.store import Store
from services.monitoring import courses, folder
from services.monitoring.models import ColumnVerdict, Histogram
from services.monitoring.store import VerdictStore
from services.monitoring.verdict import Judged
from services.serving import figures, status
from services.settings import Settings
from tests import deployments_hostile, deployments_seed, hostile_seed, monitoring_seed
from tests.monitoring_seed import CLIP, FEW, IMAGES, LORA, PIXELS, TEXT
from tests.pages.conftest import Open, said, said_links, words
from tests.pages.roles import EVERY_ROLE
from tests.pages.test_hostile_names import SIGNS, read_as_markdown

PARTS = ("Drift", "Quality", "Accuracy")
Laid = Callable[..., Journal]


@pytest.fixture(scope="session")
def checked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = Home(tmp_path_factory.mktemp("monitoring"))
    made.create()
    monitoring_seed.files(made)
    return made.root


@pytest.fixture
def laid(home: Home, checked: Path, monkeypatch: pytest.MonkeyPatch) -> Laid:
    """Put six endpoints into service, five of them checked."""
    monkeypatch.setenv("MLOPS_SERVING_ENABLED", "1")
    for module in (status, figures):  # nobody beats here, and machines are busy
        monkeypatch.setattr(module, "STALE_S", 120.0)

    def done(*, checks: bool = True, gateway: bool = True) -> Journal:
        journal = Journal.open(Settings())
        deployments_seed.fill(home, journal, minutes=0)
        if not gateway:
            (home.run / "serving" / "figures.json").unlink()
        if checks:
            monitoring_seed.laid(checked, home)
        return journal

    return done


def opened(open_page: Open, name: str = "", **given: Any) -> AppTest:
    query = {"deployment": name} if name else {}
    return open_page("monitoring", mirror=given.pop("mirror", "full"), **query, **given)


def drawn(app: AppTest) -> str:
    return "\n".join(str(one.value) for one in app.get("html"))


def row(app: AppTest, name: str, role: str = "") -> str:
    """The matrix' row of a deployment, or of the version that has this role."""
    found = [one for one in re.findall(r"<tr>.*?</tr>", drawn(app)) if f"={name}" in one]
    return next(html.unescape(one).replace("\xa0", " ") for one in found if f">{role}" in one)


def ids(name: str, version: int = 1) -> list[str]:
    project, _, model = name.partition(".")
    store = VerdictStore(Home.locate())
    found = [one.id for one in courses.checks(store, project, model, version)]
    store.close()
    return found


# All of them


@pytest.mark.parametrize("role", EVERY_ROLE)
def test_all_deployments_stand_in_one_matrix_for_every_role(laid: Laid, open_page: Open, role: str):
    laid()
    app = opened(open_page, role=role)
    assert not app.exception
    assert not app.error
    assert app.title[0].value == "Monitoring"
    assert "▲ " not in row(app, CLIP)
    assert "✕ drifted, high" in row(app, LORA)
    assert "✕ changed, high" in row(app, TEXT)
    assert row(app, CLIP).count("✓ steady") == 3
    assert row(app, PIXELS, "canary").count("◔ not enough data") == 3
    assert row(app, PIXELS, "live").count("✓ steady") == 3
    assert row(app, IMAGES).count("? unknown") == 4
    assert row(app, FEW).count("○ not checked yet") == 4
    assert "7 versions in service" in said(app)


def test_what_is_worst_comes_first_and_other_orders_are_in_the_address(laid: Laid, open_page: Open):
    laid()
    names = re.compile(r"deployment=([\w.-]+)[^>]*font-weight:600")
    app = opened(open_page)
    assert names.findall(drawn(app))[0] in (LORA, TEXT)
    assert names.findall(drawn(app))[-1] == PIXELS
    app = opened(open_page, order="Name")
    assert names.findall(drawn(app)) == sorted([CLIP, FEW, IMAGES, LORA, PIXELS, PIXELS, TEXT])
    app = opened(open_page, order="Last check")
    assert names.findall(drawn(app))[-1] == FEW


def test_filters_are_in_the_address(laid: Laid, open_page: Open):
    laid()
    app = opened(open_page, state="not enough data")
    assert "1 of 7 versions in service" in said(app)
    assert f"deployment={PIXELS}" in drawn(app)
    app = opened(open_page, find="clip")
    assert "1 of 7 versions in service" in said(app)
    app = opened(open_page, find="nothing is called so")
    assert not app.exception
    assert "No deployment has what is looked for" in said(app)


def test_the_scope_holds(laid: Laid, open_page: Open):
    laid()
    app = opened(open_page, project="clip-finetuning")
    assert "1 version in service" in said(app)
    assert LORA not in drawn(app) + said_links(app)


def test_a_person_sees_the_deployments_of_their_projects(laid: Laid, open_page: Open):
    laid()
    app = opened(open_page, projects=("clip-finetuning",))
    assert "1 version in service" in said(app)
    assert LORA not in drawn(app) + said_links(app)


def test_a_person_of_one_project_cannot_look_at_another(laid: Laid, open_page: Open):
    laid()
    verdict = ids(LORA)[-1]
    app = opened(open_page, LORA, projects=("clip-finetuning",))
    assert "There is no deployment" in app.error[0].value
    assert "mean radius" not in said(app)
    app = opened(open_page, CLIP, projects=("clip-finetuning",), verdict=verdict)
    assert not app.exception
    assert "mean radius" not in said(app)


@pytest.mark.parametrize("role", EVERY_ROLE)
def test_before_the_first_deployment_it_says_how_predictions_and_references_come(
    open_page: Open, role: str
):
    app = opened(open_page, role=role, mirror="empty")
    assert not app.exception
    assert not app.error
    assert "No model is in service yet" in said(app)
    assert "its first 2,000 rows" in said(app)
    assert "log_reference(" in said(app)
    assert "To the registry" in said_links(app)


def test_before_the_first_check_it_says_when_there_is_one(laid: Laid, open_page: Open):
    laid(checks=False)
    app = opened(open_page)
    assert not app.exception
    assert "None of them was checked yet" in app.info[0].value
    app = opened(open_page, CLIP)
    assert not app.exception
    assert "It was not checked yet" in said(app)


def test_verdicts_that_cannot_be_read_are_told_and_the_rest_stands(
    laid: Laid, open_page: Open, home: Home
):
    laid()
    base = folder.base(home)
    for path in base.glob("verdicts.db*"):
        path.unlink()
    (base / "verdicts.db").mkdir()
    app = opened(open_page)
    assert not app.exception
    assert "index of verdicts" in app.error[0].value
    assert row(app, LORA).count("? not known") == 4
    assert "steady" not in row(app, LORA)
    app = opened(open_page, LORA)
    assert not app.exception
    assert "index of verdicts" in app.error[0].value


def test_while_mlflow_is_away_checks_stay_and_what_is_unknown_says_so(laid: Laid, open_page: Open):
    laid()
    app = opened(open_page, mirror="down")
    assert not app.exception
    assert "✕ drifted, high" in row(app, LORA)
    app = opened(open_page, IMAGES, mirror="down")
    assert not app.exception
    assert "There is nothing to compare with yet" in said(app)


def test_while_the_gateway_is_away_the_service_is_not_known(laid: Laid, open_page: Open):
    laid(gateway=False)
    app = opened(open_page)
    assert not app.exception
    assert "? not known" in row(app, CLIP)
    assert "✓ steady" in row(app, CLIP)


def test_errors_of_a_minute_are_told_beside_the_verdicts(laid: Laid, open_page: Open):
    laid()
    app = opened(open_page)
    assert "% errors" in row(app, CLIP)
    assert "✓ answers" in row(app, LORA)


def test_a_model_that_is_not_in_service_any_more_is_still_reached(
    laid: Laid, open_page: Open, home: Home
):
    laid()
    store = VerdictStore(home)
    name = "cpu-compression.gone"
    monitoring_seed.keep(
        store, name, 1, time.time() - 60, [monitoring_seed.said("data", "steady")],
        monitoring_seed.Reference(None, "the evaluation data"), 10,  # type: ignore[arg-type]
    )  # fmt: skip
    store.close()
    app = opened(open_page)
    assert name in said_links(app)
    app = opened(open_page, name, role="admin")
    assert not app.exception
    assert "not in service" in said(app)
    assert app.button(key=f"monitoring-{acting.CHECK}").disabled


# One of them


@pytest.mark.parametrize("role", EVERY_ROLE)
@pytest.mark.parametrize("part", PARTS)
def test_every_part_draws_for_every_role(laid: Laid, open_page: Open, role: str, part: str):
    laid()
    app = opened(open_page, LORA, role=role, part=part)
    assert not app.exception
    assert not app.error
    assert "3 of 10 inputs moved from the evaluation data" in said(app)


@pytest.mark.parametrize("name", [CLIP, PIXELS, TEXT, IMAGES, FEW])
@pytest.mark.parametrize("part", PARTS)
def test_every_kind_of_deployment_draws(laid: Laid, open_page: Open, name: str, part: str):
    laid()
    app = opened(open_page, name, role="approver", part=part)
    assert not app.exception
    assert not app.error


def test_what_moved_comes_first_with_its_drivers_and_its_spread(laid: Laid, open_page: Open):
    laid()
    app = opened(open_page, LORA)
    told = drawn(app)
    columns = re.findall(r"column=input\.([\w+]+)", told)
    assert {one.replace("+", " ") for one in columns[:3]} == set(monitoring_seed.MOVED)
    assert "worst+concave+points" in columns[0], "importance times effect"
    assert "What the shift goes with" in words(app)
    assert "it proves no cause" in said(app)
    assert "standard deviations" in told
    assert "&lt; 0.0001" in told
    assert "285<br>2,000" in told


def test_the_column_of_the_address_is_shown_whole(laid: Laid, open_page: Open):
    laid()
    app = opened(open_page, LORA, column="input.mean smoothness")
    assert "mean smoothness is as it was" in said(app)
    assert 'aria-current="true"' in drawn(app)
    app = opened(open_page, LORA, column="input.nothing")
    assert not app.exception
    assert "worst concave points moved" in said(app)


def test_the_check_of_the_address_is_shown_and_the_slider_writes_it(laid: Laid, open_page: Open):
    laid()
    found = ids(LORA)
    app = opened(open_page, LORA, verdict=found[3])
    assert not app.exception
    assert "You look at an earlier check." in app.info[0].value
    assert "The inputs are as in the evaluation data" in said(app)
    assert f"Check 4 of {len(found)} checks" in said(app)
    slider = app.select_slider(key="monitoring-check")
    assert slider.value == found[3]
    slider.set_value(found[5]).run()
    assert app.query_params["verdict"] in (found[5], [found[5]])
    assert f"Check 6 of {len(found)} checks" in said(app)
    app.select_slider(key="monitoring-check").set_value(found[-1]).run()
    assert "verdict" not in app.query_params, "of the newest the address names none"
    assert "3 of 10 inputs moved" in said(app)


def test_a_link_to_any_verdict_of_a_check_shows_that_check(laid: Laid, open_page: Open, home: Home):
    laid()
    store = VerdictStore(home)
    project, _, model = LORA.partition(".")
    quality = store.history(project, model, "quality")[2]
    store.close()
    app = opened(open_page, LORA, verdict=quality.id, part="Quality")
    assert not app.error
    assert "Check 3 of" in said(app)


@pytest.mark.parametrize("verdict", ["nonsense", "<img src=x>", "of another"])
def test_a_check_that_is_not_there_is_told_and_the_newest_is_shown(
    laid: Laid, open_page: Open, verdict: str
):
    laid()
    app = opened(open_page, LORA, verdict=ids(CLIP)[0] if verdict == "of another" else verdict)
    assert not app.exception
    assert len(app.error) == 1
    assert "3 of 10 inputs moved" in said(app)


def test_versions_have_their_own_checks(laid: Laid, open_page: Open):
    laid()
    app = opened(open_page, PIXELS)
    assert "version 1 · live" in str([one.proto for one in app.markdown]).replace("\\", "")
    assert "The inputs are as in the evaluation data of version 1" in said(app)
    app = opened(open_page, PIXELS, version="2")
    assert "Too few predictions yet to tell whether the inputs moved" in said(app)
    app = opened(open_page, PIXELS, verdict=ids(PIXELS, 2)[0])
    assert not app.error
    assert "Too few predictions yet to tell whether the inputs moved" in said(app)


def test_accuracy_has_its_interval_and_what_it_was(laid: Laid, open_page: Open):
    laid()
    app = opened(open_page, LORA, part="Accuracy")
    tiles = {one.label: one.value for one in app.metric}
    assert tiles["Accuracy"].endswith("%")
    assert tiles["On the evaluation data"].endswith("%")
    assert "predictions have a label" in said(app)
    spec = str([one.proto for one in app.get("echarts_chart")])
    assert "on the evaluation data" in spec
    assert "labels to come" in spec


def test_without_labels_it_says_how_they_come(laid: Laid, open_page: Open):
    laid()
    app = opened(open_page, CLIP, part="Accuracy")
    assert not app.exception
    assert "No label came in this stretch" in said(app)
    assert "/feedback/" in said(app)


def test_a_kept_report_is_linked_and_a_removed_one_is_not(laid: Laid, open_page: Open, home: Home):
    laid()
    project, _, model = LORA.partition(".")
    store = VerdictStore(home)
    last = store.check(ids(LORA)[-1])
    store.record([one.with_report("reports/x.html") for one in _again(last)])
    app = opened(open_page, LORA)
    assert "/monitoring/report/" in str([one.proto for one in app.get("link_button")])
    store.prune_reports(time.time() + 1)
    store.close()
    state.st.cache_resource.clear()
    app = opened(open_page, LORA)
    assert not app.get("link_button")
    del project, model


def _again(verdicts: Any) -> list[Any]:
    from dataclasses import replace

    return [replace(one, id=f"{one.id}-again") for one in verdicts]


def test_alerts_of_the_deployment_are_told(laid: Laid, open_page: Open):
    from services.alerting.models import Alert

    journal = laid()
    alert = Alert(
        1, f"drift/{LORA}/data", "t-1", "firing", "critical", "lora-finetuning",
        "The inputs drifted <b>", "", "", "", "", (), {"endpoint": LORA}, (), time.time() - 60,
        time.time(),
    )  # fmt: skip
    import dashboard.monitoring.head as head

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(alerting, "alerts", lambda *_: (alert,))
        app = opened(open_page, LORA)
        assert not app.exception
        assert "The inputs drifted" in said(app) + said_links(app)
        assert [one.id for one in head.open_alerts(_subject(LORA))] == [1]
        assert head.open_alerts(_subject(CLIP)) == []
    del journal


def _subject(name: str) -> Any:
    from dashboard.monitoring.access import Subject

    project, _, model = name.partition(".")
    return Subject(name, project, model, None, ())


def test_every_word_of_a_verdict_is_text(home: Home, open_page: Open, monkeypatch):
    monkeypatch.setenv("MLOPS_SERVING_ENABLED", "1")
    bad = hostile_seed.TEXT
    engine, _ = schema.prepare(Settings().mirror_url)
    hostile_seed.fill(Store(engine))
    Store(engine).write_engine("controller", "Controller", "live")
    _dispose(engine)
    name = deployments_hostile.fill(home, Journal.open(Settings()))
    spread = Histogram((), (bad, "b"), (0.4, 0.6))
    column = ColumnVerdict(
        f"input.{bad}", "input", "category", "drifted", 0.4, 0.1, bad, 0.0, 9, 9, 0.5, spread,
        spread, bad,
    )  # fmt: skip
    store = VerdictStore(home)
    judged = [
        Judged(kind, (column,) if kind != "accuracy" else (), 1.0, "high", "drifted", bad)
        for kind in courses.FAMILIES
    ]
    for back in (120.0, 60.0):
        monitoring_seed.keep(
            store, name, 1, time.time() - back, judged, monitoring_seed.Reference(None, bad), 9  # type: ignore[arg-type]
        )  # fmt: skip
    store.close()
    for query in ({}, *({"deployment": name, "part": part} for part in PARTS)):
        app = open_page("monitoring", mirror="mine", role="admin", **query)
        assert not app.exception, query
        texts = list(read_as_markdown(app))
        assert not [text for text in texts if any(sign in text for sign in SIGNS)], query
        assert "<img src=x" not in drawn(app), query
        assert "<b>loud" not in drawn(app), query


def _dispose(engine: Engine) -> None:
    engine.dispose()


# Acting


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
