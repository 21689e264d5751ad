"""One step of a retraining: from what it is and what is known to what it becomes; pure.

A step asks for at most one thing. Whoever carries it out may be killed at any point: what was asked
for has a key of its own, so the same step again asks for the same thing, and it is done once.
"""

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from services.errors import (
    BundleError,
    ConflictError,
    DeniedError,
    EngineError,
    GateError,
    InputError,
    JournalError,
    MlopsError,
    NotFoundError,
)
from services.retraining import judging, stopping
from services.retraining.known import Ask, Known, Trained
from services.retraining.models import Proposal, State
from services.retraining.moves import (
    HOUR_S,
    PATIENCE_S,
    Step,
    end,
    tell,
    waits,
    without_alias,
)

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["PATIENCE_S", "Step", "asked", "lost", "refused", "step"]

_LAUNCH_PATIENCE_S = 86_400.0
_FINAL = (InputError, NotFoundError, DeniedError, GateError, BundleError)
_NOT_COLLECTED = "Its rows could not be collected, so nothing was trained:"
_NOT_LAUNCHED = "It could not be launched:"
_BEFORE: Mapping[Ask, tuple[str, str]] = {
    "collect": (_NOT_COLLECTED, "It waits for its rows to be collected:"),
    "launch": (_NOT_LAUNCHED, "It waits to be launched:"),
}
"""Before there is a workflow: how it failed, and how it waits."""


def step(now: Proposal, known: Known) -> Step:
    """Return what a retraining does next; of one that waits for a person, or has ended, nothing."""
    stages: dict[State, Callable[[Proposal, Known], Step]] = {
        "accepted": _launch,
        "running": stopping.train if now.stopped else _train,
        "judging": stopping.draw_back if now.stopped else judging.judge,
    }
    stage = stages.get(now.state)
    return Step(now) if stage is None else stage(now, known)


def asked(now: Proposal, ask: Ask, action: int) -> Proposal:
    """Return it with what was asked for written down."""
    if ask == "tag":
        return replace(now, tagged=True, stuck_since=None)
    own = ("collect", "launch", "deploy", "alias", "cancel")
    field = ask if ask in own else "steer"
    return replace(now, **{field: action}, stuck_since=None)  # type: ignore[arg-type]  # its own fields


def refused(now: Proposal, ask: Ask, error: MlopsError, at: float) -> Step:
    """Return what becomes of it when what it asked for was refused."""
    lasting = isinstance(error, _FINAL)
    if ask in _BEFORE:
        failed, waiting = _BEFORE[ask]
        if lasting or isinstance(error, ConflictError):
            return end(now, "failed", f"{failed} {error}", at)
        return waits(now, f"{waiting} {error}", at, _LAUNCH_PATIENCE_S, "failed")
    if ask == "deploy":
        if lasting:
            return end(now, "dropped", f"It could not be put into service: {error}", at)
        return waits(now, str(error), at, now.policy.patience_h * HOUR_S, "dropped")
    if ask == "alias" and not isinstance(error, EngineError | JournalError):
        return without_alias(now, str(error), at)
    # Of the others: what they would end or tag may be gone, and the next look says so.
    return waits(now, str(error), at, _LAUNCH_PATIENCE_S, "dropped")


def lost(now: Proposal, error: MlopsError, at: float) -> Step:
    """Return what becomes of it while what it is about is not there: its project, or its model."""
    then: State = "failed" if now.candidate is None else "dropped"
    return waits(now, str(error), at, PATIENCE_S, then)


# Accepted


def _launch(now: Proposal, known: Known) -> Step:
    if now.launch is None:
        if now.stopped:
            return end(now, "failed", now.stopped, known.now)
        if now.policy.collects and not now.collected:
            return _collect(now, known)
        return Step(now, ask="launch")
    launch = known.launch
    if launch is None:
        return end(now, "failed", "The journal lost the action that launched it.", known.now)
    if launch.state == "failed":
        return end(now, "failed", f"{_NOT_LAUNCHED} {launch.said}", known.now)
    if launch.state == "under way" or launch.workflow is None:
        return Step(replace(now, said=launch.said or "It is being launched."))
    dag, run = launch.workflow
    said = f"Workflow {dag} runs as {run}."
    after = replace(now, state="running", workflow=launch.workflow, said=said, stuck_since=None)
    return Step(after, (tell(known, "launched", said, link=f"/workflows?dag={dag}&run={run}"),))


def _collect(now: Proposal, known: Known) -> Step:
    if now.collect is None:
        return Step(now, ask="collect")
    asked, data = known.collect, known.collected
    if asked is not None and asked.state == "under way":
        said = asked.said or "The rows that it learns from are being collected."
        return Step(replace(now, said=said))
    why = "The journal lost the action that did it." if asked is None else asked.said
    if asked is None or asked.state == "failed" or data is None or data.revision is None:
        return end(now, "failed", f"{_NOT_COLLECTED} {why}", known.now)
    if data.bad and not now.data.bad:  # whoever accepted it did not know
        said = f"Nothing was trained with what was collected: {data.bad}"
        return end(now, "failed", said, known.now)
    after = replace(now, data=data, collected=data.revision, said=data.said, stuck_since=None)
    link = f"/data?of={now.project}&revision={data.revision}"
    numbers = {"version": data.revision, "rows": data.rows}
    return Step(after, (tell(known, "collected", asked.said, link=link, numbers=numbers),))


# Running


def _train(now: Proposal, known: Known) -> Step:
    run = known.run
    if run is None:
        said = "Airflow's picture of its workflow is not there yet."
        return waits(now, said, known.now, PATIENCE_S, "failed")
    if run.state == "active":
        return Step(replace(now, said=run.said or "It trains.", stuck_since=None))
    if run.state == "failed":
        took = replace(now, took_minutes=run.minutes)
        return end(took, "failed", f"Its workflow failed. {run.said}".strip(), known.now)
    if known.trained is None:
        if run.registers is False:
            said = f"It trained, and registered no version of {now.model}."
            return end(replace(now, took_minutes=run.minutes), "failed", said, known.now)
        said = "It trained; the version that it registered has not been seen yet."
        return waits(replace(now, took_minutes=run.minutes), said, known.now, PATIENCE_S, "failed")
    return _passed(now, known, known.trained)


def _passed(now: Proposal, known: Known, made: Trained) -> Step:
    minutes = made.minutes
    if minutes is None and known.run is not None:  # of one of its runs it is not known
        minutes = known.run.minutes
    after = replace(
        now, candidate=made.version, run_id=made.run_id, took_minutes=minutes,
        took_joules=made.joules, change=made.change, proved=made.proved, stuck_since=None,
    )  # fmt: skip
    numbers = {
        "version": made.version, "minutes": made.minutes, "joules": made.joules,
        "metric": made.metric, "before": made.before, "after": made.after,
    }  # fmt: skip
    trained = tell(
        known, "trained", _trained_said(made), link=f"/run?run={made.run_id}", numbers=numbers
    )
    sentences = " ".join(gate.sentence for gate in made.gates)
    failing = [gate for gate in made.gates if not gate.passed]
    held = {gate.metric: _finite(gate.value) for gate in made.gates}
    if failing:
        gates = tell(known, "gates", sentences, numbers=held)
        said = f"Version {made.version} does not pass: {failing[0].sentence}"
        ended = end(after, "dropped", said, known.now)
        return Step(ended.after, (trained, gates, *ended.happened))
    if made.worse and made.same_data:
        said = (
            f"Version {made.version} is worse than version {now.version} on the same data: "
            f"{made.metric} is {made.after:.6g}, it was {made.before:.6g}."
        )
        ended = end(after, "dropped", said, known.now)
        return Step(ended.after, (trained, *ended.happened))
    said = f"Version {made.version} passes: {sentences}" if made.gates else "There are no gates."
    gates = tell(known, "gates", said, numbers=held)
    return Step(replace(after, state="judging", said=said), (trained, gates))


def _finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None


def _trained_said(made: Trained) -> str:
    took = "" if made.minutes is None else f" in {made.minutes:,.3g} min"
    used = "" if made.joules is None else f" with {made.joules:,.4g} J"
    said = f"Version {made.version} was trained{took}{used}."
    if made.metric is None or made.after is None:
        return said
    before = "" if made.before is None else f", {made.before:.6g} the version before"
    return f"{said} {made.metric} is {made.after:.6g}{before}, each by its own evaluation."
