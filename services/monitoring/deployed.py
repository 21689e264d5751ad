"""Which versions are asked now, and what their checks came to as plain values."""

from collections.abc import Iterable
from typing import Any

from services.errors import MlopsError
from services.home import Home
from services.monitoring.computing import Checked
from services.monitoring.models import is_moved
from services.serving import routes

Deployed = tuple[str, str, int]
"""Project, model, version."""


def versions(home: Home, names: Iterable[str] = ()) -> tuple[Deployed, ...]:
    """Return the versions that take requests: of each endpoint the live one and a canary.

    Args:
        home: Where everything is.
        names: Of endpoints, as ``PROJECT.MODEL``; all when there is none.
    """
    found = routes.read(home)
    wanted = set(names)
    return tuple(
        (route.project, route.model, version)
        for name, route in sorted((found.endpoints if found else {}).items())
        if not wanted or name in wanted
        for version in sorted({route.primary, *(v for v, share in route.shares.items() if share)})
    )


def shadows(home: Home, names: Iterable[str] = ()) -> tuple[Deployed, ...]:
    """Return the versions that are asked a copy of each request, and answer nobody.

    Args:
        home: As of ``versions``.
        names: As of ``versions``.
    """
    found = routes.read(home)
    wanted = set(names)
    return tuple(
        (route.project, route.model, route.shadow)
        for name, route in sorted((found.endpoints if found else {}).items())
        if route.shadow is not None and (not wanted or name in wanted)
    )


def documents(one: Deployed, came: Checked | MlopsError) -> list[dict[str, Any]]:
    """Return a line a verdict, or one that says why there is none."""
    project, model, version = one
    named = {"deployment": f"{project}.{model}", "version": version}
    if isinstance(came, MlopsError):
        return [{**named, "error": came.message, "hint": came.hint}]
    fault = str(came.fault) if came.fault else None
    return [
        {
            **named, "id": said.id, "kind": said.kind, "computed_at": said.computed_at,
            "rows": said.rows,
            "drifted_columns": [c.name for c in said.columns if is_moved(c.state)],
            "columns": len(said.columns), "share": said.share, "severity": said.severity,
            "state": said.state, "said": said.said, "report": said.report, "fault": fault,
        }
        for said in came.verdicts
    ]  # fmt: skip
