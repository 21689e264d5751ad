"""Fields of dialogs take what the command line takes: what was set there opens here."""

from collections.abc import Callable
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from dashboard import state
from services.actions.objectives import SetObjective
from services.objectives import store as objectives
from services.objectives.models import (
    LEAST_MS,
    LEAST_SHARE,
    MOST_MS,
    MOST_SHARE,
    Objective,
    check,
)
from services.retraining import store as retrainings
from services.retraining.models import BOUNDS, BY_POLICY, Policy
from tests.pages import test_monitoring_levels as levels
from tests.pages import test_retraining_panel as retraining
from tests.pages.conftest import said
from tests.services.retraining.things import evidence

drawn, panel = levels.drawn, retraining.panel
FIELDS = {
    "cooldown_h": "retraining-cooldown", "most_per_week": "retraining-most",
    "budget_minutes": "retraining-minutes", "budget_joules": "retraining-joules",
    "percent": "retraining-percent", "judge_minutes": "retraining-judge",
    "judge_requests": "retraining-requests", "patience_h": "retraining-patience",
    "collect_rows": "retraining-first-rows",
}  # fmt: skip


@pytest.mark.parametrize("end", [0, 1])
def test_a_policy_at_either_end_opens_in_its_dialog(
    panel: Callable[..., AppTest], dialog_open: Callable[[str], None], end: int
):
    dialog_open("retraining-policy")
    kept: dict[str, Any] = {name: float(bounds[end]) for name, bounds in BOUNDS.items()}
    kept |= {name: int(kept[name]) for name in ("most_per_week", "judge_requests", "collect_rows")}
    kept["collect"] = "labelled"
    retrainings.set_policy(state.journal(), retraining.LORA, Policy(**kept), "ana", 0.0)
    app = panel()
    assert not app.exception
    for name, key in FIELDS.items():
        field = app.number_input(key=key)
        assert field.value == kept[name]
        assert (field.min, field.max) == BOUNDS[name]


@pytest.mark.parametrize(
    "kept",
    [Objective("accuracy", 0.001), Objective("accuracy", 1e-12), Objective("accuracy", 1.0),
     Objective("accuracy", 1e-15, metric="mae"), Objective("accuracy", 1e9, metric="mae"),
     Objective("latency", LEAST_SHARE, bound_ms=LEAST_MS),
     Objective("latency", MOST_SHARE, bound_ms=MOST_MS), Objective("errors", LEAST_SHARE),
     Objective("errors", MOST_SHARE)],
)  # fmt: skip
def test_an_objective_that_may_be_set_opens_in_its_dialog_as_it_is(
    drawn: Callable[..., AppTest], dialog_open: Callable[[str], None], kept: Objective
):
    check(kept)
    objectives.put(state.journal(), levels.PROJECT, levels.MODEL, kept)
    dialog_open("objective-set")
    app = drawn()
    app.button_group(key="objective-kind").set_value(kept.kind).run()
    assert not app.exception
    app.button(key="acting-do").click().run()
    assert not app.exception
    (asked,) = state.executor().history(kinds=(SetObjective.kind,))
    assert (asked.params["target"], asked.params["bound_ms"]) == (kept.target, kept.bound_ms)
    assert asked.params["metric"] == kept.metric


@pytest.mark.parametrize("metric", ["accuracy", "mae"])
def test_a_bound_of_nothing_is_told_to_be_none(
    drawn: Callable[..., AppTest], dialog_open: Callable[[str], None], metric: Any
):
    dialog_open("objective-set")
    app = drawn()
    app.button_group(key="objective-kind").set_value("accuracy").run()
    app.selectbox(key="objective-metric").set_value(metric).run()
    app.number_input(key=f"objective-bound-{metric}").set_value(0.0).run()
    assert f"A bound of {metric} is more than 0" in said(app) + "".join(
        one.value for one in app.error
    )
    assert app.button(key="acting-do").disabled


def test_who_gave_a_reason_is_told_why_another_decides_and_sees_whose_each_is(
    panel: Callable[..., AppTest],
):
    theirs = evidence(None)
    mine = type(theirs)(theirs.at, "It mixes up 3 and 8.", by="mira")
    app = panel(retraining.waiting(evidence=(evidence(), mine), requested_by=BY_POLICY))
    button = app.button(key="retraining-accept")
    assert button.disabled
    assert "One of its reasons is yours" in button.help
    assert "It mixes up 3 and 8. :gray[mira]" in said(app)
