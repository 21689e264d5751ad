"""The panel of a deployment's retrainings: what waits, who may decide, what became of it."""

import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from dashboard import state
from services.data.remote import Remote
from services.data.service import DataService
from services.home import Home
from services.mirror.workflow_models import WorkflowParam
from services.mirror.workflow_queries import Workflows
from services.mirror.workflow_store import WorkflowStore
from services.predictions.log import PredictionLog
from services.predictions.models import Feedback
from services.retraining import store
from services.retraining.models import BY_POLICY, Happened, Proposal
from tests.pages.conftest import said
from tests.pages.moulds import Moulds
from tests.pages.roles import ROLES
from tests.services.data.conftest import contract
from tests.services.predictions.records import record
from tests.services.retraining.things import NOW, evidence, policy, proposal

LORA = "lora-finetuning"
CONTRACT = """
[project]
name = "lora-finetuning"
version = "1"

[tool.mlops]
id = "lora-finetuning"
title = "LoRA fine-tuning"
train = "python train.py"
"""
Panel = Callable[..., AppTest]


def script() -> None:
    from dashboard.monitoring import retraining

    retraining.draw("lora-finetuning", "lora-finetuning", 1)


@pytest.fixture
def panel(home: Home, moulds: Moulds, signed_in: Callable[..., str]) -> Panel:
    """Open the panel over proposals, as a person."""
    mirror = moulds.mirror("workflows", home)
    params = [WorkflowParam("reason", "", {"type": "string", "maxLength": 500}),
              WorkflowParam("data_revision", None, {"type": ["null", "string"]})]  # fmt: skip
    found = Workflows(state.mirror()).workflow(f"{LORA}.retrain")
    WorkflowStore(mirror.engine).write_workflows([replace(found, params=tuple(params))])
    folder = home.root / "lora"
    folder.mkdir()
    (folder / "pyproject.toml").write_text(CONTRACT)
    mirror.write_project(LORA, "connected", {"title": "LoRA fine-tuning", "path": str(folder)})
    mirror.engine.dispose()

    def opened(
        *kept: Proposal,
        role: str = "approver",
        projects: tuple[str, ...] | None = None,
        data: tuple[str, ...] = (),
        learns: bool = False,
    ) -> AppTest:
        signed_in(role, projects)
        if data:
            contract(folder, LORA, list(data), [])
            if learns:
                with (folder / "pyproject.toml").open("a") as file:
                    file.write("collected = true\n")
            DataService(Remote(home)).configure(LORA, folder)
        for one in kept:
            store.put(state.journal(), one)
        return AppTest.from_function(script, default_timeout=20).run()

    return opened


def waiting(**made: Any) -> Proposal:
    return proposal(**{"project": LORA, "model": LORA, "version": 1, **made})


def ended(what: Any, **made: Any) -> Proposal:
    one = waiting(**made)
    return replace(one, state=what, ended_at=NOW, said=f"It was {what}.", approved_by="ana")


def test_with_nothing_proposed_it_says_what_alerts_lead_to(panel: Panel):
    app = panel()
    assert not app.exception
    told = said(app)
    assert "Nothing is proposed and nothing is under way." in told
    assert "Alerts lead to proposals; an approver decides about each." in told
    assert not app.button(key="retraining-propose").disabled


@pytest.mark.parametrize("role", ROLES)
def test_a_proposal_says_why_for_how_much_and_who_may_decide(panel: Panel, role: str):
    app = panel(waiting(), role=role)
    assert not app.exception
    told = said(app)
    for words in (
        "waits for a decision", "3 of 20 columns drifted.", "pixels moved by 0.6.",
        "Data: Version abab of Monday.", "10 min (8 to 14, 5 before)",
        "500 J (400 to 700, 5 before)", "What it brings is not known", "Proposed",
    ):  # fmt: skip
        assert words in told
    assert app.button(key="retraining-accept").disabled == (role in {"viewer", "operator"})
    assert app.button(key="retraining-dismiss").disabled == (role == "viewer")
    assert app.button(key="retraining-policy").disabled == (role in {"viewer", "operator"})


def test_nobody_is_offered_to_accept_their_own(panel: Panel):
    app = panel(waiting(requested_by="mira", evidence=(evidence(None),)))
    button = app.button(key="retraining-accept")
    assert button.disabled
    assert "You proposed it yourself" in button.help


def test_what_follows_is_told_before_it_is_accepted(
    panel: Panel, dialog_open: Callable[[str], None]
):
    dialog_open("retraining-accept")
    app = panel(waiting(data=replace(waiting().data, revision=None)))
    assert not app.exception
    assert not app.error, app.error[0].value
    told = said(app)
    assert "A run of LoRA fine-tuning: retrain" in told
    assert "A version that fails the project's gates is dropped" in told
    app.text_input(key="retraining-note").input("go").run()
    app.button(key="acting-do").click().run()
    (record,) = state.executor().history(kinds=("retrain-accept",))
    assert (record.actor, record.params["note"], record.params["proposal"]) == ("mira", "go", 1)


def test_a_dismissal_takes_a_reason(panel: Panel, dialog_open: Callable[[str], None]):
    dialog_open("retraining-dismiss")
    app = panel(waiting())
    assert app.button(key="acting-do").disabled
    app.text_input(key="retraining-reason").input("A broken camera.").run()
    app.button(key="acting-do").click().run()
    (record,) = state.executor().history(kinds=("retrain-dismiss",))
    assert record.params["reason"] == "A broken camera."


def test_what_is_under_way_is_stopped_with_a_reason(
    panel: Panel, dialog_open: Callable[[str], None]
):
    dialog_open("retraining-stop")
    app = panel(replace(waiting(), state="running", workflow=(f"{LORA}.retrain", "r1")))
    assert f"Its workflow {LORA}.retrain/r1 is cancelled." not in said(app)
    assert app.button(key="acting-do").disabled
    app.text_input(key="retraining-stop-reason").input("Other data is on its way.").run()
    assert f"Its workflow {LORA}.retrain/r1 is cancelled." in said(app)
    app.button(key="acting-do").click().run()
    (record,) = state.executor().history(kinds=("retrain-stop",))
    assert record.params["reason"] == "Other data is on its way."


def test_what_is_being_made_live_cannot_be_stopped(panel: Panel):
    app = panel(replace(waiting(), state="judging", verdict="promote", candidate=3))
    button = app.button(key="retraining-stop")
    assert button.disabled
    assert "being made live" in button.help


def test_the_policy_is_set_in_a_dialog_that_says_what_it_means(
    panel: Panel, dialog_open: Callable[[str], None]
):
    dialog_open("retraining-policy")
    app = panel()
    app.segmented_control(key="retraining-mode").set_value("automatic").run()
    app.number_input(key="retraining-joules").set_value(5_000.0).run()
    assert not app.exception
    assert "5,000 J in seven days" in said(app)
    app.button(key="acting-do").click().run()
    (record,) = state.executor().history(kinds=("retrain-policy-set",))
    assert record.params["mode"] == "automatic"
    assert record.params["budget_joules"] == 5_000.0
    assert record.params["budget_minutes"] is None


def test_the_thread_is_drawn_as_steps_with_their_numbers(panel: Panel):
    app = panel(waiting())

    def how(one: Proposal) -> store.Changed:
        lines = (
            Happened(NOW + 1, "accepted", "Accepted by ana.", "ana", {"expected_minutes": 10.0}),
            Happened(NOW + 2, "launched", "<b>It</b> runs.", BY_POLICY, {},
                     f"/workflows?dag={LORA}.retrain&run=r"),
        )  # fmt: skip
        after = replace(one, state="running", approved_by="ana", decided_at=NOW + 1,
                        workflow=(f"{LORA}.retrain", "r"), said="Task train is next.")  # fmt: skip
        return after, lines

    store.change(state.journal(), 1, how)
    app = app.run()
    assert not app.exception
    told = said(app)
    for words in (
        "trains", "Task train is next.", "expected minutes", "&lt;b&gt;It&lt;/b&gt;",
        "/workflows?dag=lora-finetuning.retrain&amp;run=r", "accepted by ana",
    ):  # fmt: skip
        assert words in told
    with pytest.raises(KeyError):
        app.button(key="retraining-accept")


def test_earlier_ones_stay_with_how_they_ended_and_what_they_changed(panel: Panel):
    good = ended("promoted", change=0.012, evidence=(evidence(1),))
    bad = ended("dropped", evidence=(evidence(2),))
    app = panel(good, bad)
    labels = [one.label.replace("\\", "") for one in app.expander]
    assert "dropped" in labels[0]
    assert "promoted" in labels[1]
    assert "+0.012" in labels[1]
    assert not app.button(key="retraining-propose").disabled


def test_why_a_policy_did_not_begin_it_is_said(panel: Panel):
    app = panel(waiting(refused="It would take 30 joules; 20 are allowed."))
    assert "Not by itself: It would take 30 joules" in said(app)


def test_of_a_project_that_one_does_not_see_nothing_is_drawn(panel: Panel):
    app = panel(waiting(), projects=("clip-finetuning",))
    assert not app.exception
    assert said(app).strip() == ""


def test_what_people_typed_is_drawn_as_typed(panel: Panel):
    hostile = evidence(None)
    hostile = replace(hostile, said=":red[x] <script>alert(1)</script> **b**")
    app = panel(waiting(evidence=(hostile,), why=hostile.said, requested_by="eve"))
    assert not app.exception
    assert "<script>" not in said(app).replace("&lt;script&gt;", "")


def test_a_project_that_lets_alerts_alone_says_so(panel: Panel):
    app = panel()
    store.set_policy(state.journal(), LORA, policy(mode="off"), "ana", NOW)
    assert "Alerts lead to no retraining" in said(app.run())


def test_rows_to_learn_from_are_collected_first_where_training_reads_them(
    panel: Panel, dialog_open: Callable[[str], None]
):
    dialog_open("retraining-policy")
    app = panel(data=("data/",), learns=True)
    app.selectbox(key="retraining-first").set_value("labelled").run()
    app.number_input(key="retraining-first-rows").set_value(40).run()
    assert not app.error, app.error[0].value
    assert "labelled rows of what the model was asked are collected: 40 at least" in said(app)
    app.button(key="acting-do").click().run()
    (made,) = state.executor().history(kinds=("retrain-policy-set",))
    assert (made.params["collect"], made.params["collect_rows"]) == ("labelled", 40)


def test_where_training_does_not_read_them_it_cannot_be_chosen_and_says_why(
    panel: Panel, dialog_open: Callable[[str], None]
):
    dialog_open("retraining-policy")
    field = panel(data=("data/",)).selectbox(key="retraining-first")
    assert field.disabled
    assert "does not learn from collected rows" in field.help


def test_what_was_set_before_training_stopped_to_read_them_is_refused_with_the_reason(
    panel: Panel, dialog_open: Callable[[str], None]
):
    dialog_open("retraining-policy")
    store.set_policy(state.journal(), LORA, policy(collect="labelled"), "ana", NOW)
    app = panel(data=("data/",))
    app.button(key="acting-do").click().run()
    assert "does not learn from collected rows" in app.error[0].value
    app.selectbox(key="retraining-first").set_value("no").run()
    app.button(key="acting-do").click().run()
    assert not app.error
    (made,) = state.executor().history(kinds=("retrain-policy-set",))
    assert made.params["collect"] == "no"


def test_whoever_accepts_may_have_rows_be_collected_first(
    panel: Panel, home: Home, dialog_open: Callable[[str], None]
):
    dialog_open("retraining-accept")
    now = time.time()
    one = waiting(data=replace(waiting().data, revision=None), evidence=(evidence(at=now),))
    app = panel(one, data=("data/",), learns=True)
    assert app.selectbox(key="retraining-accept-first").value == "no"
    app.selectbox(key="retraining-accept-first").set_value("labelled").run()
    assert "No request of this time has a label that is kept as it came." in said(app)
    app.button(key="acting-do").click().run()
    assert "No request of this time has a label" in app.error[0].value
    log = PredictionLog.open(home, "test", reserve_bytes=1 << 16)
    asked = record(now - 60, project=LORA, model=LORA)
    log.append(asked)
    log.append_feedback(Feedback(asked.id, now - 50, ["yes", "no"]))
    log.close()
    app.number_input(key="retraining-accept-first-rows").set_value(2).run()
    assert not app.error, app.error[0].value
    assert "2 labelled rows of what" in said(app)
    app.button(key="acting-do").click().run()
    (made,) = state.executor().history(kinds=("retrain-accept",))
    assert (made.params["collect"], made.params["collect_rows"]) == ("labelled", 2)


@pytest.mark.parametrize("role", ROLES)
def test_rows_are_collected_by_operators(panel: Panel, role: str):
    button = panel(role=role).button(key="retraining-collect")
    assert button.disabled == (role == "viewer")


def test_what_cannot_be_collected_is_a_sentence_in_the_dialog(
    panel: Panel, dialog_open: Callable[[str], None]
):
    dialog_open("retraining-collect")
    app = panel()
    assert not app.exception
    assert app.toggle(key="retraining-collect-labelled").value
    assert "has no data repository yet" in app.error[0].value
    assert app.button(key="acting-do").disabled


def test_what_is_collected_is_said_before_and_asked_for_once(
    panel: Panel, home: Home, dialog_open: Callable[[str], None]
):
    dialog_open("retraining-collect")
    log = PredictionLog.open(home, "test", reserve_bytes=1 << 16)
    log.append(record(time.time() - 60, project=LORA, model=LORA))
    log.close()
    app = panel(data=("data/",))
    app.toggle(key="retraining-collect-labelled").set_value(False).run()
    assert not app.error, app.error[0].value
    assert "1 request (2 rows; 0 labels)" in said(app)
    app.button(key="acting-do").click().run()
    (made,) = state.executor().history(kinds=("data-collect",))
    assert (made.params["model"], made.params["labelled"]) == (LORA, False)
