"""The matrix of all deployments, as the app draws it over real checks."""

import re
import time

import pytest

from dashboard.monitoring import acting
from services.home import Home
from services.monitoring import folder
from services.monitoring.store import VerdictStore
from tests import monitoring_seed
from tests.monitoring_seed import CLIP, FEW, IMAGES, LORA, PIXELS, TEXT
from tests.pages.conftest import Open, said, said_links
from tests.pages.monitoring_shown import Laid, drawn, ids, laid, opened, row
from tests.pages.roles import EVERY_ROLE

__all__ = ["laid"]


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
