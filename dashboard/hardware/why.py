"""Why something was slow, drawn: causes by weight with their evidence, and what cannot be told."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, tzinfo

import streamlit as st

from dashboard import state
from dashboard.components.notices import advice
from dashboard.hardware.owners import named
from dashboard.numbers import counted, duration, percent
from dashboard.text import plain
from services.errors import MlopsError
from services.telemetry.causes import ENOUGH, KINDS, CannotTell, Kind
from services.telemetry.diagnosis import Cause, Diagnosis
from services.telemetry.explaining import Explained

NAME = "why"
"""Of the part in the address."""

Zoom = Callable[[str, datetime, datetime], None]
"""Draws a link of this name that zooms the curves of the page to a stretch of time."""

_NOTHING = 0.005
_ICONS: Mapping[Kind, str] = {
    "thermal": "device_thermostat",
    "low_power": "battery_saver",
    "memory": "swap_vert",
    "wired": "memory_alt",
    "contention": "group",
    "cpu_fallback": "developer_board",
    "gpu_gaps": "hourglass_empty",
    "battery": "battery_3_bar",
}


def is_open() -> bool:
    """Return whether the address asks for it."""
    return st.query_params.get(NAME, "").casefold() == "true"


def opener(*, key: str, off: str = "", before: Callable[[], None] | None = None) -> None:
    """Draw the button that asks; ``off`` says why it cannot be, ``before`` is done on a click."""
    about = (
        "Looks for heat, Low Power Mode, memory, neighbours, computing on the CPU, waiting and "
        "battery in the samples of this time."
    )
    if st.button(
        "Why is it slow?", icon=":material/troubleshoot:", key=key, disabled=bool(off),
        help=off or about,
    ):  # fmt: skip
        if before is not None:
            before()
        st.query_params[NAME] = "true"
        st.rerun(scope="app")


def draw(ask: Callable[[], Explained], zoom: Zoom) -> None:
    """Ask and draw the answer in a frame that can be closed."""
    with st.container(border=True, key="why"):
        with st.container(horizontal=True, vertical_alignment="center"):
            st.markdown("**Why is it slow?**", width="stretch")
            st.button("Close", icon=":material/close:", type="tertiary", key="why-close",
                      on_click=_close)  # fmt: skip
        try:
            with st.spinner("Reading the samples …"):
                told = ask()
        except MlopsError as error:
            st.warning(_said(error), icon=":material/help:")
            return
        answer(told, zoom)


def answer(told: Explained, zoom: Zoom) -> None:
    """Draw what was found."""
    found, zone = told.found, state.zone()
    _verdict(found)
    stretch = between(found.start, found.end, zone)
    whole = duration((found.end - found.start).total_seconds())
    st.caption(
        f"{plain(told.question.host, 60)}, {plain(stretch)} ({whole}), "
        f"{percent(found.coverage)} of it sampled."
    )
    for number, cause in enumerate(found.causes, 1):
        _cause(number, cause, zone, zoom)
    _unknown(found.unknown)
    _clear(found)


def verdict(found: Diagnosis) -> str:
    """Return ``found``, ``nothing`` (all was looked at), ``partly`` or ``silent``."""
    if found.causes:
        return "found"
    if not found.clear:
        return "silent"
    return "partly" if found.unknown or found.coverage < ENOUGH else "nothing"


def between(start: datetime, end: datetime, zone: tzinfo) -> str:
    """Return a stretch of time: the day once, the zone once."""
    first, last = start.astimezone(zone), end.astimezone(zone)
    day = "" if first.date() == last.date() else f"{last:%Y-%m-%d} "
    return f"{first:%Y-%m-%d %H:%M:%S} to {day}{last:%H:%M:%S %Z}"


def clocks(start: datetime, end: datetime, zone: tzinfo) -> str:
    """Return a stretch within a longer one, without the day where it has one only."""
    first, last = start.astimezone(zone), end.astimezone(zone)
    form = "%H:%M:%S" if first.date() == last.date() else "%m-%d %H:%M:%S"
    return f"{first.strftime(form)} – {last.strftime(form)}"


def windows(cause: Cause) -> tuple[tuple[datetime, datetime], ...]:
    """Return the stretches of a cause's evidence, each once, the whole of them first."""
    every = [(cause.start, cause.end), *((one.start, one.end) for one in cause.evidence)]
    return tuple(dict.fromkeys(every))


def weight(cause: Cause) -> str:
    """Return how much of the speed a cause cost, an estimate marked as one."""
    if cause.lost < _NOTHING:
        return "no speed lost" if cause.lost_quality == "measured" else "hardly any speed"
    sign = "" if cause.lost_quality == "measured" else "≈ "
    return f"{sign}{percent(cause.lost)} of the speed"


def _verdict(found: Diagnosis) -> None:
    kind = verdict(found)
    said = plain(named(found.summary), 800)
    if kind == "nothing":
        st.success(
            f"**Nothing slowed it down.** {counted(len(found.clear), 'cause')} of slowness were "
            f"looked for, and none was at work. {said.removeprefix(_CLEAN).strip()}".strip(),
            icon=":material/verified:",
        )
    elif kind == "silent":
        st.warning(said, icon=":material/help:")
    elif kind == "partly":
        st.info(f"**Nothing was found in what can be told.** {said}", icon=":material/info:")
    else:
        st.markdown(said)


_CLEAN = "Nothing of the machine was found to slow it down."


def _cause(number: int, cause: Cause, zone: tzinfo, zoom: Zoom) -> None:
    with st.container(border=True, gap="small"):
        with st.container(horizontal=True, vertical_alignment="center", gap="small"):
            title = plain(named(cause.title), 300)
            st.markdown(f":material/{_ICONS[cause.kind]}: **{number}. {title}**", width="stretch")
            st.badge(
                weight(cause),
                color="orange" if number == 1 and cause.lost >= _NOTHING else "gray",
                help="Measured on the run’s own steps, in this time against the rest of it."
                if cause.lost_quality == "measured"
                else "An estimate: what such a cause is known to cost. No steps tell the speed.",
            )
        lines = [
            f"- {plain(named(one.said), 300)} :gray[{plain(clocks(one.start, one.end, zone))}]"
            for one in cause.evidence
        ]
        st.markdown("\n".join(lines))
        st.markdown(f":material/lightbulb: {advice(cause.suggestion)}")
        with st.container(horizontal=True, gap="small"):
            for start, end in windows(cause)[:3]:
                zoom(f"Zoom to {clocks(start, end, zone)}", start, end)


def reasons(unknown: Sequence[CannotTell]) -> tuple[str, ...]:
    """Return what could not be told as sentences, put together where the reason is the same."""
    by_reason: dict[str, tuple[str, list[str]]] = {}
    for one in unknown:
        # ``Thermal level: not Apple Silicon``: which figure lacks is in the cause's own name.
        reason = (one.reason.partition(": ")[2] or one.reason).rstrip(".")
        by_reason.setdefault(reason.casefold(), (reason, []))[1].append(KINDS[one.kind])
    return tuple(f"{', '.join(kinds)}: {_lowered(reason)}." for reason, kinds in by_reason.values())


def _unknown(unknown: Sequence[CannotTell]) -> None:
    if unknown:
        lines = [f"- {plain(named(_raised(one)), 400)}" for one in reasons(unknown)]
        st.markdown("**Cannot be told**\n\n" + "\n".join(lines))


def _lowered(text: str) -> str:
    return text[:1].lower() + text[1:] if text[1:2].islower() else text


def _raised(text: str) -> str:
    return text[:1].upper() + text[1:]


def _clear(found: Diagnosis) -> None:
    if not found.clear:
        return
    badges = " ".join(f":green-badge[:material/check: {KINDS[kind]}]" for kind in found.clear)
    st.markdown(f"**Looked for and not found**\n\n{badges}")


def _said(error: MlopsError) -> str:
    hint = error.hint if "--" not in error.hint else ""  # that of the command line
    return f"{plain(error.message, 400)} {advice(hint)}".strip()


def _close() -> None:
    st.query_params.update({NAME: []})
