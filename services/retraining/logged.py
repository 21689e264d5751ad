"""What the prediction log and verdicts say of a version that stands beside the live one."""

import contextlib
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from services.actions import serving
from services.errors import MlopsError
from services.monitoring.metrics import NAMES, is_share
from services.retraining.models import Proposal

if TYPE_CHECKING:
    from services.actions.action import Context
    from services.home import Home
    from services.monitoring.measures import Quality

_AS_GOOD = 0.05
"""Of a shadow being as good: a p-value above it is no sign that it is worse.

That it is not *known* to be worse, at the far smaller level of the verdicts, proves nothing.
"""
_WORDS = {"data": "its inputs", "prediction": "its answers", "accuracy": "how right it is"}


@dataclass(slots=True)
class Logged:
    """What is known of it."""

    read_at: float
    """By the clock that nobody sets."""
    requests: int = 0
    worse: str = ""
    said: str = ""
    labelled: bool = False
    cured: bool | None = None
    own: str = ""


def read(context: "Context", home: "Home", one: Proposal, since: float, now: float) -> Logged:
    """Return what is known of a retraining's version since it stands beside the live one."""
    found = Logged(time.monotonic())
    try:
        _labels(context, home, one, since, now, found)
    except MlopsError as error:
        found.said = f"The prediction log cannot be read: {error.message}"
    try:
        _verdicts(home, one, since, found)
    except MlopsError as error:
        found.own = f"Its verdicts cannot be read: {error.message}"
    return found


def _labels(
    context: "Context", home: "Home", one: Proposal, since: float, now: float, found: Logged
) -> None:
    """Note how much it answered, and how right it was beside the live version."""
    from services.predictions import reading

    shadow = one.policy.strategy == "shadow"
    at = (home, one.project, one.model, since, now)
    found.requests = reading.count(*at, one.candidate, shadow=shadow)
    live = serving.endpoint_of(context, one.project, one.model)
    if not found.requests or live is None or live.live is None or one.candidate is None:
        return
    if shadow:
        _paired(home, one, one.candidate, live.live.version, since, now, found)
    else:
        _apart(home, one, one.candidate, live.live.version, since, now, found)


def _apart(
    home: "Home", one: Proposal, candidate: int, live: int, since: float, now: float, found: Logged
) -> None:
    """Hold a canary against the live version: each answered other requests."""
    from services.monitoring import accuracy

    at = (home, one.project, one.model, since, now, max(1.0, now - since))
    mine, theirs = (accuracy.read(*at, version).overall for version in (candidate, live))
    if mine is None or theirs is None or mine.metric != theirs.metric:
        return
    judged = accuracy.judge(mine, theirs)
    found.said = (
        f"By labels its {NAMES[mine.metric]} is {mine.value:.4g} on {mine.rows:,} rows, that "
        f"of version {live} {theirs.value:.4g} on {theirs.rows:,}."
    )
    found.worse = found.said if judged.state == "drifted" else ""
    found.labelled = judged.state == "steady" and is_as_good(mine, theirs)


def is_as_good(mine: "Quality", theirs: "Quality") -> bool:
    """Return whether rows enough say of a version that its figure may be that of the live one.

    Its interval of 95 % reaches what the live version has. Both are of one measure.
    """
    from services.monitoring.accuracy import LEAST

    if min(mine.size, theirs.size) < LEAST:
        return False
    if is_share(mine.metric):
        return mine.high >= theirs.value
    least = max(0.0, mine.low, -mine.high)  # of bias the nearest to none, either way
    return least <= abs(theirs.value)


def _paired(
    home: "Home", one: Proposal, candidate: int, live: int, since: float, now: float, found: Logged
) -> None:
    """Hold a shadow against what went out: both answered the same requests."""
    from services.monitoring import beside

    both = beside.read(home, one.project, one.model, candidate, since, now)
    if both is None:
        return
    found.said = (
        f"By labels of the same {both.rows:,} rows its {NAMES[both.metric]} is {both.mine:.4g}, "
        f"that of version {live} {both.theirs:.4g}."
    )
    found.worse = found.said if both.is_worse() else ""
    found.labelled = both.enough and both.p_value > _AS_GOOD


def _verdicts(home: "Home", one: Proposal, since: float, found: Logged) -> None:
    """Note what its own checks say of what it was made for."""
    from services.monitoring.store import VerdictStore

    if not one.causes:
        return
    with contextlib.closing(VerdictStore(home)) as store:
        latest = {
            said.kind: said
            for said in store.latest(one.project, one.model, by_version=True)
            if said.version == one.candidate and said.computed_at >= since
        }
    mine = [latest[kind] for kind in one.causes if kind in latest]
    states = [said.state for said in mine]
    if "drifted" in states:
        found.cured = False
    elif len(mine) == len(one.causes) and set(states) == {"steady"}:
        found.cured = True
    found.own = " ".join(
        f"Its own verdict on {_WORDS[said.kind]} is {said.state}: {said.said}" for said in mine
    )
