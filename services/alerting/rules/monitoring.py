"""The checks themselves: one that fails, one that lacks something, and none for hours."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Protocol
from urllib.parse import quote

from services.alerting.models import Event, key_of

KIND = "monitoring"
ROUNDS = key_of(KIND, "rounds")
LATE_S = 9000.0
"""So long after the last round (they come each hour) one is missing."""


class LookedSeen(Protocol):
    """What came of looking at one version."""

    @property
    def project(self) -> str:
        """Return whose model it is."""

    @property
    def model(self) -> str:
        """Return its name."""

    @property
    def version(self) -> int:
        """Return which version of it."""

    @property
    def at(self) -> float:
        """Return when, in seconds since 1970."""

    @property
    def error(self) -> str:
        """Return why it could not be checked; empty: it could."""

    @property
    def fault(self) -> str:
        """Return what is missing though it was checked; empty: nothing."""

    @property
    def hint(self) -> str:
        """Return what to do."""


@dataclass(frozen=True, slots=True)
class Rounds:
    """What is known of the rounds over all deployments. Times: seconds since 1970."""

    ended: float | None
    """When the last one that went to its end did."""
    failed_at: float | None
    """When one came to nothing, if the last one did."""
    error: str
    hint: str
    watched_since: float
    """Since when somebody could have seen one."""
    paused: bool
    """Whether the workflow that makes them is paused."""


def events(
    rounds: Rounds,
    looked: Iterable[LookedSeen],
    deployed: Collection[str],
    now: float,
    open_keys: frozenset[str],
) -> tuple[Event, ...]:
    """Return what is to be said of checks.

    Args:
        rounds: Of all deployments.
        looked: What came of each version that was looked at.
        deployed: Names (``PROJECT.MODEL``) of what is in service.
        now: Seconds since 1970.
        open_keys: Keys of the alerts of this kind that are open.
    """
    worst: dict[str, LookedSeen] = {}
    for one in looked:
        name = f"{one.project}.{one.model}"
        if name in deployed and (name not in worst or _badness(one) > _badness(worst[name])):
            worst[name] = one
    found = [_rounds(rounds, now) if deployed else _nothing(now)]
    found += [_looked(one) for one in worst.values()]
    there = {key_of(KIND, *name.split(".", 1)) for name in deployed}
    gone = sorted(open_keys - there - {ROUNDS})
    found += [Event(key, now, "ok", said="It was taken out of service.") for key in gone]
    return tuple(one for one in found if one.state == "firing" or one.key in open_keys)


def _badness(one: LookedSeen) -> tuple[bool, bool, float]:
    return bool(one.error), bool(one.fault), one.at


def _nothing(now: float) -> Event:
    return Event(ROUNDS, now, "ok", said="Nothing is in service, so there is nothing to check.")


def _rounds(rounds: Rounds, now: float) -> Event:
    link = "/monitoring"
    if rounds.failed_at is not None:
        return Event(
            ROUNDS,
            rounds.failed_at,
            "firing",
            "warning",
            title="Deployments could not be checked for drift",
            said="The last round of checks over all deployments came to nothing.",
            cause=rounds.error,
            suggestion=rounds.hint or "The controller tries again by itself.",
            link=link,
        )
    last = max(rounds.ended or 0.0, rounds.watched_since)
    if now - last > LATE_S:
        since = "yet" if rounds.ended is None else f"for {(now - rounds.ended) / 3600:.0f} hours"
        cause, suggestion = "", "`mlops logs controller` may say why."
        if rounds.paused:
            cause = "The workflow platform.monitor, which makes them, is paused."
            suggestion = "`mlops workflows resume platform.monitor` has them made again."
        return Event(
            ROUNDS,
            now,
            "firing",
            "warning",
            title="Deployments are not checked for drift",
            said=f"No round of checks over all deployments ended {since}; one is due each hour.",
            cause=cause,
            suggestion=suggestion,
            link=link,
        )
    if rounds.ended is None:
        return Event(ROUNDS, now, "unknown", said="No round of checks ended yet.")
    return Event(ROUNDS, rounds.ended, "ok", said="A round of checks went to its end.")


def _looked(one: LookedSeen) -> Event:
    name = f"{one.project}.{one.model}"
    key = key_of(KIND, one.project, one.model)
    labels: Mapping[str, str] = {
        "project": one.project, "model": one.model, "endpoint": name, "version": str(one.version),
    }  # fmt: skip
    link = f"/monitoring?deployment={quote(name)}"
    again = f"`mlops drift check {name}` tries again."
    if one.error:
        return Event(
            key, one.at, "firing", "warning", one.project,
            title=f"{one.model} could not be checked for drift",
            said=f"The check of version {one.version} of {name} failed, so nobody knows whether it "
            "drifted.",
            cause=one.error, suggestion=" ".join(filter(None, (one.hint, again))), link=link,
            labels=labels,
        )  # fmt: skip
    if one.fault:
        return Event(
            key, one.at, "firing", "info", one.project,
            title=f"The check of {one.model} lacks something",
            said=f"Version {one.version} of {name} was checked, but its evaluation data or its "
            "report is missing.",
            cause=one.fault, suggestion=" ".join(filter(None, (one.hint, again))), link=link,
            labels=labels,
        )  # fmt: skip
    return Event(key, one.at, "ok", said=f"Version {one.version} of {name} was checked.")
