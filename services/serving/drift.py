"""Whether a new version answers as the one before: who wishes to know, and what was found.

The serving engine writes what is to be compared into ``compare.json`` while a rollout that guards
drift is watched; a process of the engine ``predictions`` reads the prediction log for it and writes
``drift.json``. So the serving engine loads nothing, and nothing runs while nothing is watched.
"""

import logging
import time
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import orjson

from services.home import Home
from services.serving import paths

if TYPE_CHECKING:
    from services.serving.endpoint import EndpointRun

logger = logging.getLogger(__name__)

FORMAT = 1
STALE_S = 60.0
"""A wish that was not renewed is nobody's; a figure that was not is no more shown."""
_RENEWED_S = 10.0
_PRIVATE = {
    "hash": "Answers cannot be compared: the prediction log keeps hashes of them alone.",
    "off": "Answers cannot be compared: the prediction log keeps none of them.",
}


@dataclass(frozen=True, slots=True)
class Wish:
    """Which answers are to be compared with which."""

    name: str
    """Of the endpoint."""
    project: str
    model: str
    version: int
    """The new one."""
    against: int
    """The one that is or was live."""
    began_at: float
    """Since when the new one is asked, so; seconds since 1970."""
    shadow: bool = False
    """It is asked beside the live one, and nobody gets its answers."""
    beside: bool = False
    """The live one is asked meanwhile; else its last answers before ``began_at`` count."""


@dataclass(frozen=True, slots=True)
class Found:
    """What a comparison found."""

    name: str
    version: int
    began_at: float
    """Of the wish."""
    share: float | None
    """Of the columns of its answers, those that drifted, 0 to 1; None: not measured."""
    said: str
    """As a sentence, also why it was not measured."""


def wishes_path(home: Home) -> Path:
    """Return the file of what is to be compared."""
    return paths.run(home) / "compare.json"


def found_path(home: Home) -> Path:
    """Return the file of what was found."""
    return paths.run(home) / "drift.json"


def write_wishes(home: Home, wishes: Iterable[Wish]) -> None:
    """Write them in one step; of none, take the file away.

    Raises:
        OSError: The disk is full or not writable.
    """
    said = [asdict(one) for one in wishes]
    if said:
        paths.publish(wishes_path(home), {"v": FORMAT, "at": time.time(), "wishes": said})
    else:
        wishes_path(home).unlink(missing_ok=True)


def wishes(home: Home) -> tuple[Wish, ...]:
    """Return what is to be compared; nothing where nobody renewed it lately."""
    try:
        said = orjson.loads(wishes_path(home).read_bytes())
        if said["v"] != FORMAT or abs(time.time() - said["at"]) > STALE_S:
            return ()
        return tuple(Wish(**one) for one in said["wishes"])
    except (OSError, ValueError, KeyError, TypeError):
        return ()


def write_found(home: Home, found: Iterable[Found]) -> None:
    """Write what was found in one step.

    Raises:
        OSError: The disk is full or not writable; the old file stays.
    """
    said = [asdict(one) for one in found]
    paths.publish(found_path(home), {"v": FORMAT, "at": time.time(), "found": said})


def read_found(home: Home) -> Mapping[str, Found] | None:
    """Return what was found, by endpoint; None: nothing lately."""
    try:
        said = orjson.loads(found_path(home).read_bytes())
        if said["v"] != FORMAT or abs(time.time() - said["at"]) > STALE_S:
            return None
        return {one["name"]: Found(**one) for one in said["found"]}
    except (OSError, ValueError, KeyError, TypeError):
        return None


def wish_of(run: "EndpointRun") -> Wish | Found | None:
    """Return what an endpoint wishes to know now; what cannot be known, with its reason."""
    rollout, live = run.rollout, run.live
    if rollout is None or not rollout.running or rollout.rollout.guards.max_drift is None:
        return None
    if rollout.phase not in {"canary", "shadow", "watching"}:
        return None
    if live is None or live.version == rollout.version:
        said = "No other version was live: there are no answers to compare with."
        return Found(run.name, rollout.version, rollout.since, None, said)
    if private := _PRIVATE.get(run.desired.privacy):
        return Found(run.name, rollout.version, rollout.since, None, private)
    return Wish(
        run.name,
        run.desired.project,
        run.desired.model,
        rollout.version,
        live.version,
        rollout.since,
        shadow=rollout.shadow,
        beside=rollout.phase != "watching",
    )


class Comparing:
    """The serving engine's side: says what is to be compared, and reads what was found."""

    def __init__(self, home: Home) -> None:
        """Take back what an earlier life wished for; it is wished for again when it still is."""
        self._home = home
        self._wished: tuple[Wish, ...] | None = None
        self._written_at = 0.0

    def look(self, runs: Iterable["EndpointRun"]) -> Mapping[str, Found]:
        """Return what is known, by endpoint, of those that guard drift and are watched now."""
        asked = [one for one in map(wish_of, runs) if one is not None]
        wished = tuple(one for one in asked if isinstance(one, Wish))
        self._write(wished)
        known = {one.name: one for one in asked if isinstance(one, Found)}
        if wished:
            found = read_found(self._home)
            known |= {one.name: _answer(one, found) for one in wished}
        return known

    def _write(self, wished: tuple[Wish, ...]) -> None:
        due = wished and time.monotonic() - self._written_at > _RENEWED_S
        if wished == self._wished and not due:
            return
        try:
            write_wishes(self._home, wished)
        except OSError as error:
            logger.warning("What to compare could not be written: %s.", error.strerror or error)
        self._wished, self._written_at = wished, time.monotonic()


def _answer(wish: Wish, found: Mapping[str, Found] | None) -> Found:
    one = found.get(wish.name) if found is not None else None
    if one is not None and (one.version, one.began_at) == (wish.version, wish.began_at):
        return one
    said = "Its answers are not compared yet."
    if found is None and time.time() - wish.began_at > STALE_S:
        said = "Its answers are not compared: the engine predictions is silent (`mlops status`)."
    return Found(wish.name, wish.version, wish.began_at, None, said)
