"""Machines as rows, each as it is now; drawn again every two seconds."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import streamlit as st

from dashboard import machines, navigation, state
from dashboard.charts.theme import colours
from dashboard.components import ages, status
from dashboard.components.notices import advice
from dashboard.hardware import access, readings, strip
from dashboard.numbers import age, counted, percent, size
from dashboard.text import plain
from services.telemetry.models import HostState, Series

LIVE_S = 2.0
COURSE = timedelta(minutes=3)
_COURSE_POINTS = 60
_COURSE_S = 4.0
_WORKS = 4
_WORDS = {"live": "live", "stale": "silent", "never": "never reported"}


@dataclass(frozen=True, slots=True)
class _Seen:
    """What of the platform the person sees, asked once a drawing."""

    titles: dict[str, str]
    projects: tuple[str, ...] | None


def draw() -> None:
    """Draw all machines, and go on drawing them."""
    st.fragment(_rows, run_every=LIVE_S)()


def draw_one(name: str) -> None:
    """Draw one machine, and go on drawing it."""
    st.fragment(_one, run_every=LIVE_S)(name)


def notice(hosts: Sequence[HostState]) -> None:
    """Draw that nobody samples any more, when no machine at all reports."""
    now = datetime.now(UTC)
    if any(access.standing(one, now) == "live" for one in hosts):
        return
    heard = max((one.last_at for one in hosts if one.last_at), default=None)
    known = next((e for e in state.engines() if e.engine == "telemetry" and e.reason), None)
    reason = known.reason if known else "The sampler is stopped, or the machines are asleep."
    hint = (known.hint if known else "") or "`mlops restart telemetry` starts it again."
    st.warning(
        f"**No machine has reported for {age(heard, now).removesuffix(' ago')}.** "
        f"{plain(reason, 300)} {advice(hint)} Figures below are the last known ones.",
        icon=":material/cloud_off:",
    )


def _rows() -> None:
    hosts = access.hosts()
    notice(hosts)
    seen = _Seen(access.titles(), state.visible_projects())
    for one in hosts:
        with st.container(border=True, gap="small"):
            _row(one, seen, linked=True)
    st.caption(_legend())


def _one(name: str) -> None:
    hosts = access.hosts()
    one = next((host for host in hosts if host.machine.host == name), None)
    if one is None:  # renamed or removed while the page was open
        st.rerun(scope="app")
        return
    notice(hosts)
    with st.container(border=True, gap="small"):
        _row(one, _Seen(access.titles(), state.visible_projects()), linked=False)


def _legend() -> str:
    minutes = int(COURSE.total_seconds() // 60)
    return (
        f"Lines show the last {minutes} minutes. {readings.ESTIMATED} marks an estimate; what "
        "nobody can read is unavailable, with the reason below it, and never 0."
    )


def _row(one: HostState, seen: _Seen, *, linked: bool) -> None:
    standing = access.standing(one)
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        status.badge(standing, _WORDS[standing], why=ages.exact(one.last_at))
        name = f"**{plain(one.machine.host, 60)}**"
        if linked:
            navigation.link("hardware", name, host=one.machine.host)
        elif "host" not in st.query_params:  # else it is the title
            st.markdown(name, width="content")
        st.caption(_head(one, standing), width="stretch")
    shown = strip.cells(one, _courses(one, standing))
    st.html(strip.html(shown, colours(), faded=standing != "live"))
    st.caption(_works(one, seen) if standing == "live" else _was(one))


def _head(one: HostState, standing: str) -> str:
    parts = [plain(readings.chip_line(one.machine), 200)]
    if standing == "stale":
        parts.insert(0, f"**last heard {age(one.last_at)}**")
    modes = ""
    if readings.amount(one, "low_power_mode"):
        modes += " :violet-badge[:material/battery_saver: Low Power Mode]"
    if readings.amount(one, "on_battery"):
        left = readings.amount(one, "battery_ratio")
        told = "" if left is None else f" {percent(left)}"
        modes += f" :orange-badge[:material/battery_3_bar: on battery{told}]"
    return " · ".join(parts) + modes


def _courses(one: HostState, standing: str) -> dict[str, Series]:
    if standing != "live" or one.last_at is None:
        return {}
    # Figures are of every sample; lines of minutes, which cost more, move with every second one.
    behind = one.last_at.timestamp() % _COURSE_S
    until = one.last_at - timedelta(seconds=behind)
    found = machines.courses(one.machine.host, strip.METRICS, until, COURSE, _COURSE_POINTS)
    return {series.metric: series for series in found}


def _works(one: HostState, seen: _Seen) -> str:
    mine = [work for work in access.work(one, seen.projects) if work.project or work.hidden]
    if not mine:
        return "Runs here: nothing of a project."
    by_project: dict[str, list[access.Work]] = {}
    for work in mine:
        by_project.setdefault(work.project, []).append(work)
    told = [_project(seen.titles.get(name, name), works) for name, works in by_project.items()]
    more = f" and {counted(len(told) - _WORKS, 'other project')}" if len(told) > _WORKS else ""
    return f"Runs here: {' · '.join(told[:_WORKS])}{more}"


def _project(title: str, works: Sequence[access.Work]) -> str:
    cpu = sum(work.cpu_cores for work in works if work.cpu_cores is not None)
    gpu = [work.gpu_ratio for work in works if work.gpu_ratio is not None]
    held = [work.memory_bytes for work in works if work.memory_bytes is not None]
    parts = [
        counted(len(works), "run") if all(work.run_id for work in works) else "",
        f"{cpu:.1f} cores" if cpu else "",
        f"GPU {percent(sum(gpu))}" if gpu else "",
        size(sum(held)) if held else "",
    ]
    name = f"**{plain(title, 40)}**" if title else "another project"
    return f"{name} ({', '.join(part for part in parts if part)})"


def _was(one: HostState) -> str:
    if one.last_at is None:
        return "It has joined and sent no sample yet."
    return (
        f"The figures are those of {ages.exact(one.last_at)}: since then it has sent nothing. It "
        "is off, asleep, or its sampler has stopped."
    )
