"""Why a run of a workflow failed: its task, engines that were down then, what changed before."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from services.alerting.evidence import cited
from services.alerting.models import Alert
from services.causes.failures import Failed, Streak, grounds, streak
from services.causes.grounds import Grounds
from services.mirror.workflow_models import WorkflowRun
from services.workflows.failure import explain
from services.workflows.failure_parts import Fact
from tests.services.alerting.things import alert
from tests.services.workflows.test_failure import BEFORE, FAILED, task

BEGUN = datetime(2026, 3, 1, 10, 0, tzinfo=UTC)
ENDED = datetime(2026, 3, 1, 10, 9, tzinfo=UTC)
AT = ENDED.timestamp()


def run(run_id: str = "three", state: Any = "failed") -> WorkflowRun:
    return WorkflowRun(
        "lora.train", run_id, "lora", state, "manual", {}, BEGUN, BEGUN, ENDED, None, None, None
    )


def failed(**evidence: object) -> Failed:
    one = replace(task(), run_id="three", started_at=BEGUN, ended_at=ENDED)
    return Failed(one, explain(one, FAILED | evidence, before=BEFORE))


def engine(name: str = "mlflow", title: str = "MLflow is down", since: float = AT - 90,
           until: float | None = AT + 30) -> Alert:  # fmt: skip
    made = alert(
        key=f"engine/{name}", title=title, labels={"engine": name}, at=since,
        cause="It ended with 1.", suggestion="`mlops restart mlflow` starts it again.",
        project=None,
    )  # fmt: skip
    return replace(made, id=12, resolved_at=until)


def told(*tasks: Failed, row: Streak | None = None, alerts: tuple[Alert, ...] = ()) -> Grounds:
    return grounds(run(), tasks, row or Streak((run(),), None), alerts, AT + 100)


def kinds(found: Grounds) -> list[str]:
    return [one.kind for one in found.every]


def test_the_task_that_failed_is_told_with_its_last_error_and_what_to_do():
    (first, *_) = told(failed()).every
    assert first.title == "The task train failed: It ended with exit code 1: KeyError: 'loss'"
    page = "/workflows?dag=lora.train&run=three&task=train"
    assert first.link == page
    assert f"Its log: KeyError: 'loss' ({page})" in first.evidence
    assert "`mlops workflows logs lora.train/three train`" in first.suggestion


def test_the_first_that_failed_comes_first_whatever_the_order():
    early = failed()
    late = replace(early, task=replace(early.task, task_id="gate", ended_at=ENDED.replace(hour=11)))
    for given in ((early, late), (late, early)):
        (first, *_) = told(*given).every
        assert first.title.startswith("The task train failed")
        assert "So did gate (/workflows?dag=lora.train&run=three)" in first.evidence


def test_work_of_another_project_is_not_named():
    one = failed()
    said = "run:abcdef0123 (clip), replica:lora.net:2 (lora) and run:0123456789 (lora) used the GPU"
    facts = (Fact("Slowed down by", said, telling=True), Fact("Machine", "a"))
    hidden = replace(one, why=replace(one.why, facts=facts, next_step=f"Wait: {said}."))
    (first, *_) = told(hidden).every
    named = (
        "work of another project, the deployment lora.net of lora and the run 01234567 of lora "
        "used the GPU"
    )
    assert cited(f"Slowed down by: {named}", first.link) in first.evidence
    assert first.suggestion.startswith(f"Wait: {named}.")
    assert not any("Machine" in line for line in first.evidence)


def test_what_changed_since_its_last_success_is_told_beside_it():
    versions = {"numpy": "2.0", "mlx": "0.30"}
    packages = {"fingerprint": "y", "versions": versions}
    good = run("two", "success")
    code = {"commit": "b" * 40, "dirty": False, "diff": None}
    found = told(failed(packages=packages, git=code), row=Streak((run(),), good))
    assert kinds(found) == ["task", "change", "streak"]
    change = found.every[1]
    said = f"code {'a' * 12} → {'b' * 12}; package numpy 1.26 → 2.0"
    assert change.title == f"since the last success of train changed: {said}"
    assert change.link == "/workflows?dag=lora.train&run=two"


@pytest.mark.parametrize(
    ("evidence", "order"),
    [
        ({}, ["task", "engine", "streak"]),
        ({"sentence": "It ended with 1: ConnectionError: refused."}, ["engine", "task", "streak"]),
        ({"outcome": "running", "sentence": ""}, ["engine", "task", "streak"]),
    ],
)
def test_an_engine_that_was_down_goes_first_where_it_fits(
    evidence: dict[str, object], order: list[str]
):
    found = told(failed(**evidence), alerts=(engine(),))
    assert kinds(found) == order
    down = next(one for one in found.every if one.kind == "engine")
    assert down.title == (
        "MLflow was down while it ran, since 2026-03-01 10:07 UTC, until 2026-03-01 10:09 UTC"
    )
    assert down.link == "/alerts?alert=12"
    assert "It ended with 1." in down.evidence[0]
    assert down.suggestion.startswith("When it is well again: `mlops workflows retry three`.")


def test_engines_that_no_task_needs_or_that_were_well_then_are_left_out():
    others = (
        engine("gateway", "Gateway is down"),
        engine(since=BEGUN.timestamp() - 500, until=BEGUN.timestamp() - 300),
        engine(since=AT + 90, until=None),
    )
    assert kinds(told(failed(), alerts=others)) == ["task", "streak"]
    early = engine(since=BEGUN.timestamp(), until=BEGUN.timestamp() + 60)
    refused = failed(sentence="It ended with 1: ConnectionError: refused.")
    assert kinds(told(refused, alerts=(early,)))[0] == "task", "it was well when the task ended"


def test_since_which_run_it_fails():
    runs = [
        run("four"), run("three"), replace(run("x"), state="running"), run("two"),
        run("one", "success"), run("zero"),
    ]  # fmt: skip
    row = streak(runs, "three")
    assert [one.run_id for one in row.runs] == ["three", "two"]
    assert row.good is not None
    assert row.good.run_id == "one"
    last = told(failed(), row=row).every[-1]
    assert last.title == (
        "2 runs in a row failed, since two of 2026-03-01 10:09 UTC; the last one before that "
        "succeeded, one of 2026-03-01 10:09 UTC"
    )
    assert last.link == "/workflows?dag=lora.train&run=one"
    assert streak(runs, "zero").good is None


def test_how_often_it_fails_is_no_cause_by_itself():
    assert told().every == ()
    assert kinds(told(alerts=(engine(),))) == ["engine", "streak"]
