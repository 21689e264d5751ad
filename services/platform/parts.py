"""Several processes as the one engine people know."""

from collections.abc import Iterable
from dataclasses import replace

from services.platform.engines import BUILDERS, PARTS
from services.platform.state import EngineState


def folded(engines: Iterable[EngineState]) -> tuple[EngineState, ...]:
    """Return the engines with their parts in them: one is as well as the worst of its processes."""
    known = {engine.name: engine for engine in engines}
    return tuple(
        _whole(engine, tuple(known[name] for name in parts_of(engine.name) if name in known))
        for engine in known.values()
        if engine.name not in PARTS
    )


def parts_of(name: str) -> tuple[str, ...]:
    """Return the names of the processes an engine has besides its first."""
    return tuple(part for part in BUILDERS if part in PARTS and PARTS[part].of == name)


def _whole(main: EngineState, parts: tuple[EngineState, ...]) -> EngineState:
    if not parts:
        return main
    answered = [one.answered_at for one in (main, *parts) if one.answered_at is not None]
    whole = replace(
        main,
        # It answered as a whole when the one that is silent longest answered.
        answered_at=min(answered) if len(answered) == 1 + len(parts) else None,
        members=tuple(one for each in (main, *parts) for one in each.members),
        ends=sum(one.ends for one in (main, *parts)),
    )
    unwell = next((one for one in (main, *parts) if one.phase != "live"), None)
    if unwell is None:
        return replace(whole, since=max(one.since or 0.0 for one in (main, *parts)))
    if unwell is main:
        return whole
    detail = f"{unwell.title}: {unwell.detail or unwell.phase}"
    return replace(
        whole,
        phase=unwell.phase,
        since=unwell.since,
        detail=detail,
        last_lines=unwell.last_lines,
    )
