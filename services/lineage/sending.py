"""OpenLineage events to a file or an address, each once, and once more when what it tells changed.

``MLOPS_HOME/lineage/sent.json`` holds for each place how far each store was told. It is written
after the events are out: cut off in between they are sent again, and their ids say so.
"""

import hashlib
import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import orjson

from services.errors import InputError, PlatformError
from services.home import Home
from services.lineage import openlineage, posting
from services.lineage.posting import Post
from services.lineage.told.points import Point, Store
from services.telemetry.folder import lock

_NOTED = 3
_PLACES = 20


def send_new(home: Home, stores: Sequence[Store], to: str, post: Post = posting.post) -> int:
    """Send what happened since the last time; return how many events.

    Args:
        home: Where it is noted what was sent.
        stores: What is told of (``told.everything.stores``), in the order in which it is told.
        to: A file, one event a line; or an ``http://`` or ``https://`` address that takes events.
        post: Sends events to an address.

    Raises:
        InputError: There is nowhere to send to.
        PlatformError: A store, the file or the note cannot be used, or another process sends.
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
        return _sent(folder / "sent.json", stores, to, post)
    finally:
        os.close(handle)


def _sent(note: Path, stores: Sequence[Store], to: str, post: Post) -> int:
    points, count = _read(note).get(_place(to), {}), 0
    for store in stores:
        for point, found in store.new(points.get(store.name, {})):
            _deliver(found, to, post)
            points = {**points, store.name: point}
            _note(note, to, points)
            count += len(found)
    return count


def _read(note: Path) -> dict[str, dict[str, Point]]:
    try:
        said: dict[str, Any] = json.loads(note.read_bytes())
        # Up to 2 it told of runs alone, in another way: all is sent again once.
        places: dict[str, dict[str, Point]] = said["places"] if said["v"] == _NOTED else {}
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise PlatformError(
            f"{note} cannot be read: {error}.", "Move it away: all is sent again then."
        ) from error
    return places


def _place(to: str) -> str:
    """Return what stands for a place: an address may hold a key."""
    return hashlib.sha256(to.encode()).hexdigest()[:16]


def _note(note: Path, to: str, points: dict[str, Point]) -> None:
    places = _read(note)
    places.pop(_place(to), None)
    places[_place(to)] = points
    kept = dict(list(places.items())[-_PLACES:])
    part = note.with_suffix(".new")
    try:
        part.write_text(json.dumps({"v": _NOTED, "places": kept}), encoding="utf-8")
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
