"""What the supervisor knows of its engines, as written in ``run/state.json``.

Read by ``mlops status`` and by the next supervisor: it holds enough to find every process again.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Literal, get_args

from services.platform.files import read_json, read_or_set_aside
from services.process_identity import Identity

Phase = Literal["starting", "live", "unresponsive", "waiting", "failing", "stopping", "stopped"]
_PHASES: tuple[Phase, ...] = get_args(Phase)


@dataclass(frozen=True, slots=True)
class EngineState:
    """One engine at one moment; times are seconds since 1970."""

    name: str
    title: str = ""
    phase: Phase = "stopped"
    since: float | None = None
    """When this phase began."""
    detail: str = ""
    last_lines: str = ""
    """The end of its log, when it failed."""
    url: str = ""
    version: str = ""
    external: bool = False
    leader: Identity | None = None
    members: tuple[Identity, ...] = ()
    """All its processes when last counted."""
    fingerprint: str = ""
    answered_at: float | None = None
    """When it last said it was well; None: never, since this home exists."""
    ends: int = 0
    """How often its process ended by itself since this supervisor started."""

    def with_phase(self, phase: Phase, now: float, detail: str = "") -> "EngineState":
        """Return a copy in another phase."""
        since = self.since if phase == self.phase else now
        return replace(self, phase=phase, since=since, detail=detail)


@dataclass(frozen=True, slots=True)
class PlatformState:
    """The supervisor and its engines."""

    supervisor: Identity | None = None
    started_at: float | None = None
    engines: tuple[EngineState, ...] = ()
    wanted: tuple[str, ...] = ()
    """The engines it keeps, also those it has not said anything of yet."""

    def engine(self, name: str) -> EngineState | None:
        """Return one engine by name."""
        return next((engine for engine in self.engines if engine.name == name), None)

    def document(self) -> dict[str, object]:
        """Return the state as JSON holds it."""
        return asdict(self)


def load(path: Path) -> PlatformState:
    """Return the last written state, empty when there is none.

    Raises:
        PlatformError: The file is there and unreadable.
    """
    return _parsed(read_json(path) or {})


def load_or_set_aside(path: Path) -> PlatformState:
    """Return the last written state; an unreadable file is renamed and said so."""
    return _parsed(read_or_set_aside(path))


def _parsed(document: Mapping[str, object]) -> PlatformState:
    engines = document.get("engines")
    rows = engines if isinstance(engines, list) else []
    return PlatformState(
        Identity.noted(document.get("supervisor")),
        _number(document.get("started_at")),
        tuple(engine for row in rows if (engine := _engine(row))),
        _names(document.get("wanted")),
    )


def _names(value: object) -> tuple[str, ...]:
    return tuple(name for name in value if isinstance(name, str)) if isinstance(value, list) else ()


def _engine(row: object) -> EngineState | None:
    """Return an engine; what is missing or odd in the file is left at its default."""
    if not isinstance(row, dict) or not isinstance(row.get("name"), str):
        return None

    def text(key: str) -> str:
        value = row.get(key)
        return value if isinstance(value, str) else ""

    members, ends = row.get("members"), row.get("ends")
    listed = members if isinstance(members, list) else []
    return EngineState(
        name=row["name"],
        title=text("title"),
        phase=_phase(row.get("phase")),
        since=_number(row.get("since")),
        detail=text("detail"),
        last_lines=text("last_lines"),
        url=text("url"),
        version=text("version"),
        external=row.get("external") is True,
        leader=Identity.noted(row.get("leader")),
        members=tuple(one for item in listed if (one := Identity.noted(item))),
        fingerprint=text("fingerprint"),
        answered_at=_number(row.get("answered_at")),
        ends=ends if isinstance(ends, int) else 0,
    )


def _phase(value: object) -> Phase:
    return next((phase for phase in _PHASES if phase == value), "stopped")


def _number(value: object) -> float | None:
    return float(value) if isinstance(value, (int, float)) else None
