"""How every engine is, from what the supervisor wrote and which processes live now.

``mlops status`` must answer in a fraction of a second: no settings, database or HTTP here.
"""

import time
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Literal

from services.engines.names import title as engine_title
from services.errors import PlatformError
from services.home import Home
from services.platform import control, processes, room
from services.platform import state as states
from services.platform.engines import BUILDERS, EVIDENTLY, SERVING, WORKER
from services.platform.parts import folded, parts_of
from services.platform.state import EngineState, PlatformState

State = Literal["live", "stale", "down", "never"]

STALE_AFTER_S = 20.0


@dataclass(frozen=True, slots=True)
class EngineStatus:
    """One engine as ``mlops status`` tells it."""

    name: str
    title: str
    state: State
    since: datetime | None
    """When this state began; without a supervisor, when it last was well."""
    age_s: float | None
    """How long ago it last said that it is well; None: never."""
    detail: str
    version: str | None
    url: str | None
    pid: int | None
    rss_bytes: int | None
    """Resident memory of all its processes; shared pages count in each."""
    phase: str
    parts: tuple["EngineStatus", ...] = ()
    """Each of its processes, where people know several as one engine."""


@dataclass(frozen=True, slots=True)
class PlatformStatus:
    """The whole platform."""

    home: str
    supervisor_pid: int | None
    engines: tuple[EngineStatus, ...]
    problem: str = ""
    """Why the picture is not whole."""
    disk: str = ""
    """Which disk is full, and the mend; empty while there is room."""


def status(home: Home) -> PlatformStatus:
    """Return how everything is; works when nothing runs or ever ran."""
    problem = ""
    try:
        state = states.load(home.run / "state.json")
    except PlatformError as error:
        state, problem = PlatformState(), str(error)
    supervisor = control.running(home)
    # What an earlier supervisor wrote says nothing about engines this one has yet to look at.
    kept = supervisor is not None and supervisor == state.supervisor
    # Who was started knows which engines there are; before, there may be all but those that a
    # setting asks for.
    asked_for = {WORKER, EVIDENTLY, *SERVING}
    wanted = state.wanted or tuple(name for name in BUILDERS if name not in asked_for)
    names = dict.fromkeys([*wanted, *(engine.name for engine in state.engines)])
    known = {name: state.engine(name) or EngineState(name) for name in sorted(names)}
    full, now = room.is_full(home.run), time.time()
    engines = tuple(
        replace(
            _engine(whole, kept=kept, full=full, now=now),
            parts=tuple(
                _engine(known[name], kept=kept, full=full, now=now)
                for name in (whole.name, *parts_of(whole.name))
                if name in known and any(part in known for part in parts_of(whole.name))
            ),
        )
        for whole in folded(known.values())
    )
    return PlatformStatus(
        str(home.root), supervisor.pid if supervisor else None, engines, problem, room.full(home)
    )


def _engine(engine: EngineState, *, kept: bool, full: bool, now: float) -> EngineStatus:
    age_s = None if engine.answered_at is None else max(0.0, now - engine.answered_at)
    state, detail = _judge(engine, age_s, kept=kept, full=full)
    leader = engine.leader if engine.leader and engine.leader.alive else None
    # Without a supervisor nobody noted the end: it came after the last answer.
    since = engine.since if kept else engine.answered_at
    members = engine.members or ((leader,) if leader else ())
    return EngineStatus(
        name=engine.name,
        title=engine.title or engine_title(engine.name),
        state=state,
        since=datetime.fromtimestamp(since, UTC) if since is not None else None,
        age_s=None if age_s is None else round(age_s, 1),
        detail=detail,
        version=engine.version or None,
        url=engine.url or None,
        pid=leader.pid if leader else None,
        rss_bytes=processes.memory_bytes(members) if leader else None,
        phase=engine.phase,
    )


def _judge(
    engine: EngineState, age_s: float | None, *, kept: bool, full: bool = False
) -> tuple[State, str]:
    if not kept:
        return _unkept(engine)
    if age_s is None:
        return "never", engine.detail or "It has not answered yet."
    if engine.phase == "unresponsive":
        return "stale", engine.detail
    if engine.phase != "live":
        return "down", engine.detail or f"It is {engine.phase}."
    if age_s > STALE_AFTER_S:
        why = ": the disk it notes them on is full" if full else ""
        return "stale", f"The supervisor last noted an answer {age_s:.0f} s ago{why}."
    return "live", engine.detail


def _unkept(engine: EngineState) -> tuple[State, str]:
    if engine.leader and engine.leader.alive:
        return "stale", "It runs, but its supervisor is gone. `mlops up` adopts it."
    if engine.answered_at is None:
        return "never", "`mlops up` starts it."
    return "down", "Stopped. `mlops up` starts it."
