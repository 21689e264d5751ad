"""Lines of the change feed: what a new state means beside the old one."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from services.engines.mlflow.models import Model, TrackedRun, Version

_END_WORDS: Mapping[str, str] = {"finished": "finished", "failed": "failed", "killed": "was killed"}


@dataclass(frozen=True, slots=True)
class Event:
    """A line for the change feed, before it has a number."""

    at_ms: int
    kind: str
    project: str | None
    subject: str
    title: str
    before: str | None = None
    after: str | None = None


def now_ms() -> int:
    """Return milliseconds since 1970 UTC."""
    return time.time_ns() // 1_000_000


def run_title(name: str, run_id: str) -> str:
    """Return the name by which the feed calls a run."""
    return name or run_id[:8]


def run_events(
    project: str,
    run: TrackedRun,
    before: str | None,
    was_archived: bool | None,  # noqa: FBT001 - private, the old row's own value
) -> list[Event]:
    """Return what a run's new state means beside its old one."""
    name = run_title(run.name, run.run_id)
    at = now_ms()
    events = []
    if was_archived is not None and was_archived != run.deleted:
        kind, word = ("archived", "archived") if run.deleted else ("restored", "restored")
        events.append(Event(at, f"run.{kind}", project, run.run_id, f"Run {name} was {word}"))
    if before == run.status or run.deleted:
        return events
    if run.status == "running":
        started = run.started_ms or at
        word = "is back: it reports again" if before == "lost" else "started"
        title = f"Run {name} {word}"
        events.append(Event(started, "run.started", project, run.run_id, title, before, "running"))
    elif run.status in _END_WORDS:
        kind = "run.finished" if run.status == "finished" else "run.failed"
        title = f"Run {name} {_END_WORDS[run.status]}"
        ended = run.ended_ms or at
        events.append(Event(ended, kind, project, run.run_id, title, before, run.status))
    return events


def version_event(project: str, version: Version) -> Event:
    """Return the line for a new version."""
    subject = f"{version.model}:{version.version}"
    title = f"{version.model} version {version.version} was registered"
    return Event(version.created_ms, "model.registered", project, subject, title)


def alias_events(
    project: str, models: Sequence[Model], old: Mapping[str, Mapping[str, int]]
) -> list[Event]:
    """Return which aliases moved."""
    events = []
    for model in models:
        before = old.get(model.name, {})
        for alias in sorted({*before, *model.aliases}):
            was, now = before.get(alias), model.aliases.get(alias)
            if was == now:
                continue
            subject = f"{model.name}@{alias}"
            title = (
                f"{model.name} version {now} is {alias}"
                if now is not None
                else f"{model.name} has no {alias} any more"
            )
            events.append(
                Event(
                    now_ms(),
                    "alias.set" if now is not None else "alias.removed",
                    project,
                    subject,
                    title,
                    None if was is None else str(was),
                    None if now is None else str(now),
                )
            )
    return events
