"""Whether a new version becomes live: what it shows beside the live one, and what is missing; pure.

A version that is worse is dropped. One that is not known to be worse is promoted; what would have
to be known for that, and is not, is told, and where the policy needs it, waited for.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from services.retraining.known import Beside, End, Known
from services.retraining.models import Number, Policy, Proposal, Verdict
from services.retraining.moves import HOUR_S, PATIENCE_S, Step, end, tell, waits, without_alias

_MINUTE_S = 60.0
_PERSON_S = 7 * 86_400.0
"""So long a person is waited for, where nothing else can tell."""


def judge(now: Proposal, known: Known) -> Step:
    """Return what a retraining does next that came to a new version."""
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
        return end(now, "dropped", f"It could not stand beside the live one: {why}", known.now)
    if deploy.state == "under way":
        return Step(replace(now, said=deploy.said or "It is put beside the live version."))
    if known.beside is None:
        said = f"The rollout of version {now.candidate} was ended by something else."
        return end(now, "dropped", said, known.now)
    return _stands(now, known, known.beside)


def _deploy(now: Proposal, known: Known) -> Step:
    if known.live == now.candidate:
        return _yes(now, known, f"Version {now.candidate} is live already.")
    if known.live is None:
        return _unserved(now, known)
    if known.off or known.busy:
        patience_s = now.policy.patience_h * HOUR_S
        return waits(now, known.off or known.busy, known.now, patience_s, "dropped")
    return Step(replace(now, stuck_since=None), ask="deploy")


def _unserved(now: Proposal, known: Known) -> Step:
    """Decide where no version is in service: by gates and evaluation, else a person does."""
    made = known.trained
    if known.champion == now.candidate:
        said = f"Somebody made version {now.candidate} the champion of {now.model}."
        return end(now, "promoted", said, known.now)
    if made is not None and made.worse:
        said = (
            f"No version of {now.model} is in service, and {made.metric} of version "
            f"{now.candidate} is worse than that of the version before."
        )
        return end(now, "dropped", said, known.now)
    if made is None or not made.gates:
        said = (
            f"No version of {now.model} is in service and the project has no gates, so a person "
            f"decides: `mlops models promote {now.model} {now.candidate} --to champion`."
        )
        return waits(now, said, known.now, _PERSON_S, "dropped")
    said = f"No version of {now.model} is in service: its gates alone decide."
    return _yes(now, known, said)


def _stands(now: Proposal, known: Known, beside: Beside) -> Step:
    if now.steer is not None:
        return _steered(now, known)
    if now.verdict:
        return Step(now, ask="promote" if now.verdict == "promote" else "abort")
    policy, lasted_s = now.policy, known.now - beside.since
    stood = f"{lasted_s / _MINUTE_S:,.0f} min and {beside.requests:,} requests beside it"
    missing = tuple(_missing(now, beside))
    decided = _decided(policy, beside, lasted_s, stood, missing)
    if decided is not None:
        numbers = {
            "minutes": round(lasted_s / _MINUTE_S, 1), "requests": beside.requests,
            "judge_minutes": policy.judge_minutes, "judge_requests": policy.judge_requests,
        }  # fmt: skip
        return _verdict(now, known, *decided, numbers)
    least = f"{policy.judge_minutes:g} min and {policy.judge_requests:,} requests are wanted"
    wanted = missing if policy.needs_proof else ()
    had = f"Version {now.candidate} had {stood}; {least}."
    said = _all(had, beside.said, beside.own, *wanted)
    after = replace(now, said=said, stuck_since=None, beside_since=beside.since)
    if now.beside_since is not None:
        return Step(after)
    how = "is asked a copy of each request" if policy.strategy == "shadow" else (
        f"answers {policy.percent:g} % of the requests"
    )  # fmt: skip
    told = f"Version {now.candidate} {how}; {least}."
    return Step(after, (tell(known, "beside", told, link=_deployment(now)),))


def _decided(
    policy: Policy, beside: Beside, lasted_s: float, stood: str, missing: Sequence[str]
) -> tuple[Verdict, str] | None:
    """Return the verdict and why; None: it is not time yet."""
    if beside.worse:
        return "drop", f"It is worse after {stood}: {beside.worse}"
    enough = beside.requests >= policy.judge_requests
    if enough and lasted_s >= policy.judge_minutes * _MINUTE_S:
        if policy.needs_proof and beside.cured is False:
            said = "It does not cure what it was made for."
            return "drop", _all(said, beside.own, beside.said)
        if not (policy.needs_proof and missing):
            said = f"No guard spoke in {stood}."
            return "promote", _all(said, beside.said, beside.own, *missing)
    if lasted_s < policy.patience_h * HOUR_S:
        return None
    if enough:
        said = f"What the policy needs did not come in {policy.patience_h:g} h."
        return "drop", _all(said, *missing)
    return "drop", (
        f"Only {beside.requests:,} of {policy.judge_requests:,} requests came in "
        f"{policy.patience_h:g} h, so nobody can tell whether it is as good."
    )


def _missing(now: Proposal, beside: Beside) -> Iterator[str]:
    """Yield what would tell that it is good, and that it cures, and is not known."""
    if not (beside.labelled or now.proved):
        yield "How good it is is not known: no gate, no label and no evaluation like before tells."
    if now.causes and beside.cured is None:
        yield "Whether it cures what it was made for is not known: no check of it tells yet."


def _all(*parts: str) -> str:
    return " ".join(part for part in parts if part)


def _verdict(
    now: Proposal, known: Known, verdict: Verdict, said: str, numbers: Mapping[str, Number]
) -> Step:
    after = replace(now, verdict=verdict, judged=said, said=said)
    line = tell(known, "verdict", said, numbers=numbers, link=_deployment(now))
    return Step(after, (line,))


def _steered(now: Proposal, known: Known) -> Step:
    steer = known.steer
    if steer is not None and steer.state == "under way":
        return Step(replace(now, said=steer.said or now.judged))
    if steer is not None and steer.state == "failed":
        return end(now, "dropped", steer.said, known.now)
    said = f"How the rollout of version {now.candidate} ended is not known yet."
    return waits(now, said, known.now, PATIENCE_S, "dropped")


def _rolled_out(now: Proposal, known: Known, came: End) -> Step:
    if came.kind == "live":
        return _yes(now, known, came.said or f"Version {now.candidate} is live.")
    said = now.judged if now.verdict == "drop" else came.said
    return end(now, "dropped", said or "It did not become live.", known.now)


def _yes(now: Proposal, known: Known, said: str) -> Step:
    """Have it carry the alias; what brought it so far is told once."""
    if now.verdict != "promote" or not now.judged:
        line = tell(known, "verdict", said, link=_deployment(now))
        return Step(replace(now, verdict="promote", judged=said, said=said), (line,), "alias")
    return Step(replace(now, said=said), ask="alias")


def _crowned(now: Proposal, known: Known) -> Step:
    alias = known.alias
    if alias is not None and alias.state == "under way":
        return Step(replace(now, said=alias.said or now.said))
    if alias is None or alias.state == "failed":
        why = alias.said if alias else "The journal lost the action that moved the alias."
        return without_alias(now, why, known.now)
    said = f"Version {now.candidate} is the champion of {now.model}. {now.judged}".strip()
    return end(now, "promoted", said, known.now)


def _deployment(now: Proposal) -> str:
    return f"/deployments?deployment={now.name}"
