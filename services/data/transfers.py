"""To the remote and back; what the remote is away for waits, is shown, and is tried again."""

from datetime import UTC, datetime
from pathlib import Path

from services.data.checkout import restore
from services.data.fetching import fetch, wanted
from services.data.models import Queued, Standing, StandingWord, Version
from services.data.project import ProjectData, projects
from services.data.remote import Remote
from services.data.state import enqueue, moment, now
from services.engines.dvc.models import Report, silent
from services.errors import EngineUnreachableError, MlopsError, NotFoundError, PlatformError


def queue(project: ProjectData) -> tuple[Queued, ...]:
    """Return what waits for the remote, the longest first."""
    found = project.place.load().get("queue", {})
    waiting = [
        Queued(
            project=project.id,
            kind=entry["kind"],
            revision=revision,
            since=moment(entry["since"]) or datetime.fromtimestamp(0, UTC),
            tries=entry["tries"],
            reason=entry["reason"],
            tried_at=moment(entry["tried_at"]),
        )
        for revision, entry in found.items()
    ]
    return tuple(sorted(waiting, key=lambda one: one.since))


def push(project: ProjectData, version: Version, report: Report = silent) -> int:
    """Send a version's files; return how many the remote had not.

    It is in the queue first: a crash at any moment leaves it there.

    Raises:
        EngineUnreachableError: The remote is away; it stays in the queue, with the reason.
        EngineRefusedError: The remote refuses, or the cache has lost files of it.
    """
    project.configure()
    with project.place.changing() as state:
        state.get("sent", {}).pop(version.revision, None)  # it is asked again, not believed
        enqueue(state, version.kind, version.revision)
    try:
        with project.place.held():
            project.remote.ready()
            sent = project.dvc.push(
                wanted(project, project.outs(version)), project.reporting(report)
            )
    except MlopsError as error:
        with project.place.changing() as state:
            entry = state.get("queue", {}).get(version.revision)
            if entry is not None:
                entry |= {
                    "tries": entry["tries"] + 1,
                    "reason": error.message,
                    "tried_at": now(),
                }
        raise
    with project.place.changing() as state:
        state.get("queue", {}).pop(version.revision, None)
        state.setdefault("sent", {})[version.revision] = now()
    return sent


def push_waiting(remote: Remote, report: Report = silent) -> int:
    """Send everything that waits; return how many versions were sent.

    Raises:
        MlopsError: The first that could not be sent; the others were tried as well, unless the
            remote is away.
    """
    sent, first = 0, None
    for project in projects(remote):
        for waiting in queue(project):
            try:
                push(project, project.find(waiting.revision), report)
                sent += 1
            except EngineUnreachableError:
                raise
            except NotFoundError:
                with project.place.changing() as state:
                    state.get("queue", {}).pop(waiting.revision, None)
            except MlopsError as error:
                first = first or error
    if first is not None:
        raise first
    return sent


def pull(project: ProjectData, version: Version, root: Path, report: Report = silent) -> int:
    """Have every file of a version in the cache, undamaged; return how many were fetched.

    Of the present version the files that are missing in the folder are put back.

    Raises:
        EngineUnreachableError: Files are needed from the remote, and it is away.
        EngineRefusedError: Files are neither here nor there.
    """
    project.configure()
    with project.place.held():
        told = project.reporting(report)
        fetched = fetch(project, project.outs(version), told)
        if version.current:
            restore(project, version, root, told)
    return fetched


def standing(remote: Remote) -> Standing:
    """Return how the remote stands: a folder is looked at, of others the last transfer is told."""
    sent, failed = [], []
    for project in projects(remote):
        try:
            state = project.place.load()
        except PlatformError:  # told where the project is
            continue
        sent += [at for said in state.get("sent", {}).values() if (at := moment(said))]
        failed += [(q.tried_at, q.reason) for q in queue(project) if q.tried_at and q.reason]
    last = max(sent, default=None)
    tried, reason = max(failed, default=(None, ""))
    if remote.folder is not None:
        reason = remote.away()
        word: StandingWord = "away" if reason else "there" if last else "not asked"
        return Standing(remote.shown, remote.configured, word, reason, last)
    if tried is not None and (last is None or tried > last):
        return Standing(remote.shown, remote.configured, "away", reason, tried)
    word = "there" if last else "not asked"
    return Standing(remote.shown, remote.configured, word, "", last)
