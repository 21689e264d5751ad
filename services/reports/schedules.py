"""Reports by the calendar: what was wished for, what is due, and that each is made once.

A report is due at an hour of a day, a Monday or a first of a month, and covers the time since the
one before. Who makes it (Airflow's DAG, the controller) holds one lock while it does; the moment
that was due is written down afterwards. So two that look at once make one report, and one that was
killed is made again under the same name. The message about it is written in the transaction that
notes it as told.
"""

import fcntl
import json
import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Literal, get_args
from zoneinfo import ZoneInfo

from sqlalchemy import Row, delete, insert, or_, select, update

from services.actions import schema
from services.actions.journal import Journal
from services.alerting import outbox
from services.errors import InputError, JournalError, MlopsError, PlatformError
from services.home import Home
from services.reports import kept, making
from services.reports.kept import Kept
from services.reports.making import Wish
from services.reports.period import zone_of

logger = logging.getLogger(__name__)

Every = Literal["day", "week", "month"]
EVERY: tuple[Every, ...] = get_args(Every)
TOOLKIT = "*"
_TABLE = schema.report_schedules
_AGAIN_S = 600.0
"""After which one that failed is tried again."""
_WORD = {"day": "Daily", "week": "Weekly", "month": "Monthly"}


@dataclass(frozen=True, slots=True)
class Schedule:
    """One report that is made again and again. Times: seconds since 1970."""

    project: str | None
    """None: the whole toolkit."""
    every: Every
    hour: int = 7
    """Of the day in ``zone``: 0 to 23. A week begins on Monday, a month on its first day."""
    zone: str = "UTC"
    """IANA name of the time zone."""
    channels: tuple[str, ...] = ()
    """Who is told that it is there; none: it is kept, and nobody is told."""
    made_at: float = 0.0
    """The moment that was due last and is done with."""
    report: str = ""
    """The name of the last one; empty: none yet."""
    trouble: str = ""
    """Why the last try failed; empty: it did not."""
    failed: int = 0
    """Tries in a row that did."""

    @property
    def name(self) -> str:
        """Return what names it: one a project and period."""
        return name_of(self.project, self.every)

    def due(self, now: float) -> float:
        """Return the last moment at which one was due."""
        local = datetime.fromtimestamp(now, UTC).astimezone(ZoneInfo(self.zone))
        found = self._begin(local)
        if found.timestamp() > now:
            found = self._begin(self._earlier(found))
        return found.timestamp()

    def window(self, due: float) -> tuple[float, float]:
        """Return the stretch of time that the report of a moment covers."""
        end = datetime.fromtimestamp(due, UTC).astimezone(ZoneInfo(self.zone))
        return self._begin(self._earlier(end)).timestamp(), due

    def next(self, now: float) -> float:
        """Return the moment at which the next one is due."""
        at = now
        while self.due(at) <= now:
            at += 86_400.0
        return self.due(at)

    def _begin(self, local: datetime) -> datetime:
        """Return when the period of a moment began, at the hour of reports."""
        day = local.replace(hour=self.hour, minute=0, second=0, microsecond=0)
        if self.every == "week":
            return day - timedelta(days=day.weekday())
        return day.replace(day=1) if self.every == "month" else day

    def _earlier(self, begin: datetime) -> datetime:
        """Return a moment of the period before the one that began then."""
        # By the calendar of its zone: where clocks change, a day is as long as it is.
        return begin - timedelta(days=7 if self.every == "week" else 1)


def name_of(project: str | None, every: str) -> str:
    """Return the name of the schedule of a project and period."""
    return f"{project or TOOLKIT}/{every}"


def check(schedule: Schedule) -> None:
    """Refuse a schedule that is none.

    Raises:
        InputError: Its period, hour or time zone is none.
    """
    if schedule.every not in EVERY:
        raise InputError(f"{str(schedule.every)[:20]!r} is no period.", "day, week or month.")
    if isinstance(schedule.hour, bool) or not 0 <= schedule.hour <= 23:
        raise InputError(f"{schedule.hour!r} is no hour of a day.", "0 to 23.")
    zone_of(schedule.zone)


# The journal


def put(journal: Journal, schedule: Schedule, now: float) -> None:
    """Keep a schedule; its first report is due at the next moment, not at the one before.

    Raises:
        JournalError: The journal cannot be written.
    """
    due = round(schedule.due(now) * 1000)
    body = _body(replace(schedule, failed=0))
    values = {"project": schedule.project, "body": body, "trouble": "", "tried_ms": 0}
    mine = _TABLE.c.name == schedule.name
    with journal.write() as connection:
        found = connection.execute(select(_TABLE.c.made_ms).where(mine)).scalar()
        times = {"made_ms": max(due, found or 0), "told_ms": max(due, found or 0)}
        if found is None:
            connection.execute(insert(_TABLE).values(name=schedule.name, **values, **times))
        else:
            connection.execute(update(_TABLE).where(mine).values(**values, **times))


def _body(one: Schedule) -> str:
    keys = ("every", "hour", "zone", "channels", "failed")
    return json.dumps({key: getattr(one, key) for key in keys})


def remove(journal: Journal, name: str) -> bool:
    """Take a schedule away; return whether there was one. Its reports stay.

    Raises:
        JournalError: The journal cannot be written.
    """
    with journal.write() as connection:
        return bool(connection.execute(delete(_TABLE).where(_TABLE.c.name == name)).rowcount)


def schedules(journal: Journal, projects: tuple[str, ...] | None = None) -> tuple[Schedule, ...]:
    """Return the schedules that a person may see, the toolkit's first.

    Raises:
        JournalError: The journal cannot be read.
    """
    query = select(_TABLE).order_by(_TABLE.c.name)
    if projects is not None:
        query = query.where(_TABLE.c.project.in_(projects))
    with journal.read() as connection:
        return tuple(_schedule(row) for row in connection.execute(query))


def _schedule(row: Row[Any]) -> Schedule:
    body = json.loads(row.body)
    return Schedule(
        row.project, body["every"], body["hour"], body["zone"], tuple(body["channels"]),
        row.made_ms / 1000, row.report, row.trouble, body.get("failed", 0),
    )  # fmt: skip


# Making


def late(journal: Journal, now: float, patience_s: float) -> bool:
    """Return whether something is due since longer than a time, and may be tried now.

    Raises:
        JournalError: The journal cannot be read.
    """
    return any(True for _ in _waiting(journal, now, patience_s))


def _waiting(
    journal: Journal, now: float, patience_s: float = 0.0
) -> Iterator[tuple[Schedule, float]]:
    """Yield what is due with its moment."""
    rested = round((now - _AGAIN_S) * 1000)
    query = select(_TABLE).where(
        or_(_TABLE.c.tried_ms <= rested, _TABLE.c.tried_ms > round(now * 1000))
    )
    with journal.read() as connection:
        rows = connection.execute(query.order_by(_TABLE.c.name)).all()
    for row in rows:
        one = _schedule(row)
        due = one.due(now)
        if one.made_at < due <= now - patience_s:
            yield one, due


def make_due(home: Home, now: float, journal: Journal | None = None) -> tuple[Kept, ...]:
    """Make the reports that are due, each once; one that fails keeps no other waiting.

    Of several that were due while nobody looked, the last is made.

    Args:
        home: Where everything is.
        now: Seconds since 1970.
        journal: Where schedules lie; None: this installation's.

    Raises:
        PlatformError: One could not be made; all others were.
    """
    from services.settings import Settings

    held = journal or Journal.open(Settings())
    made: list[Kept] = []
    faults: list[str] = []
    with _alone(home):
        for one, due in tuple(_waiting(held, now)):
            try:
                made.append(_make(home, one, due))
            except JournalError:
                raise
            except MlopsError as error:
                faults.append(f"{one.name}: {error.message}")
                said = _body(replace(one, failed=one.failed + 1))
                tried = {"trouble": error.message[:400], "tried_ms": round(now * 1000)}
                _note(held, one, body=said, **tried)
                continue
            done = {"made_ms": round(due * 1000), "report": made[-1].name, "trouble": ""}
            _note(held, one, body=_body(replace(one, failed=0)), **done)
        kept.prune(home, now, Settings().reports_days)
    if faults:
        raise PlatformError(
            f"{len(faults)} of {len(made) + len(faults)} reports could not be made. "
            f"{' '.join(faults)}",
            f"They are tried again after {_AGAIN_S / 60:g} minutes.",
        )
    return tuple(made)


def _make(home: Home, one: Schedule, due: float) -> Kept:
    since, until = one.window(due)
    # The same name each time: what a killed process left half done is made again, not twice.
    name = kept.new_name(until, f"{one.name}\n{due!r}")
    return making.make(home, Wish(name, one.project, since, until, "schedule", one.name))


def _note(journal: Journal, one: Schedule, **values: object) -> None:
    """Write what became of a schedule, unless it was set anew meanwhile."""
    same = (_TABLE.c.name == one.name, _TABLE.c.made_ms == round(one.made_at * 1000))
    with journal.write() as connection:
        connection.execute(update(_TABLE).where(*same).values(**values))


@contextmanager
def _alone(home: Home) -> Iterator[None]:
    """Hold the lock of who makes scheduled reports, waiting for whoever has it."""
    path = home.run / "reports.lock"
    try:
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise PlatformError(
            f"{path} could not be made: {error.strerror or error}.",
            "See that the folder can be written.",
        ) from error
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


# Telling


def tell(home: Home, journal: Journal, now: float, base: str) -> int:
    """Write messages about reports that were made and not told; return how many reports.

    Args:
        home: Where reports are.
        journal: Where schedules and messages lie.
        now: Seconds since 1970.
        base: The address of the dashboard, without an end slash; empty: not known.

    Raises:
        JournalError: The journal cannot be used; what was not told is told the next time.
    """
    query = select(_TABLE).where(_TABLE.c.told_ms < _TABLE.c.made_ms)
    with journal.read() as connection:
        rows = connection.execute(query).all()
    for row in rows:
        one = _schedule(row)
        mine = (_TABLE.c.name == row.name, _TABLE.c.told_ms == row.told_ms,
                _TABLE.c.made_ms == row.made_ms)  # fmt: skip
        with journal.write() as connection:
            done = connection.execute(update(_TABLE).where(*mine).values(told_ms=row.made_ms))
            if done.rowcount:  # nobody else did meanwhile
                title, body = words(one, kept.find(home, one.report), base)
                group = f"report/{one.name}"
                outbox.announce(connection, one.channels, title, body, now, group=group)
    return len(rows)


def words(schedule: Schedule, report: Kept | None, base: str) -> tuple[str, str]:
    """Return title and text of the message about a report."""
    of = schedule.project or "the whole toolkit"
    title = f"{_WORD[schedule.every]} report of {of}"
    if report is None:
        return title, f"It was made, and is not kept any more. {schedule.name}"
    begin, end = (datetime.fromtimestamp(at, UTC) for at in (report.since, report.until))
    lines = [
        f"From {begin:%Y-%m-%d %H:%M} to {end:%Y-%m-%d %H:%M} UTC, compared with the time before.",
        *report.headline,
        f"Could not be read: {', '.join(report.missing)}." if report.missing else "",
        f"{base}{report.link}" if base else "",
        f"Report {report.name}: `mlops report list`",
    ]
    return title, "\n".join(filter(None, lines))
