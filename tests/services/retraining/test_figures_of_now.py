"""Data, cost and gain of what waits for a decision: as they are, not as they were."""

from dataclasses import dataclass, replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.actions.retraining import AcceptRetraining, ProposeRetraining
from services.actions.retraining_policy import SetRetrainingPolicy
from services.engines.mlflow.models import Metric, Model
from services.engines.mlflow.models import Version as ModelVersion
from services.errors import NotFoundError
from services.mirror.queries import Mirror
from services.mirror.store import Store
from services.retraining import drafting, store
from services.retraining.models import BY_POLICY, Data, Figures, Range
from tests.services.data.conftest import put
from tests.services.mirror.conftest import tracked
from tests.services.retraining.lab import ANA, OPS, PROJECT, Lab
from tests.services.retraining.things import ended, proposal


@dataclass
class Folder:
    """A project's data and its real versions, one after another."""

    lab: Lab
    old: str = ""
    new: str = ""
    looked: int = 0

    def version(self, words: str) -> str:
        """Have the files be others, and a version of them be made."""
        put(self.lab.folder / "lora", data__a=words)
        found = self.lab.context.data.track(self.lab.folder / "lora", "data").revision
        assert found is not None
        return found


@pytest.fixture
def folder(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> Folder:
    """Give the project data, of which versions 1 and 2 of the model were trained with the first."""
    found = Folder(lab)
    contract = lab.folder / "lora" / "pyproject.toml"
    contract.write_text(contract.read_text() + 'data = ["data/"]\n')
    found.old = found.version("first")
    registered(lab, dict.fromkeys((1, 2), found.old))
    look = drafting.data_of

    def counted(*where: Any) -> Data:
        found.looked += 1
        return look(*where)

    monkeypatch.setattr(drafting, "data_of", counted)
    return found


def registered(lab: Lab, trained_with: dict[int, str]) -> None:
    """Have versions of the model have been trained with these versions of the data."""
    made = [
        ModelVersion("net", number, f"{number:032x}", 0, "READY", "", "",
                     {"mlops.technique": "lora", "mlops.data.revision": revision})
        for number, revision in trained_with.items()
    ]  # fmt: skip
    model = Model("net", "", 0, 0, {"champion": 2}, {})
    Store(lab.context.mirror.engine).write_registry("lora", [model], made)


def took(lab: Lab, minutes: int, number: int = 40) -> None:
    """Have a workflow have trained it meanwhile."""
    tags = {"mlops.technique": "lora", "mlops.task": f"lora.train/r{number}/train/1"}
    metrics = {"system/energy_j": Metric(700.0, 1, 0)}
    one = tracked(number, metrics=metrics, tags=tags)
    one = replace(one, ended_ms=(one.started_ms or 0) + minutes * 60_000)
    Store(lab.context.mirror.engine).write_runs("lora", [one])


def opened(lab: Lab, folder: Folder) -> None:
    """Have an alert be proposed, with the data and the cost of that day."""
    before = ended("dropped", lab.now() - 9e6, change=-0.03, evidence=())
    store.put(lab.context.journal, replace(before, id=0, thread="before"))
    lab.alert()
    lab.watch.turn()
    one = lab.one()
    assert (one.state, one.data.revision, one.data.newer) == ("open", folder.old, False)
    assert one.minutes == Range(1.0, 1.0, 1.0, 2)
    assert one.gain is not None
    assert one.gain.metric == "acc"


def some_data_comes(lab: Lab, folder: Folder) -> None:
    """Have there be other data than that of the version in service, and the proposal say so."""
    folder.version("between")
    lab.later(0.1)
    lab.watch.turn()
    assert lab.one().data.newer


def days_pass(lab: Lab, folder: Folder) -> None:
    """Have new data come, a training take longer, and the project care for another metric."""
    folder.new = folder.version("second")
    took(lab, 9)
    document = {"title": "LoRA", "path": str(lab.folder / "lora"), "primary_metric": "loss",
                "goal": "min", "gates": {"acc": ">= 0.5"}}  # fmt: skip
    Store(lab.context.mirror.engine).write_project(PROJECT, "connected", document)


def is_of_now(found: Figures, folder: Folder) -> bool:
    return (
        found.data.revision == folder.new
        and found.data.newer is True
        and found.minutes == Range(9.0, 9.0, 9.0, 1)
        and found.joules == Range(700.0, 700.0, 700.0, 1)
        and found.gain is not None
        and found.gain.metric == "loss"
    )


def accept(lab: Lab) -> AcceptRetraining:
    return AcceptRetraining(lab.one().id, PROJECT)


@pytest.mark.parametrize("by", ["an alert", "a person"])
def test_a_reason_that_is_added_brings_the_figures_of_now(lab: Lab, folder: Folder, by: str):
    opened(lab, folder)
    days_pass(lab, folder)
    if by == "an alert":
        lab.alert("accuracy", "critical")
        lab.watch._renewed_at = {lab.one().id: lab.now()}
        lab.watch.turn()
    else:
        lab.done(ProposeRetraining("lora", "net", "Users complain."), OPS)
    assert len(lab.one().evidence) == 2
    assert is_of_now(lab.one().figures, folder)


def test_what_goes_on_keeps_what_it_was_accepted_with(lab: Lab, folder: Folder):
    opened(lab, folder)
    lab.done(accept(lab), ANA)
    before = lab.one().figures
    days_pass(lab, folder)
    lab.done(ProposeRetraining("lora", "net", "Users complain."), OPS)
    lab.later(1)
    lab.turn()
    assert len(lab.one().evidence) == 2
    assert lab.one().figures == before


def test_the_dialog_tells_what_is_true_now(lab: Lab, folder: Folder):
    opened(lab, folder)
    days_pass(lab, folder)
    told = " ".join(accept(lab).consequences(lab.context))
    assert f"Version {folder.new} of " in told
    assert "There is no newer data" not in told
    assert "It takes 9 min (1 before) and 700 J (1 before)" in told
    assert "changed loss by" in told


def test_who_accepts_it_has_it_train_with_the_data_of_now(lab: Lab, folder: Folder):
    opened(lab, folder)
    days_pass(lab, folder)
    lab.done(accept(lab), ANA)
    assert is_of_now(lab.one().figures, folder)
    lab.until(lambda one: one.state == "running")
    (launch,) = lab.actions("workflow-launch")
    assert folder.new in str(launch.params)
    assert folder.old not in str(launch.params)


def test_the_policy_accepts_it_with_the_data_of_now(lab: Lab, folder: Folder):
    opened(lab, folder)
    some_data_comes(lab, folder)
    days_pass(lab, folder)
    lab.watch._renewed_at = {lab.one().id: lab.now()}
    lab.done(SetRetrainingPolicy("lora", "automatic", budget_minutes=20.0), ANA)
    lab.watch.turn()
    one = lab.one()
    assert (one.state, one.approved_by) == ("accepted", BY_POLICY)
    assert is_of_now(one.figures, folder)
    (line,) = [one for one in store.happened(lab.context.journal, one.id) if one.what == "accepted"]
    assert line.numbers["expected_minutes"] == 9.0


def test_a_cost_that_is_found_out_late_is_within_the_budget_or_beyond_it(lab: Lab, folder: Folder):
    opened(lab, folder)
    some_data_comes(lab, folder)
    days_pass(lab, folder)
    lab.watch._renewed_at = {lab.one().id: lab.now()}
    lab.done(SetRetrainingPolicy("lora", "automatic", budget_minutes=5.0), ANA)
    lab.watch.turn()
    assert lab.one().state == "open"
    assert "It would take 9 minutes" in lab.one().refused


def test_a_proposal_whose_cost_was_not_known_is_not_refused_for_ever(lab: Lab):
    """No training was known when it was proposed; a person trained it since then."""
    Store(lab.context.mirror.engine).write_runs("lora", [
        tracked(number, status="failed", tags={"mlops.technique": "lora"}) for number in (1, 2)
    ])  # fmt: skip
    lab.done(SetRetrainingPolicy("lora", "automatic", budget_minutes=20.0), ANA)
    lab.alert()
    lab.watch.turn()
    assert lab.one().minutes is None
    assert "is not known" in lab.one().refused
    took(lab, 9)
    lab.later(0.5)
    lab.watch.turn()
    assert lab.one().state == "accepted"


def test_what_waits_tells_what_is_true_now_though_nobody_touches_it(lab: Lab, folder: Folder):
    opened(lab, folder)
    days_pass(lab, folder)
    lab.later(0.1)
    lab.watch.turn()
    assert is_of_now(lab.one().figures, folder)
    what = [one.what for one in store.happened(lab.context.journal, lab.one().id)]
    assert what == ["proposed"], "no figure is an event"


def test_files_are_looked_at_once_a_minute_and_not_with_every_look(lab: Lab, folder: Folder):
    opened(lab, folder)
    before = folder.looked
    for _ in range(30):
        lab.watch.turn()
    assert folder.looked == before
    lab.later(1 / 59)
    lab.watch.turn()
    assert folder.looked == before + 1
    lab.clock.ahead_s -= 7_200  # a clock that is set back keeps nothing old
    lab.watch.turn()
    assert folder.looked == before + 2


def test_a_model_that_is_gone_is_accepted_by_nobody(
    lab: Lab, folder: Folder, monkeypatch: pytest.MonkeyPatch
):
    def gone(_mirror: Mirror, _project: str, _model: str) -> None:
        raise NotFoundError("lora has no registered model net.")

    lab.done(SetRetrainingPolicy("lora", "automatic", most_per_week=0), ANA)
    opened(lab, folder)
    some_data_comes(lab, folder)
    before = lab.one().figures
    lab.done(SetRetrainingPolicy("lora", "automatic"), ANA)
    monkeypatch.setattr(Mirror, "model", gone)
    lab.later(1)
    for _ in range(3):
        lab.watch.turn()
    assert (lab.one().state, lab.one().figures) == ("open", before)
    assert lab.one().refused == "lora has no registered model net."
    with pytest.raises(NotFoundError):
        lab.submit(accept(lab), ANA)


def test_the_version_that_the_data_stands_beside_is_named_as_what_it_is(
    lab: Lab, folder: Folder, monkeypatch: pytest.MonkeyPatch
):
    folder.new = folder.version("second")
    asked = ProposeRetraining("lora", "net", "It is old.", version=1)
    told = " ".join(asked.consequences(lab.context))
    assert f"the version in service was trained with {folder.old}" in told
    monkeypatch.setattr(drafting, "_live", lambda *_: None)
    assert f"version 1 was trained with {folder.old}" in " ".join(asked.consequences(lab.context))


def test_the_data_stands_beside_that_of_the_version_in_service_whichever_it_is_about(
    lab: Lab, folder: Folder
):
    """Version 1 was trained with older data than what is in service, and is complained about."""
    folder.new = folder.version("second")
    registered(lab, {1: folder.old, 2: folder.new})
    lab.done(ProposeRetraining("lora", "net", "It was better before.", version=1), OPS)
    assert (lab.one().version, lab.one().data.newer) == (1, False)
    assert f"{folder.new}, with which the version in service was trained" in lab.one().data.said


@given(
    minutes=st.none() | st.floats(0, 1e6), revision=st.none() | st.just("bb" * 8),
    newer=st.none() | st.booleans(),
)  # fmt: skip
def test_figures_replace_figures_and_nothing_else(
    minutes: float | None, revision: str | None, newer: bool | None
):
    spent = None if minutes is None else Range(minutes, minutes, minutes, 1)
    found = Figures(Data(revision, "aa" * 8, newer, "So."), spent, None, None)
    one = proposal()
    after = one.with_figures(found)
    assert after.figures == found
    assert after.with_figures(one.figures) == one
