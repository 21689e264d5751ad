"""OpenLineage events to a file or an address, each run once after it ended.

``MLOPS_HOME/lineage/sent.json`` holds for each place up to which change of the mirror was sent. It
is written after the events are out: cut off in between they are sent again, and their ids say so.
"""

import hashlib
import json
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import orjson
from sqlalchemy import select

from services.errors import InputError, PlatformError
from services.home import Home
from services.lineage import openlineage, posting
from services.lineage.posting import Post
from services.mirror import schema
from services.mirror.queries import Mirror
from services.telemetry.folder import lock

_AT_ONCE = 100
"""Runs; so that a slow receiver takes them within ``posting.TIMEOUT_S``."""
_PLACES = 20
_RUNS = schema.runs
Point = tuple[int, int]
"""Number of the change, and of the run within it."""


def send_new(home: Home, mirror: Mirror, to: str, post: Post = posting.post) -> int:
    """Send the runs that ended or changed since the last time; return how many events.

    Args:
        home: Where it is noted what was sent.
        mirror: What the runs are read of.
        to: A file, one event a line; or an ``http://`` or ``https://`` address that takes events.
        post: Sends events to an address.

    Raises:
        InputError: There is nowhere to send to.
        PlatformError: The mirror, the file or the note cannot be used, or another process sends.
        EngineError: The address does not answer, or refuses. What was sent before stays noted.
    """
    if not to:
        raise InputError(
            "Nothing says where OpenLineage events go.",
            "Set MLOPS_OPENLINEAGE_TO to a file or to an address, or give --to.",
        )
    folder = home.root / "lineage"
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        handle = lock(folder / "sending.lock", "Another process sends OpenLineage events.")
    except OSError as error:
        raise _unwritten(folder, error) from error
    try:
        return _sent(folder / "sent.json", mirror, to, post)
    finally:
        os.close(handle)


def _sent(note: Path, mirror: Mirror, to: str, post: Post) -> int:
    born, count = _born(mirror), 0
    for point, run_ids in _ended(mirror, _noted(note, to, born)):
        found = list(openlineage.events(mirror, run_ids))
        _deliver(found, to, post)
        _note(note, to, born, point)
        count += len(found)
    return count


def _ended(mirror: Mirror, after: Point) -> Iterator[tuple[Point, list[str]]]:
    """Yield ended runs in the order they changed, some at a time, with where the last stands.

    Many runs have one change number: a synchronization writes thousands in one transaction.
    """
    while True:
        change, rid = after
        later = (_RUNS.c.change > change) | ((_RUNS.c.change == change) & (_RUNS.c.rid > rid))
        query = select(_RUNS.c.run_id, _RUNS.c.change, _RUNS.c.rid).where(
            later, _RUNS.c.ended_ms.is_not(None)
        )
        rows = mirror.rows(query.order_by(_RUNS.c.change, _RUNS.c.rid).limit(_AT_ONCE))
        if not rows:
            return
        after = int(rows[-1].change), int(rows[-1].rid)
        yield after, [row.run_id for row in rows]


def _born(mirror: Mirror) -> str:
    """Return which mirror it is: the numbers of one made anew mean other changes."""
    table = schema.meta
    rows = mirror.rows(select(table.c.value).where(table.c.key == schema.BORN))
    return str(rows[0].value) if rows else ""


def _noted(note: Path, to: str, born: str) -> Point:
    said = _read(note).get(_place(to))
    if said is None or said["born"] != born:
        return 0, 0
    return int(said["change"]), int(said["run"])


def _read(note: Path) -> dict[str, Any]:
    try:
        places: dict[str, Any] = json.loads(note.read_bytes())["places"]
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise PlatformError(
            f"{note} cannot be read: {error}.", "Move it away: all runs are sent again then."
        ) from error
    return places


def _place(to: str) -> str:
    """Return what stands for a place: an address may hold a key."""
    return hashlib.sha256(to.encode()).hexdigest()[:16]


def _note(note: Path, to: str, born: str, point: Point) -> None:
    places = _read(note)
    places.pop(_place(to), None)
    places[_place(to)] = {"born": born, "change": point[0], "run": point[1]}
    kept = dict(list(places.items())[-_PLACES:])
    part = note.with_suffix(".new")
    try:
        part.write_text(json.dumps({"v": 2, "places": kept}), encoding="utf-8")
        part.replace(note)
    except OSError as error:
        raise _unwritten(note, error) from error


def _deliver(found: Sequence[openlineage.Event], to: str, post: Post) -> None:
    if to.startswith(("http://", "https://")):
        post(found, to)
    else:
        _append(found, Path(to).expanduser())


def _append(found: Sequence[openlineage.Event], path: Path) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("ab") as file:
            file.write(b"".join(orjson.dumps(event) + b"\n" for event in found))
    except OSError as error:
        raise _unwritten(path, error) from error


def _unwritten(path: Path, error: OSError) -> PlatformError:
    return PlatformError(
        f"{path} cannot be written: {error.strerror or error}.",
        "Check the room on the disk and who owns the folder.",
    )
