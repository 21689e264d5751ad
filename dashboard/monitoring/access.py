"""What the page reads, limited to the scope and to what the person may see."""

import time
from collections.abc import Collection
from dataclasses import dataclass

import streamlit as st

from dashboard import state, watched
from dashboard.deployments import access as serving
from dashboard.monitoring.address import COLUMN, DEPLOYMENT, VERDICT, VERSION
from dashboard.scope import RANGES, Scope
from dashboard.watched import Board
from services.errors import NotFoundError
from services.monitoring.courses import Check
from services.monitoring.models import Family, Verdict
from services.serving.looking import Deployment

_HOUR_S, _DAY_S = 3600.0, 86_400.0
_STRETCHES: dict[str, tuple[float, int, str]] = {
    "7d": (6 * _HOUR_S, 28, "in the last 7 days"),
    "30d": (_DAY_S, 30, "in the last 30 days"),
    "all": (_DAY_S, 30, "in the last 30 days"),
}
_DAY = (_HOUR_S, 24, "in the last 24 hours")
"""Of shorter ranges: checks come every hour."""


@dataclass(frozen=True, slots=True)
class Stretch:
    """What strips are of: ``count`` steps from ``since`` on."""

    since: float
    step_s: float
    count: int
    said: str

    @property
    def until(self) -> float:
        """Return its end."""
        return self.since + self.count * self.step_s


def stretch(where: Scope, now: float) -> Stretch:
    """Return what the strips of the matrix show, in whole steps so that equal questions stay so."""
    step, count, said = _STRETCHES.get(where.span, _DAY)
    end = (now // step + 1) * step
    return Stretch(end - count * step, step, count, said)


@dataclass(frozen=True, slots=True)
class Subject:
    """The model that is looked at."""

    name: str
    project: str
    model: str
    deployment: Deployment | None
    """None: it is not in service now."""
    versions: tuple[int, ...]
    """That were checked or are in service, the live one first."""

    @property
    def live(self) -> int | None:
        """Return the version that answers."""
        return None if self.deployment is None else self.deployment.version


@dataclass(frozen=True, slots=True)
class Seen:
    """One check of it, and those around it."""

    version: int
    checks: tuple[Check, ...]
    place: int
    """Which of the checks is looked at."""
    verdicts: dict[Family, Verdict]

    @property
    def check(self) -> Check:
        """Return the check that is looked at."""
        return self.checks[self.place]

    @property
    def newest(self) -> bool:
        """Return whether there is none after it."""
        return self.place == len(self.checks) - 1


def name() -> str:
    """Return which deployment the address names, empty when it names none."""
    return st.query_params.get(DEPLOYMENT, "")[:400]


def column() -> str:
    """Return which column the address names, empty when it names none."""
    return st.query_params.get(COLUMN, "")[:400]


def verdict() -> str:
    """Return which verdict the address names, empty when it names none."""
    return st.query_params.get(VERDICT, "")[:100]


def subject(wanted: str) -> Subject:
    """Return the model that the address names.

    Raises:
        NotFoundError: It is not in service and was never checked, or the person may not see it.
        PlatformError: The verdicts cannot be read.
    """
    project, _, model = wanted.partition(".")
    mine = state.visible_projects()
    seen = serving.one(wanted)
    checked = watched.versions(project, model) if mine is None or project in mine else ()
    if seen is None and not checked:
        raise NotFoundError(
            f"There is no deployment “{wanted[:100]}” in the projects you see.",
            "Choose one in the table of all deployments.",
        )
    live = () if seen is None or seen.version is None else (seen.version,)
    served = () if seen is None else tuple(one.version for one in seen.versions)
    return Subject(wanted, project, model, seen, tuple(dict.fromkeys((*live, *checked, *served))))


def version(of: Subject) -> int | None:
    """Return whose checks are looked at: what the address names, else the live one's."""
    named = st.query_params.get(VERSION, "")
    found = next((one for one in of.versions if str(one) == named), None)
    if found is not None:
        return found
    if verdict():
        try:
            said = watched.check(verdict())[0]
        except NotFoundError:  # told where the check is drawn
            return next(iter(of.versions), None)
        if (said.project, said.model) == (of.project, of.model):
            return said.version
    return next(iter(of.versions), None)


def seen(of: Subject, number: int, since: float | None) -> Seen | None:
    """Return the check that the address names, else the newest; None: there is none yet.

    Raises:
        NotFoundError: The check is not one of this version, or is kept no more.
        PlatformError: The verdicts cannot be read.
    """
    found = watched.checks(of.project, of.model, number, since)
    if not found and not verdict():
        found = watched.checks(of.project, of.model, number, None)[-1:]
    wanted = verdict()
    if not wanted:
        return _seen(number, found, len(found) - 1) if found else None
    verdicts = watched.check(wanted)
    one = verdicts[0]
    if (one.project, one.model, one.version) != (of.project, of.model, number):
        raise NotFoundError(
            f"{wanted} is no check of version {number} of this deployment.",
            "Choose another version, or take the check out of the address.",
        )
    names = {said.id for said in verdicts}
    place = next((n for n, check in enumerate(found) if check.id in names), None)
    if place is None:  # it is older than the range, or than what the slider has
        found = watched.checks(of.project, of.model, number, one.computed_at)
        place = next((n for n, check in enumerate(found) if check.id in names), None)
    if place is None:
        alone = Check(wanted, one.computed_at, one.rows, {})
        return Seen(number, (alone,), 0, {said.kind: said for said in verdicts})
    return _seen(number, found, place)


def inputs(of: Subject) -> tuple[str, ...]:
    """Return the inputs that its last check compared, by name; none where there is none.

    Raises:
        PlatformError: The verdicts cannot be read.
    """
    number = version(of)
    found = () if number is None else watched.checks(of.project, of.model, number, None)[-1:]
    verdicts = watched.check(found[0].id) if found else ()
    return tuple(column.name for one in verdicts if one.kind == "data" for column in one.columns)


def _seen(number: int, checks: tuple[Check, ...], place: int) -> Seen:
    verdicts = watched.check(checks[place].id)
    return Seen(number, checks, place, {one.kind: one for one in verdicts})


def since(where: Scope) -> float | None:
    """Return from when on the slider has checks: the range of the page, at least a day."""
    back = RANGES[where.span]
    if back is None:
        return None
    now = time.time() // 60 * 60
    return now - max(back.total_seconds(), _DAY_S)


def not_in_service(
    board: Board | None, project: str | None, served: Collection[str]
) -> tuple[str, ...]:
    """Return models that were checked and are not in service, by name."""
    mine = state.visible_projects()
    names = {
        f"{of}.{model}" for of, model, _, _ in (board.newest if board else ())
        if (mine is None or of in mine) and (project is None or of == project)
    }  # fmt: skip
    return tuple(sorted(names.difference(served)))
