"""What the projects used of a machine in the shown time: CPU, GPU, memory, energy."""

from collections import defaultdict
from collections.abc import Mapping, Sequence

import numpy as np
import streamlit as st

from dashboard import machines, state
from dashboard.components import tables
from dashboard.experiments.run_conditions import energy
from dashboard.hardware import access, window
from dashboard.hardware.readings import MISSING
from dashboard.numbers import counted, duration, percent, size
from services.errors import MlopsError
from services.mirror.filters import quote
from services.mirror.models import RunQuery
from services.telemetry.consumption import Consumption, by_project
from services.telemetry.models import HostState

Joules = tuple[float, str]
"""Of one run, NaN when it is not known, with its quality."""

_POINTS = 60
_JOULES, _QUALITY = "metrics.system/energy_j", "tags.mlops.energy.quality"
_NAMES = {
    "hidden": "projects you do not see",
    "engines": "the platform’s engines",
    "others": "what belongs to nobody here",
}


def draw(host: HostState) -> None:
    """Draw what each project used of a machine in the shown time."""
    name = host.machine.host
    shown = window.current(name)
    st.markdown(f"**What was used, {window.sentence(shown)}**")
    uses = machines.telemetry().owners(name, shown.start, shown.end, points=_POINTS)
    found = by_project(uses, state.visible_projects())
    if not found:
        st.caption("No process was seen in this time.")
        return
    try:
        joules = _joules(name, shown)
    except MlopsError as error:
        st.caption(f"What the runs used of energy cannot be told: {error.message}")
        joules = {}
    titles = access.titles()
    whole_s = sum(one.cpu_s or 0.0 for one in found)
    rows = [_row(one, titles, joules, whole_s) for one in found]
    figure = st.column_config.TextColumn
    columns = {
        "who": figure("who", width=190),
        "runs": figure("runs", alignment="right", width=60),
        "cpu": figure("CPU time", alignment="right", width=110),
        "share": figure("of all", alignment="right", width=70),
        "gpu": figure("GPU time", alignment="right", width=110),
        "memory": figure("most memory", alignment="right", width=110),
        "energy": figure("energy of ended runs", alignment="right", width=170),
    }
    tables.table(rows, columns, key="hardware-used", max_rows_shown=14)
    st.caption(
        "CPU time is over all cores, memory the most that one run or engine had at a time. Energy "
        "is that of the runs that ended in this time, ≈ where part is estimated; engines and "
        "strangers are not charged."
    )


def _row(
    one: Consumption,
    titles: Mapping[str, str],
    joules: Mapping[str, list[Joules]],
    whole_s: float,
) -> dict[str, object]:
    return {
        "who": titles.get(one.project, one.project) or _NAMES[one.kind],
        "runs": str(len(one.runs)) if one.runs else "",
        "cpu": MISSING if one.cpu_s is None else duration(one.cpu_s),
        "share": percent((one.cpu_s or 0.0) / whole_s) if whole_s else "",
        "gpu": MISSING if one.gpu_s is None else duration(one.gpu_s),
        "memory": MISSING if one.memory_bytes is None else size(one.memory_bytes),
        "energy": _energy(joules.get(one.project, [])) if one.kind == "project" else "",
    }


def _energy(joules: Sequence[Joules]) -> str:
    known = [one for one in joules if np.isfinite(one[0])]
    if not known:
        return MISSING if joules else "no run ended"
    sign = "≈ " if any(quality != "measured" for _, quality in known) else ""
    lacking = f" ({counted(len(joules) - len(known), 'run')} unknown)"
    told = f"{sign}{energy(sum(value for value, _ in known))}"
    return told + (lacking if len(known) < len(joules) else "")


def _joules(host: str, shown: window.Window) -> dict[str, list[Joules]]:
    """Return the energy of each run that ended on a machine then, by project; NaN: not known."""
    digits = quote(host.rpartition("-")[2])
    ended = (
        f"ended_at >= {shown.start:%Y-%m-%dT%H:%M:%S} and ended_at < {shown.end:%Y-%m-%dT%H:%M:%S}"
    )
    query = RunQuery(
        filter=f"{ended} and tags.mlops.host_id ~ {digits}", projects=state.visible_projects()
    )
    frame = state.mirror().frame(query, [_JOULES], ["project", _QUALITY])
    projects, qualities = frame.words["project"], frame.words[_QUALITY]
    found: dict[str, list[Joules]] = defaultdict(list)
    for value, project, quality in zip(
        frame.numbers[_JOULES], projects.codes, qualities.codes, strict=True
    ):
        found[projects.word(project)].append((float(value), qualities.word(quality)))
    return found
