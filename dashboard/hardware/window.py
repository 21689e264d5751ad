"""The stretch of time that is drawn: the scope's range, or a part of it that was zoomed into."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import streamlit as st

from dashboard import machines, scope, state
from dashboard.numbers import duration, moment

START, END = "start", "end"
_SHORTEST = timedelta(seconds=20)
_LEAST_S = 6.0
"""The figures above the charts are drawn every two seconds: charts, which cost more, need not."""

_SPAN = "hardware-span"
_FIRST = "hardware-first"
_LONGEST = timedelta(days=731)
_FRESH = timedelta(minutes=5)
"""The least that is drawn of a machine that has just joined."""


@dataclass(frozen=True, slots=True)
class Window:
    """``[start, end)``; ``zoomed`` when it is not the scope's own."""

    start: datetime
    end: datetime
    zoomed: bool = False

    @property
    def length(self) -> timedelta:
        """How long it is."""
        return self.end - self.start

    def redraw_s(self, points: int, now: datetime) -> float | None:
        """Return how often its charts are drawn again: with every point; never when it is over."""
        if self.zoomed and self.end <= now - _SHORTEST:
            return None
        return min(60.0, max(_LEAST_S, self.length.total_seconds() / points))

    def moved(self, share: float) -> "Window":
        """Return the window moved by a share of its length."""
        by = self.length * share
        return Window(self.start + by, self.end + by, zoomed=True)

    def scaled(self, factor: float) -> "Window":
        """Return the window around the same middle, ``factor`` times as long."""
        middle = self.start + self.length / 2
        half = max(self.length * factor, _SHORTEST) / 2
        return Window(middle - half, middle + half, zoomed=True)


def current(host: str, now: datetime | None = None) -> Window:
    """Return the window the address names for a machine."""
    now = (now or datetime.now(UTC)).replace(microsecond=0) + timedelta(seconds=1)
    where = scope.current()
    if st.session_state.get(_SPAN, where.span) != where.span:
        leave()  # another range was chosen: it is what is wanted now
    st.session_state[_SPAN] = where.span
    zoom = named(now)
    if zoom is not None:
        return zoom
    since = where.since
    if since is None:
        since = _first_heard(host, now) or now
    return Window(min(since, now - _FRESH), now)


def refused() -> bool:
    """Return whether the address names a part of time that is none."""
    given = any(name in st.query_params for name in (START, END))
    return given and named(datetime.now(UTC)) is None


def parameters(window: Window) -> dict[str, str]:
    """Return a part of the time as parameters of an address."""
    # A second is the finest that is sampled; the address stays readable.
    start, end = window.start.replace(microsecond=0), window.end.replace(microsecond=0)
    if end - start < _SHORTEST:
        start, end = start - _SHORTEST / 2, end + _SHORTEST / 2
    return {START: _text(start), END: _text(end)}


def enter(window: Window) -> None:
    """Put a part of the time into the address."""
    st.query_params.update(parameters(window))


def leave() -> None:
    """Take it out of the address."""
    st.query_params.update({START: [], END: []})


def sentence(window: Window) -> str:
    """Return a zoomed window as people read it."""
    zone = state.zone()
    return (
        f"{moment(window.start, zone)} to {moment(window.end, zone)} "
        f"({duration(window.length.total_seconds())})"
    )


def buttons(window: Window) -> None:
    """Draw the ways to another window, for those who do not drag over the chart."""
    moves = (
        ("earlier", "arrow_back", "Earlier", window.moved(-0.5)),
        ("later", "arrow_forward", "Later", window.moved(0.5)),
        ("in", "zoom_in", "Zoom in on the middle", window.scaled(0.5)),
        ("out", "zoom_out", "Zoom out", window.scaled(2.0)),
    )
    for name, icon, told, there in moves:
        if st.button(
            "", icon=f":material/{icon}:", help=told, key=f"hardware-{name}", type="tertiary"
        ):
            enter(there)
            st.rerun(scope="app")
    if window.zoomed and st.button(
        "Whole range", icon=":material/zoom_out_map:", key="hardware-whole", type="tertiary"
    ):
        leave()
        st.rerun(scope="app")


def _first_heard(host: str, now: datetime) -> datetime | None:
    """Return when a machine reported for the first time that is kept; asked once a session."""
    known: dict[str, datetime] = st.session_state.setdefault(_FIRST, {})
    if host not in known:
        found = machines.telemetry().events(now - _LONGEST, now, host)
        begun = next((event.at for event in found if event.kind == "host.joined"), None)
        if begun is None:
            return None
        known[host] = begun
    return known[host]


def named(now: datetime) -> Window | None:
    """Return the part of the time the address names, None when it names none that can be."""
    try:
        start = datetime.fromisoformat(st.query_params.get(START, ""))
        end = datetime.fromisoformat(st.query_params.get(END, ""))
    except ValueError:
        return None
    start, end = _utc(start), _utc(end)
    oldest = now - timedelta(days=3660)
    if not (oldest < start < end <= now + timedelta(days=1)) or end - start < timedelta(seconds=2):
        return None
    return Window(start, end, zoomed=True)


def _utc(at: datetime) -> datetime:
    return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)


def _text(at: datetime) -> str:
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
