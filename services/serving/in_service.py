"""``in_service.json``: since when each deployment is in service or not, as the controller saw it.

What nobody saw is not in it: a stretch of time that no run covers is *not known*, not good.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import orjson

from services.errors import PlatformError
from services.home import Home
from services.serving.models import EndpointStatus
from services.telemetry.folder import write_whole

State = Literal["up", "down", "off"]
"""``off``: nobody wants it to be in service."""

FORMAT = 1
GAP_S = 30.0
"""Who looks again within this time has seen what was between."""
KEPT_S = 31 * 86_400.0
"""So much of what was seen is kept: a clock that jumps ahead ages nothing."""
MOST = 20_000
"""Runs of a deployment that are kept; the oldest go."""
_MOST_OF = 0.5
"""Of the requests: so many must find a model server."""


@dataclass(frozen=True, slots=True)
class Run:
    """A stretch of time in one state; times in seconds since 1970."""

    since: float
    until: float
    state: State


Runs = Mapping[str, tuple[Run, ...]]
"""By the deployment's name, each in order of time."""


def path(home: Home) -> Path:
    """Return the file."""
    return home.serving / "in_service.json"


def state(seen: EndpointStatus | None, *, gateway: bool) -> State | None:
    """Return whether most who ask a deployment get to a model server; pure. None: not known.

    Args:
        seen: What the serving engine says of it now; None: it says nothing.
        gateway: Whether the gateway answers.
    """
    if not gateway:
        return "down"
    if seen is None:
        return None
    if seen.phase == "idle":
        return "up"  # the next request wakes it
    served = sum(one.share for one in seen.versions if one.ready or one.phase == "idle")
    return "up" if served >= _MOST_OF else "down"


def noted(runs: Sequence[Run], now: float, found: State | None) -> tuple[Run, ...]:
    """Return runs with what is seen now; pure.

    A state lasts until another one is seen, and no longer than ``GAP_S`` while nobody looks. Of a
    clock that is set back nobody knows which of its times were wrong: what lies ahead of it stays,
    and is taken out as it is seen again.
    """
    kept = [one if one.until <= now else replace(one, until=now) for one in runs if one.since < now]
    ahead = [replace(one, since=max(one.since, now)) for one in runs if one.until > now + GAP_S]
    last = kept[-1] if kept else None
    if last is not None and now - last.until <= GAP_S and found is not None:
        kept[-1] = last = replace(last, until=now)
    if found is not None and (last is None or last.until < now or last.state != found):
        kept.append(Run(now, now, found))
    return _newest([*kept, *ahead])


def _newest(runs: Sequence[Run]) -> tuple[Run, ...]:
    found: list[Run] = []
    left_s = KEPT_S
    for one in reversed(runs[-MOST:]):
        if left_s <= 0:
            break
        found.append(one)
        left_s -= one.until - one.since
    return tuple(reversed(found))


def read(home: Home) -> Runs:
    """Return what was seen.

    Raises:
        PlatformError: The file cannot be read.
    """
    try:
        said = orjson.loads(path(home).read_bytes())
        deployments = said["deployments" if said["v"] == FORMAT else f"format {FORMAT}"]
        return {
            str(name): tuple(Run(float(one[0]), float(one[1]), one[2]) for one in runs)
            for name, runs in deployments.items()
        }
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, KeyError, TypeError, IndexError, AttributeError) as error:
        raise PlatformError(
            f"{path(home)} cannot be read ({error}): when deployments were in service is not "
            "known, and is not noted.",
            "Move the file away: it is made anew.",
        ) from error


def write(home: Home, runs: Runs) -> None:
    """Write it in one step.

    Raises:
        PlatformError: The disk is full or not writable; the old file stays.
    """
    said = {
        name: [(one.since, one.until, one.state) for one in mine] for name, mine in runs.items()
    }
    try:
        home.serving.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_whole(path(home), orjson.dumps({"v": FORMAT, "deployments": said}))
    except OSError as error:
        raise PlatformError(
            f"{path(home)} could not be written: {error.strerror or error}. When deployments were "
            "in service is kept in memory meanwhile.",
            "Free space on its disk, and see that the folder can be written.",
        ) from error
