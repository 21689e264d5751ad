"""What a step of a retraining comes to: a line told, a wait that ends, an end."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from services.retraining.known import Ask, Known
from services.retraining.models import BY_POLICY, Happened, Happening, Number, Proposal, State

PATIENCE_S = 3600.0
"""So long something may be unknown that must become known by itself."""
HOUR_S = 3600.0


@dataclass(frozen=True, slots=True)
class Step:
    """What comes of a look."""

    after: Proposal
    happened: tuple[Happened, ...] = ()
    ask: Ask | None = None


def end(now: Proposal, state: State, said: str, at: float) -> Step:
    """Return the end of a retraining; of one that a person stopped, that it was."""
    if now.stopped and state != "promoted":
        after = replace(now, state="dismissed", said=now.stopped, ended_at=at, stuck_since=None)
        return Step(after, (Happened(at, "dismissed", now.stopped, BY_POLICY),))
    after = replace(now, state=state, said=said, ended_at=at, stuck_since=None)
    what: Happening = "promoted" if state == "promoted" else (
        "dropped" if state == "dropped" else "failed"
    )  # fmt: skip
    return Step(after, (Happened(at, what, said, BY_POLICY),))


def waits(now: Proposal, said: str, at: float, patience_s: float, then: State) -> Step:
    """Return that it waits, or its end when it waited so long."""
    since = at if now.stuck_since is None else min(now.stuck_since, at)
    if at - since >= patience_s:
        hours = patience_s / HOUR_S
        return end(now, then, f"It was given up after {hours:g} h: {said}", at)
    # Told once: the sentence may hold a figure that changes with each look.
    lines = () if now.stuck_since is not None else (Happened(at, "waits", said, BY_POLICY),)
    return Step(replace(now, said=said, stuck_since=since), lines)


def tell(
    known: Known,
    what: Happening,
    said: str,
    *,
    link: str = "",
    numbers: Mapping[str, Number] | None = None,
) -> Happened:
    """Return what is told of a look."""
    return Happened(known.now, what, said, BY_POLICY, numbers or {}, link)


def without_alias(now: Proposal, why: str, at: float) -> Step:
    """End it where the alias could not be moved: what is in service is in service."""
    said = f"The alias champion could not be moved to version {now.candidate}: {why}"
    return end(now, "promoted" if now.deploy is not None else "dropped", said, at)
