"""What each deployment is compared with, where somebody chose it: kept in the journal."""

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from sqlalchemy import Row, delete, select

from services.actions import schema
from services.actions.journal import Journal
from services.errors import InputError
from services.monitoring.models import Baseline

KINDS = ("auto", "evaluation", "first", "season", "window")
MOST_WEEKS = 12
SHORTEST_S, LONGEST_S = 60.0, 400 * 86_400.0
"""Of a stretch of time; the prediction log keeps no more than a year by far."""
_TABLE = schema.monitoring_baselines


@dataclass(frozen=True, slots=True)
class Chosen:
    """A baseline that somebody chose."""

    baseline: Baseline
    by: str
    at: float
    """Seconds since 1970."""
    action_id: int | None = None


def baseline_of(journal: Journal, project: str, model: str) -> Baseline:
    """Return what a model is compared with; ``auto`` where nobody chose.

    Raises:
        JournalError: The journal cannot be read.
    """
    found = chosen(journal, project, model)
    return found.baseline if found is not None else Baseline()


def chosen(journal: Journal, project: str, model: str) -> Chosen | None:
    """Return what somebody chose for a model; None: nobody did.

    Raises:
        JournalError: The journal cannot be read.
    """
    with journal.read() as connection:
        row = connection.execute(select(_TABLE).where(_TABLE.c.name == _name(project, model)))
        found = row.first()
    return None if found is None else _chosen(found)


def all_chosen(journal: Journal) -> Mapping[str, Chosen]:
    """Return what was chosen by ``PROJECT.MODEL``.

    Raises:
        JournalError: The journal cannot be read.
    """
    with journal.read() as connection:
        return {row.name: _chosen(row) for row in connection.execute(select(_TABLE))}


def put(journal: Journal, project: str, model: str, one: Chosen | None) -> None:
    """Keep a choice; None goes back to the default.

    Raises:
        JournalError: The journal cannot be written.
    """
    name = _name(project, model)
    with journal.write() as connection:
        connection.execute(delete(_TABLE).where(_TABLE.c.name == name))
        if one is not None:
            row = {
                "name": name, "project": project, "body": json.dumps(one.baseline.as_json()),
                "by": one.by, "set_ms": round(one.at * 1000), "action_id": one.action_id,
            }  # fmt: skip
            connection.execute(_TABLE.insert().values(**row))


def check(one: Baseline, now: float | None = None) -> None:
    """Refuse a baseline that cannot be.

    Args:
        one: It.
        now: Seconds since 1970.

    Raises:
        InputError: The message says what is wrong with it.
    """
    if one.kind not in KINDS:
        raise InputError(f"{str(one.kind)[:40]!r} is no baseline.", f"There are {_listed(KINDS)}.")
    if one.kind == "season":
        _check_weeks(one.weeks)
        _check_zone(one.zone)
    if (one.kind == "window") != (one.since is not None and one.until is not None):
        raise InputError(
            "A stretch of time goes with the baseline window, with begin and end, and with it "
            "alone.",
            "Say --since and --until.",
        )
    if one.since is not None and one.until is not None:
        _check_stretch(one.since, one.until, time.time() if now is None else now)


def _check_weeks(weeks: object) -> None:
    whole = isinstance(weeks, int) and not isinstance(weeks, bool)
    if not whole or not 1 <= weeks <= MOST_WEEKS:  # type: ignore[operator]  # it is an int here
        raise InputError(
            f"{str(weeks)[:20]} weeks are no season to compare with; it is 1 to {MOST_WEEKS}."
        )


def _check_zone(zone: str) -> None:
    try:
        ZoneInfo(zone)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise InputError(
            f"{zone[:60]!r} is no time zone of this machine.", "Write it as Europe/Berlin, or UTC."
        ) from error


def _check_stretch(since: float, until: float, now: float) -> None:
    if not SHORTEST_S <= until - since <= LONGEST_S:  # NaN is in no range
        raise InputError(
            "The stretch of time is no baseline: it ends at least a minute after it begins, and "
            f"lasts {LONGEST_S / 86_400:.0f} days at most."
        )
    if until > now:
        raise InputError(
            f"The stretch of time ends {said_at(until)}, which is yet to come.",
            "A baseline is of the past: what is compared with it must not change.",
        )


def said(one: Baseline) -> str:
    """Return a baseline as a phrase: "compared with …"."""
    if one.kind == "window" and one.since is not None and one.until is not None:
        return f"the predictions from {said_at(one.since)} to {said_at(one.until)}"
    if one.kind == "season":
        weeks = "week" if one.weeks == 1 else f"{one.weeks} weeks"
        zone = "" if one.zone == "UTC" else f", by the clock of {one.zone}"
        return f"the same hours of the {weeks} before{zone}"
    return {
        "auto": "its evaluation data, or its first predictions where none was logged",
        "evaluation": "the evaluation data of its version",
        "first": "the first predictions of its version",
    }.get(one.kind, one.kind)


def said_at(at: float) -> str:
    """Return a moment for a sentence."""
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M UTC")


def _name(project: str, model: str) -> str:
    return f"{project}.{model}"


def _listed(words: tuple[str, ...]) -> str:
    return f"{', '.join(words[:-1])} and {words[-1]}"


def _chosen(row: Row[Any]) -> Chosen:
    body = json.loads(row.body)
    return Chosen(Baseline.from_json(body), row.by, row.set_ms / 1000, row.action_id)
