"""One step of a retraining: from what it is and what is known to what it becomes; pure.

A step asks for at most one thing. Whoever carries it out may be killed at any point: what was asked
for has a key of its own, so the same step again asks for the same thing, and it is done once.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

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
from services.retraining.known import Ask, Beside, End, Known, Trained
from services.retraining.models import BY_POLICY, Happened, Happening, Number, Proposal, State

PATIENCE_S = 3600.0
"""So long something may be unknown that must become known by itself."""
_LAUNCH_PATIENCE_S = 86_400.0
_FINAL = (InputError, NotFoundError, DeniedError, GateError, BundleError)
_HOUR_S, _MINUTE_S = 3600.0, 60.0


@dataclass(frozen=True, slots=True)
class Step:
    """What comes of a look."""

    after: Proposal
    happened: tuple[Happened, ...] = ()
    ask: Ask | None = None


def step(now: Proposal, known: Known) -> Step:
    """Return what a retraining does next; of one that waits for a person, or has ended, nothing."""
    stages: dict[State, Callable[[Proposal, Known], Step]] = {
        "accepted": _launch,
        "running": _train,
        "judging": _judge,
    }
    stage = stages.get(now.state)
    return Step(now) if stage is None else stage(now, known)


def asked(now: Proposal, ask: Ask, action: int) -> Proposal:
    """Return it with what was asked for written down."""
    if ask == "tag":
        return replace(now, tagged=True, stuck_since=None)
    field = {"launch": "launch", "deploy": "deploy", "alias": "alias"}.get(ask, "steer")
    return replace(now, **{field: action}, stuck_since=None)  # type: ignore[arg-type]  # its own fields


def refused(now: Proposal, ask: Ask, error: MlopsError, at: float) -> Step:
    """Return what becomes of it when what it asked for was refused."""
    lasting = isinstance(error, _FINAL)
    if ask == "launch":
        if lasting or isinstance(error, ConflictError):
            return _end(now, "failed", f"It could not be launched: {error}", at)
        return _waits(now, f"It waits to be launched: {error}", at, _LAUNCH_PATIENCE_S, "failed")
    if ask == "deploy":
        if lasting:
            return _end(now, "dropped", f"It could not be put into service: {error}", at)
        return _waits(now, str(error), at, now.policy.patience_h * _HOUR_S, "dropped")
    if ask == "alias" and not isinstance(error, EngineError | JournalError):
        return _without_alias(now, str(error), at)
    # Of the others: what they would end or tag may be gone, and the next look says so.
    return _waits(now, str(error), at, _LAUNCH_PATIENCE_S, "dropped")


def lost(now: Proposal, error: MlopsError, at: float) -> Step:
    """Return what becomes of it while what it is about is not there: its project, or its model."""
    then: State = "failed" if now.candidate is None else "dropped"
    return _waits(now, str(error), at, PATIENCE_S, then)


# Accepted


def _launch(now: Proposal, known: Known) -> Step:
    if now.launch is None:
        return Step(now, ask="launch")
    launch = known.launch
    if launch is None:
        return _end(now, "failed", "The journal lost the action that launched it.", known.now)
    if launch.state == "failed":
        return _end(now, "failed", f"It could not be launched: {launch.said}", known.now)
    if launch.state == "under way" or launch.workflow is None:
        return Step(replace(now, said=launch.said or "It is being launched."))
    dag, run = launch.workflow
    said = f"Workflow {dag} runs as {run}."
    after = replace(now, state="running", workflow=launch.workflow, said=said, stuck_since=None)
    return Step(after, (_line(known, "launched", said, link=f"/workflows?dag={dag}&run={run}"),))


# Running


def _train(now: Proposal, known: Known) -> Step:
    run = known.run
    if run is None:
        said = "Airflow's picture of its workflow is not there yet."
        return _waits(now, said, known.now, PATIENCE_S, "failed")
    if run.state == "active":
        return Step(replace(now, said=run.said or "It trains.", stuck_since=None))
    if run.state == "failed":
        took = replace(now, took_minutes=run.minutes)
        return _end(took, "failed", f"Its workflow failed. {run.said}".strip(), known.now)
    if known.trained is None:
        if run.registers is False:
            said = f"It trained, and registered no version of {now.model}."
            return _end(replace(now, took_minutes=run.minutes), "failed", said, known.now)
        said = "It trained; the version that it registered has not been seen yet."
        return _waits(replace(now, took_minutes=run.minutes), said, known.now, PATIENCE_S, "failed")
    return _passed(now, known, known.trained)


def _passed(now: Proposal, known: Known, made: Trained) -> Step:
    minutes = made.minutes
    if minutes is None and known.run is not None:  # of one of its runs it is not known
        minutes = known.run.minutes
    after = replace(
        now, candidate=made.version, run_id=made.run_id, took_minutes=minutes,
        took_joules=made.joules, change=made.change, stuck_since=None,
    )  # fmt: skip
    numbers = {
        "version": made.version, "minutes": made.minutes, "joules": made.joules,
        "metric": made.metric, "before": made.before, "after": made.after,
    }  # fmt: skip
    trained = _line(
        known, "trained", _trained_said(made), link=f"/run?run={made.run_id}", numbers=numbers
    )
    sentences = " ".join(gate.sentence for gate in made.gates)
    failing = [gate for gate in made.gates if not gate.passed]
    held = {gate.metric: _finite(gate.value) for gate in made.gates}
    if failing:
        gates = _line(known, "gates", sentences, numbers=held)
        said = f"Version {made.version} does not pass: {failing[0].sentence}"
        ended = _end(after, "dropped", said, known.now)
        return Step(ended.after, (trained, gates, *ended.happened))
    said = f"Version {made.version} passes: {sentences}" if made.gates else "There are no gates."
    gates = _line(known, "gates", said, numbers=held)
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


# Judging


def _judge(now: Proposal, known: Known) -> Step:
    if now.alias is not None:
        return _crowned(now, known)
    if not now.tagged:
        return Step(now, ask="tag")
    if known.end is not None:
        return _rolled_out(now, known, known.end)
    if now.deploy is None:
        return _deploy(now, known)
    deploy = known.deploy
    if deploy is None or deploy.state == "failed":
        why = deploy.said if deploy else "The journal lost the action that deployed it."
        return _end(now, "dropped", f"It could not stand beside the live one: {why}", known.now)
    if deploy.state == "under way":
        return Step(replace(now, said=deploy.said or "It is put beside the live version."))
    if known.beside is None:
        said = f"The rollout of version {now.candidate} was ended by something else."
        return _end(now, "dropped", said, known.now)
    return _stands(now, known, known.beside)


def _deploy(now: Proposal, known: Known) -> Step:
    if known.live == now.candidate:
        return _yes(now, known, f"Version {now.candidate} is live already.")
    if known.live is None:
        return _unserved(now, known)
    if known.off or known.busy:
        patience_s = now.policy.patience_h * _HOUR_S
        return _waits(now, known.off or known.busy, known.now, patience_s, "dropped")
    return Step(replace(now, stuck_since=None), ask="deploy")


def _unserved(now: Proposal, known: Known) -> Step:
    """Decide where no version is in service: by the gates and the evaluation alone."""
    made = known.trained
    if made is not None and made.worse:
        said = (
            f"No version of {now.model} is in service, and {made.metric} of version "
            f"{now.candidate} is worse than that of the version before."
        )
        return _end(now, "dropped", said, known.now)
    said = f"No version of {now.model} is in service: its gates alone decide."
    return _yes(now, known, said)


def _stands(now: Proposal, known: Known, beside: Beside) -> Step:
    if now.steer is not None:
        return _steered(now, known)
    if now.verdict:
        return Step(now, ask="promote" if now.verdict == "promote" else "abort")
    policy, lasted_s = now.policy, known.now - beside.since
    numbers = {
        "minutes": round(lasted_s / _MINUTE_S, 1), "requests": beside.requests,
        "judge_minutes": policy.judge_minutes, "judge_requests": policy.judge_requests,
    }  # fmt: skip
    stood = f"{lasted_s / _MINUTE_S:,.0f} min and {beside.requests:,} requests beside it"
    if beside.worse:
        return _verdict(now, known, "drop", f"It is worse after {stood}: {beside.worse}", numbers)
    enough = beside.requests >= policy.judge_requests
    if lasted_s >= policy.judge_minutes * _MINUTE_S and enough:
        said = f"No guard spoke in {stood}. {beside.said}".strip()
        return _verdict(now, known, "promote", said, numbers)
    if lasted_s >= policy.patience_h * _HOUR_S:
        said = (
            f"Only {beside.requests:,} of {policy.judge_requests:,} requests came in "
            f"{policy.patience_h:g} h, so nobody can tell whether it is as good."
        )
        return _verdict(now, known, "drop", said, numbers)
    least = f"{policy.judge_minutes:g} min and {policy.judge_requests:,} requests are wanted"
    said = f"Version {now.candidate} had {stood}; {least}. {beside.said}".strip()
    after = replace(now, said=said, stuck_since=None, beside_since=beside.since)
    if now.beside_since is not None:
        return Step(after)
    how = "is asked a copy of each request" if policy.strategy == "shadow" else (
        f"answers {policy.percent:g} % of the requests"
    )  # fmt: skip
    told = f"Version {now.candidate} {how}; {least}."
    return Step(after, (_line(known, "beside", told, link=_deployment(now)),))


def _verdict(
    now: Proposal, known: Known, verdict: str, said: str, numbers: Mapping[str, Number]
) -> Step:
    after = replace(now, verdict=verdict, judged=said, said=said)  # type: ignore[arg-type]  # one of two words
    line = _line(known, "verdict", said, numbers=numbers, link=_deployment(now))
    return Step(after, (line,))


def _steered(now: Proposal, known: Known) -> Step:
    steer = known.steer
    if steer is not None and steer.state == "under way":
        return Step(replace(now, said=steer.said or now.judged))
    if steer is not None and steer.state == "failed":
        return _end(now, "dropped", steer.said, known.now)
    said = f"How the rollout of version {now.candidate} ended is not known yet."
    return _waits(now, said, known.now, PATIENCE_S, "dropped")


def _rolled_out(now: Proposal, known: Known, end: End) -> Step:
    if end.kind == "live":
        return _yes(now, known, end.said or f"Version {now.candidate} is live.")
    said = now.judged if now.verdict == "drop" else end.said
    return _end(now, "dropped", said or "It did not become live.", known.now)


def _yes(now: Proposal, known: Known, said: str) -> Step:
    """Have it carry the alias; what brought it so far is told once."""
    if now.verdict != "promote" or not now.judged:
        line = _line(known, "verdict", said, link=_deployment(now))
        return Step(replace(now, verdict="promote", judged=said, said=said), (line,), "alias")
    return Step(replace(now, said=said), ask="alias")


def _crowned(now: Proposal, known: Known) -> Step:
    alias = known.alias
    if alias is not None and alias.state == "under way":
        return Step(replace(now, said=alias.said or now.said))
    if alias is None or alias.state == "failed":
        why = alias.said if alias else "The journal lost the action that moved the alias."
        return _without_alias(now, why, known.now)
    said = f"Version {now.candidate} is the champion of {now.model}. {now.judged}".strip()
    return _end(now, "promoted", said, known.now)


def _without_alias(now: Proposal, why: str, at: float) -> Step:
    """End it where the alias could not be moved: what is in service is in service."""
    said = f"The alias champion could not be moved to version {now.candidate}: {why}"
    return _end(now, "promoted" if now.deploy is not None else "dropped", said, at)


# Ends, and waits that end


def _end(now: Proposal, state: State, said: str, at: float) -> Step:
    after = replace(now, state=state, said=said, ended_at=at, stuck_since=None)
    what: Happening = "promoted" if state == "promoted" else (
        "dropped" if state == "dropped" else "failed"
    )  # fmt: skip
    return Step(after, (Happened(at, what, said, BY_POLICY),))


def _waits(now: Proposal, said: str, at: float, patience_s: float, then: State) -> Step:
    since = at if now.stuck_since is None else min(now.stuck_since, at)
    if at - since >= patience_s:
        hours = patience_s / _HOUR_S
        return _end(now, then, f"It was given up after {hours:g} h: {said}", at)
    # Told once: the sentence may hold a figure that changes with each look.
    lines = () if now.stuck_since is not None else (Happened(at, "waits", said, BY_POLICY),)
    return Step(replace(now, said=said, stuck_since=since), lines)


def _line(
    known: Known,
    what: Happening,
    said: str,
    *,
    link: str = "",
    numbers: Mapping[str, Number] | None = None,
) -> Happened:
    return Happened(known.now, what, said, BY_POLICY, numbers or {}, link)


def _deployment(now: Proposal) -> str:
    return f"/deployments?deployment={now.name}"
