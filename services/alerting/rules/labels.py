"""Labels that fit nothing: of requests that are not in the log, or beside no answer they fit.

Both tell of accuracy that nobody measures, though somebody labels. The last day is counted; where
the labels of its last hour fit, it is over, however many of the day did not.
"""

from collections.abc import Collection, Iterator
from typing import TYPE_CHECKING
from urllib.parse import quote, urlencode

from services.alerting.models import Event, key_of

if TYPE_CHECKING:
    from services.monitoring.labels_fit import Fit, Fitting, Part, Unknown

KIND = "labels"
FEWEST = 50
"""Labels of a day from which on their share tells something,"""
FEWEST_HOUR = 20
"""and of its last hour."""
UNKNOWN_SHARE = 0.10
WRONG_SHARE = 0.50
_UNKNOWN, _WRONG = "unknown", "wrong"


def events(fit: "Fit", deployed: Collection[str], open_keys: frozenset[str]) -> tuple[Event, ...]:
    """Return what is to be said of labels.

    Args:
        fit: What came in the last day.
        deployed: Names (``PROJECT.MODEL``) of what is in service.
        open_keys: Keys of the alerts of this kind that are open.
    """
    found = {one.key: one for one in (*_of_keys(fit, deployed), *_of_models(fit, deployed))}
    gone = "Nothing that it is about is in service."
    over = [Event(key, fit.until, "ok", said=gone) for key in sorted(open_keys - found.keys())]
    told = (one for one in found.values() if one.state == "firing" or one.key in open_keys)
    return (*told, *over)


def _of_keys(fit: "Fit", deployed: Collection[str]) -> Iterator[Event]:
    """Yield what is said of unknown requests, by whose key said it."""
    projects = {"", *(name.partition(".")[0] for name in deployed)} if deployed else set()
    for project in sorted(projects):
        key, one = unknown_key(project), fit.unknown_of(project)
        day, hour = fit.parts_of(project)
        fits = "name a known request"
        calm = _calm(key, day, hour, UNKNOWN_SHARE, fits, fit.until)
        if calm is not None:
            yield calm
        elif one is not None:
            yield _unknown(key, one, fit.until)


def _of_models(fit: "Fit", deployed: Collection[str]) -> Iterator[Event]:
    """Yield what is said of labels beside answers, by model."""
    for name in sorted(deployed):
        project, _, model = name.partition(".")
        key, one = key_of(KIND, _WRONG, project, model), fit.of(project, model)
        if one is None:
            said = "No label of it came in the last day, so nobody can tell."
            yield Event(key, fit.until, "unknown", said=said)
            continue
        fits = "fit their answer"
        calm = _calm(key, one.day, one.hour, WRONG_SHARE, fits, fit.until)
        yield calm or _wrong(key, one, fit.until)


def unknown_key(project: str) -> str:
    """Return the key of what is said of labels that keys of a project sent; empty: of all."""
    return key_of(KIND, _UNKNOWN, *filter(None, (project,)))


def _calm(key: str, day: "Part", hour: "Part", bound: float, fits: str, at: float) -> Event | None:
    """Return what is said where nothing fires, None where it does."""
    if hour.came >= FEWEST_HOUR and hour.share < bound:
        return Event(key, at, "ok", said=f"{_of(hour)} labels of the last hour {fits}.")
    if day.came < FEWEST:
        few = f"{day.came} labels came in the last day: {FEWEST} are wanted to tell."
        return Event(key, at, "unknown", said=few)
    if day.share < bound:
        return Event(key, at, "ok", said=f"{_of(day)} labels of the last day {fits}.")
    return None


def _unknown(key: str, one: "Unknown", at: float) -> Event:
    of = one.project or None
    return Event(
        key, at, "firing", "warning", of,
        title="Labels name requests that are not in the prediction log",
        said=one.said,
        cause=one.reasons,
        suggestion="Send each label to /feedback/ID with the X-Request-Id that came with the "
        "answer, to the gateway that answered, with a key of the same project.",
        link=f"/monitoring?{urlencode({'project': of})}" if of else "/monitoring",
        labels={"project": one.project} if of else {},
    )  # fmt: skip


def _wrong(key: str, one: "Fitting", at: float) -> Event:
    name = f"{one.project}.{one.model}"
    return Event(
        key, at, "firing", "warning", one.project,
        title=f"Most labels of {one.model} fit no answer",
        said=f"{one.said} What is known of the accuracy of {name} rests on the others.",
        cause=one.reasons,
        suggestion=f"Say a label as the answer says it: one value, or a list of one a row. `mlops "
        f"drift accuracy {name}` counts what fits.",
        link=f"/monitoring?deployment={quote(name)}&part=accuracy",
        labels={"project": one.project, "model": one.model, "endpoint": name},
    )  # fmt: skip


def _of(part: "Part") -> str:
    return f"{part.came - part.bad:,} of {part.came:,}"
