"""OpenLineage events to a file or an address, each run once after it ended.

``MLOPS_HOME/lineage/sent.json`` holds up to which change of the mirror was sent. It is written
after the events are out: cut off in between they are sent again, and their ids say so.
"""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import httpx
import orjson
from sqlalchemy import select

from services.engines.http import ask
from services.errors import InputError, PlatformError
from services.home import Home
from services.lineage import openlineage
from services.mirror import schema
from services.mirror.queries import Mirror

_AT_ONCE = 200
_TIMEOUT_S = 10.0
_RUNS = schema.runs


def send_new(home: Home, mirror: Mirror, to: str, client: httpx.Client | None = None) -> int:
    """Send the runs that ended or changed since the last time; return how many events.

    Args:
        home: Where it is noted what was sent.
        mirror: What the runs are read of.
        to: A file, one event a line; or an ``http://`` or ``https://`` address that takes events.
        client: Asks the address; for tests.

    Raises:
        InputError: There is nowhere to send to.
        PlatformError: The mirror, the file or the note cannot be used.
        EngineError: The address does not answer, or refuses. What was sent before stays noted.
    """
    if not to:
        raise InputError(
            "Nothing says where OpenLineage events go.",
            "Set MLOPS_OPENLINEAGE_TO to a file or to an address, or give --to.",
        )
    note, count = home.root / "lineage" / "sent.json", 0
    born = _born(mirror)
    for change, run_ids in _ended(mirror, _noted(note, to, born)):
        found = list(openlineage.events(mirror, run_ids))
        _deliver(found, to, client)
        _note(note, {"to": to, "born": born, "change": change})
        count += len(found)
    return count


def _ended(mirror: Mirror, after: int) -> Iterator[tuple[int, list[str]]]:
    """Yield ended runs in the order they changed, some at a time, with the number of the last.

    Many runs have one change number: they are taken together, or some would be left out.
    """
    while True:
        query = select(_RUNS.c.run_id, _RUNS.c.change).where(
            _RUNS.c.change > after, _RUNS.c.ended_ms.is_not(None)
        )
        rows = mirror.rows(query.order_by(_RUNS.c.change, _RUNS.c.rid).limit(_AT_ONCE))
        if not rows:
            return
        after = int(rows[-1].change)
        rest = query.where(_RUNS.c.change == after)
        ids = [row.run_id for row in rows] + [row.run_id for row in mirror.rows(rest)]
        yield after, list(dict.fromkeys(ids))


def _born(mirror: Mirror) -> str:
    """Return which mirror it is: the numbers of one made anew mean other changes."""
    table = schema.meta
    rows = mirror.rows(select(table.c.value).where(table.c.key == schema.BORN))
    return str(rows[0].value) if rows else ""


def _noted(note: Path, to: str, born: str) -> int:
    try:
        said = json.loads(note.read_bytes())
    except FileNotFoundError:
        return 0
    except (OSError, ValueError) as error:
        raise PlatformError(
            f"{note} cannot be read: {error}.", "Move it away: all runs are sent again then."
        ) from error
    return int(said["change"]) if (said.get("to"), said.get("born")) == (to, born) else 0


def _note(note: Path, said: dict[str, Any]) -> None:
    part = note.with_suffix(".new")
    try:
        note.parent.mkdir(mode=0o700, exist_ok=True)
        part.write_text(json.dumps(said), encoding="utf-8")
        part.replace(note)
    except OSError as error:
        raise _unwritten(note, error) from error


def _deliver(found: Sequence[openlineage.Event], to: str, client: httpx.Client | None) -> None:
    if not to.startswith(("http://", "https://")):
        _append(found, Path(to).expanduser())
        return
    with client or httpx.Client(base_url=to, timeout=_TIMEOUT_S) as asked:
        for event in found:
            ask(asked, "The OpenLineage receiver", "POST", "", body=event)


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
