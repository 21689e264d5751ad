"""How deployments stand with their objectives, from the prediction log: from disk, not from memory.

What the process that asks counted before spares it work, and nothing else hangs on it: one that
begins anew says the same.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Protocol

from services.actions.journal import Journal
from services.errors import MlopsError, NotFoundError, PlatformError
from services.home import Home
from services.monitoring import metrics
from services.objectives import available, budget, saying, store
from services.objectives.budget import Counts
from services.objectives.counting import Counter, Minutes
from services.objectives.lasting import PARTS, over
from services.objectives.models import KINDS, OF_REQUESTS, Objective, Standing, State
from services.objectives.watched import Watched, watched
from services.serving import in_service
from services.serving import store as deployments

if TYPE_CHECKING:
    from services.monitoring.accuracy import Accuracy, Quality
    from services.monitoring.metrics import Metric

FEWEST_LABELS = 30
"""Rows with a label from which on a figure is held against its bound."""


class Measured(Protocol):
    """Counts how right answers were."""

    def __call__(
        self, project: str, model: str, since: float, until: float, version: int | None = None,
        metric: "Metric | None" = None, /,
    ) -> "Accuracy | None":  # fmt: skip
        """Return how right a version was, or all of them; None: it is being counted."""


LiveVersion = Callable[[str, str], int | None]
"""(project, model) → the version that answers now."""


def standing(
    home: Home,
    journal: Journal,
    project: str | None = None,
    model: str | None = None,
    *,
    projects: tuple[str, ...] | None = None,
    now: float | None = None,
    counter: Counter | None = None,
    measured: Measured | None = None,
    of_now: bool = True,
) -> tuple[Standing, ...]:
    """Return how deployments stand, by name, each with its objectives in the order of ``KINDS``.

    Args:
        home: Where everything is.
        journal: Holds objectives and what is in service.
        project: Only of this one; None: of all.
        model: Only this one of the project, in service or not; None: all that are in service.
        projects: Only of these; None: of all.
        now: Seconds since 1970; None: now.
        counter: What an earlier call with it counted is not counted again.
        measured: How right answers were; None: counted here, from all labels of the window.
        of_now: Whether ``now`` is this moment: accuracy is then that of the version that answers,
            else that of all that answered.

    One whose predictions or labels cannot be read is unknown and says why; the others stand.

    Raises:
        JournalError: The journal cannot be read.
    """
    asked = told(
        home, journal, project, model, projects=projects, now=now, counter=counter,
        measured=measured, of_now=of_now,
    )  # fmt: skip
    return tuple(each for one in asked for each in one.standings)


@dataclass(frozen=True, slots=True)
class Told:
    """One deployment: how it stands, and what that was counted of."""

    project: str
    model: str
    standings: tuple[Standing, ...]
    minutes: Minutes | None
    """Its requests; None: the log cannot be read."""
    watched: Watched | None = None
    """When it was in service; None: nothing of it promises that, or it cannot be read."""


def told(
    home: Home,
    journal: Journal,
    project: str | None = None,
    model: str | None = None,
    *,
    projects: tuple[str, ...] | None = None,
    now: float | None = None,
    counter: Counter | None = None,
    measured: Measured | None = None,
    back_s: float = 0.0,
    of_now: bool = True,
) -> tuple[Told, ...]:
    """Return the same as ``standing``, by deployment, with the minutes that it rests on.

    They reach back as far as its longest objective, and ``back_s`` seconds at least: who draws
    requests over time needs no second look at the log.

    Raises:
        JournalError: The journal cannot be read.
    """
    until = time.time() if now is None else now
    counts = Counter(home) if counter is None else counter
    names = [(project, model)] if project and model else _in_service(journal, project)
    names = [one for one in names if projects is None or one[0] in projects]
    known = store.said(journal, sorted({one[0] for one in names}))
    ask = measured or _measured(home)

    def live(project: str, model: str) -> int | None:
        if not of_now:
            return None
        try:
            found = deployments.endpoint(journal, f"{project}.{model}").live
        except NotFoundError:
            return None
        return None if found is None else found.version

    looked = _Looked(home)
    found = []
    for name in names:
        objectives = store.of(known, *name)
        stand, minutes = _counted(*name, objectives, until, counts, back_s)
        mine = looked.of(*name) if any(one.kind == "availability" for one in objectives) else None
        for one in objectives:
            if one.kind == "availability":
                stand.append(available.stands(*name, one, mine, until, looked.trouble))
            elif one.kind == "accuracy":
                stand.append(_asked(*name, one, until, ask, live))
        stand.sort(key=lambda one: KINDS.index(one.objective.kind))
        found.append(Told(*name, tuple(stand), minutes, mine))
    return tuple(found)


@dataclass(slots=True)
class _Looked:
    """What the controller saw of deployments; read when it is first asked for."""

    home: Home
    trouble: str = ""
    """Why it cannot be read, as a sentence."""
    _runs: in_service.Runs | None = None

    def of(self, project: str, model: str) -> Watched | None:
        if self._runs is None:
            try:
                self._runs = in_service.read(self.home)
            except PlatformError as error:
                self._runs, self.trouble = {}, error.message
        return None if self.trouble else watched(self._runs.get(f"{project}.{model}", ()))


def _counted(
    project: str,
    model: str,
    objectives: tuple[Objective, ...],
    now: float,
    counter: Counter,
    back_s: float,
) -> tuple[list[Standing], Minutes | None]:
    # One look for all of them: they count the same requests.
    of_requests = [one for one in objectives if one.kind in OF_REQUESTS]
    bound = next((one.bound_ms for one in of_requests if one.bound_ms is not None), None)
    longest = max((back_s, *(one.window_s for one in of_requests)))
    try:
        minutes = counter.minutes(project, model, now - longest, now, bound)
    except PlatformError as error:
        why = error.message
        return [Standing(project, model, one, "unknown", why) for one in of_requests], None
    return [counted(project, model, one, minutes, now) for one in of_requests], minutes


def _asked(
    project: str, model: str, objective: Objective, now: float, measured: Measured,
    live: LiveVersion,
) -> Standing:  # fmt: skip
    since = now - objective.window_s
    version: int | None = None
    try:
        # Of what answers now: labels of a version that is gone, or of a canary, are no trouble now.
        version = live(project, model)
        own = measured(project, model, since, now, version, objective.metric)
    except MlopsError as error:
        return Standing(project, model, objective, "unknown", error.message, version=version)
    found = judged(project, model, objective, own)
    if version is None:
        return found
    said = f"Version {version} answers now. {found.said}"
    if own is None or found.state != "missed":
        return replace(found, version=version, said=said)
    why = over(objective, own, version, FEWEST_LABELS)
    return replace(found, version=version, said=f"{said} {why}".rstrip(), over=why)


def counted(
    project: str, model: str, objective: Objective, minutes: Minutes, now: float
) -> Standing:
    """Return how a deployment stands with an objective of its requests; pure."""
    mine = minutes.between(now - objective.window_s, now)
    target, kind = objective.target, objective.kind

    def within(seconds: float) -> Counts:
        return mine.within(now - seconds, now, kind)

    total = within(objective.window_s)
    first = mine.first_at
    known_s = 0.0 if first is None else now - first
    found = budget.burns(within, target, objective.window_s, known_s)
    few = budget.is_few(total, target)
    state = budget.state(total, target, found)
    return Standing(
        project, model, objective, state, saying.of_requests(objective, total, state, found),
        requests=total.requests, bad=total.bad,
        achieved=1.0 - total.bad / total.requests if total.requests else None,
        budget_left=None if few else budget.left(total, target),
        spent=None if few else budget.rate(total, target), burns=found, since=first,
    )  # fmt: skip


def judged(project: str, model: str, objective: Objective, found: "Accuracy | None") -> Standing:
    """Return how a deployment stands with a bound of its accuracy; pure.

    It is missed when the figure is beyond the bound at the level of the verdicts of drift checks
    (it is looked at all day), at risk when it may be so by chance.
    """
    quality = None if found is None else found.overall
    if found is None or quality is None:
        said = "How right its answers were is being counted." if found is None else found.said
        return Standing(project, model, objective, "unknown", said)
    state, said = _accuracy(objective, quality)
    return Standing(
        project, model, objective, state, f"{said} {found.said}", requests=quality.rows,
        achieved=quality.value if quality.metric == objective.metric else None,
        low=quality.low, high=quality.high,
    )  # fmt: skip


def _accuracy(objective: Objective, now: "Quality") -> tuple[State, str]:
    if now.metric != objective.metric:
        return "unknown", (
            f"Its labels give a figure of {metrics.NAMES[now.metric]}, and the objective is one of "
            f"{metrics.NAMES[objective.metric]}."
        )
    if now.rows < FEWEST_LABELS:
        return "unknown", f"Only {now.rows} rows have a label: {FEWEST_LABELS} are wanted."
    if now.size < FEWEST_LABELS:
        if now.classes:
            return "unknown", (
                f"Its {now.rows:,} rows with a label are of classes so rare that they are worth "
                f"{now.size:.0f} of an even mix: {FEWEST_LABELS} are wanted."
            )
        return "unknown", (
            f"Its {now.rows:,} rows with a label were asked together and are worth {now.size:.0f} "
            f"that were not: {FEWEST_LABELS} are wanted."
        )
    from services.monitoring import accuracy  # who has a figure has it already

    if accuracy.is_broken(now, accuracy.Bound(objective.metric, objective.target)):
        return "missed", f"It is beyond its bound of {objective.target:g}; that is hardly chance."
    if metrics.is_beyond(now.metric, now.value, objective.target):
        return "at risk", f"It is beyond its bound of {objective.target:g}; that may be chance."
    return "met", f"It is within its bound of {objective.target:g}."


def _in_service(journal: Journal, project: str | None) -> list[tuple[str, str]]:
    found = deployments.endpoints(journal, None if project is None else [project])
    return sorted((one.project, one.model) for one in found if one.live is not None)


def _measured(home: Home) -> Measured:
    from services.monitoring import accuracy  # SciPy with it: for who asks of labels alone

    def ask(
        project: str, model: str, since: float, until: float, version: int | None = None,
        metric: "Metric | None" = None, /,
    ) -> "Accuracy | None":  # fmt: skip
        step_s = (until - since) / PARTS
        return accuracy.read(home, project, model, since, until, step_s, version, metric=metric)

    return ask
