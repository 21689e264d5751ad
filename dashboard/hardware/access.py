"""What the page asks: machines, how they stand, what runs there that the person may see."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import streamlit as st

from dashboard import machines, navigation, state
from services.engines.names import title as engine_title
from services.engines.silicon.models import ProcessUse
from services.errors import MlopsError, NotFoundError
from services.mirror.filters import quote
from services.mirror.models import Run, RunQuery
from services.telemetry.identity import LOCAL_ID, local_key
from services.telemetry.models import Event, HostState

SILENT_AFTER_S = 20.0
_INTERVALS = 5
_RUN = "run"
_RUNS = "hardware-runs"


@dataclass(frozen=True, slots=True)
class Work:
    """What the processes of one owner use now."""

    owner: str
    """``other:NAME`` is a process of nobody here; empty: of a project the person does not see."""
    project: str
    """Id; empty when it belongs to none, or to one the person does not see."""
    processes: int
    cpu_cores: float | None
    """Cores kept busy."""
    gpu_ratio: float | None
    """Share of the time on the GPU, 0–1."""
    memory_bytes: float | None
    mlx_active_bytes: float | None
    mlx_peak_bytes: float | None

    @property
    def hidden(self) -> bool:
        """Whether it is of a project the person does not see."""
        return not self.owner

    @property
    def run_id(self) -> str:
        """The run it is of, empty for anything else."""
        kind, _, name = self.owner.partition(":")
        return name if kind == _RUN else ""


def hosts() -> tuple[HostState, ...]:
    """Return all machines: those that report first, then by name."""
    now = datetime.now(UTC)
    found = machines.telemetry().hosts()
    return tuple(sorted(found, key=lambda one: (standing(one, now) != "live", one.machine.host)))


def host(name: str) -> HostState | None:
    """Return one machine, None when there is none of that name."""
    return next((one for one in machines.telemetry().hosts() if one.machine.host == name), None)


def standing(one: HostState, now: datetime | None = None) -> str:
    """Return live, stale (it reported, and stopped) or never."""
    if one.last_at is None:
        return "never"
    silent_s = ((now or datetime.now(UTC)) - one.last_at).total_seconds()
    return "live" if silent_s <= max(SILENT_AFTER_S, _INTERVALS * one.interval_s) else "stale"


def titles() -> dict[str, str]:
    """Return all projects' titles by id; none while the mirror cannot be read.

    They name what was found to be of a project the person sees.
    """
    try:
        return state.titles()
    except MlopsError:  # the machines are known without it
        return {}


def work(one: HostState, visible: tuple[str, ...] | None) -> tuple[Work, ...]:
    """Return what runs there, what uses most first; strangers are put together by their name.

    ``visible`` are the projects the person may see, None for all.
    """
    grouped: dict[tuple[str, str], list[ProcessUse]] = {}
    for use in one.processes:
        seen = visible is None or not use.project or use.project in visible
        owner = (use.owner or f"other:{use.name}") if seen else ""
        grouped.setdefault((owner, use.project if seen else ""), []).append(use)
    found = [_of(owner, project, uses, one) for (owner, project), uses in grouped.items()]
    return tuple(
        sorted(found, key=lambda w: (-(w.cpu_cores or 0.0) - 4 * (w.gpu_ratio or 0.0), w.owner))
    )


def run_name(run_id: str) -> str:
    """Return a run's name; the start of its id while the mirror does not know it."""
    known = _known_run(run_id)
    return (known[0] if known else "") or (local_key(run_id) or run_id)[:8]


def run_link(run_id: str) -> str:
    """Return the address of a run's page; empty for one that MLflow has not been told of yet."""
    if local_key(run_id):
        known = _known_run(run_id)
        run_id = known[2] if known else ""
    return navigation.address("run", run=run_id) if run_id else ""


def owner_name(owner: str) -> str:
    """Return who an owner is, as people read it; a run the person may not see has no name."""
    kind, _, name = owner.partition(":")
    mine = state.visible_projects()
    if kind == _RUN and mine is not None:
        known = _known_run(name)
        if known is None or known[1] not in mine:
            return "a run of another project"
    return _told(owner)


def visible(event: Event, mine: tuple[str, ...] | None) -> bool:
    """Return whether who sees the projects ``mine`` may read what happened to a run of them."""
    if mine is None or not event.kind.startswith("run."):
        return True
    known = _known_run(event.subject)
    return known is not None and known[1] in mine


def _known_run(run_id: str) -> tuple[str, str, str] | None:
    """Return a run's name, project and id, whoever may see it; asked once a session, both stay."""
    known: dict[str, tuple[str, str, str]] = st.session_state.setdefault(_RUNS, {})
    if run_id not in known:
        try:
            run = _run(run_id)
        except MlopsError:  # the mirror does not know it yet, or cannot be read
            return None
        known[run_id] = run.name, run.project, run.run_id
    return known[run_id]


def _run(run_id: str) -> Run:
    """Return a run by its id, or by the one it had until MLflow gave it one.

    Raises:
        NotFoundError: The mirror does not know it.
    """
    key = local_key(run_id)
    if not key:
        return state.mirror().run(run_id).run
    found = state.runs(RunQuery(filter=f"tags.{LOCAL_ID} = {quote(key)}", limit=1)).rows
    if not found:
        raise NotFoundError("It has not been sent to MLflow yet.")
    return found[0]


def _of(owner: str, project: str, uses: Sequence[ProcessUse], one: HostState) -> Work:
    return Work(
        owner=owner,
        project=project,
        processes=len(uses),
        cpu_cores=_rate(_total(uses, "cpu_s"), one.interval_s),
        gpu_ratio=_rate(_total(uses, "gpu_s"), one.interval_s),
        memory_bytes=_total(uses, "memory_bytes"),
        mlx_active_bytes=_total(uses, "mlx_active_bytes"),
        mlx_peak_bytes=_total(uses, "mlx_peak_bytes"),
    )


def called(one: Work) -> str:
    """Return who a piece of work is, as people read it."""
    return "work of another project" if one.hidden else _told(one.owner)


def _told(owner: str) -> str:
    kind, _, name = owner.partition(":")
    if kind == _RUN:
        return f"run {run_name(name)}"
    if kind == "engine":
        return f"engine {engine_title(name)}"
    return name if kind == "other" else f"{kind} {name}"


def _total(uses: Sequence[ProcessUse], field: str) -> float | None:
    known = [value for use in uses if (value := getattr(use, field)) is not None]
    return float(sum(known)) if known else None


def _rate(seconds: float | None, interval_s: float) -> float | None:
    return None if seconds is None or interval_s <= 0 else seconds / interval_s
