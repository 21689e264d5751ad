"""What a page says when there is nothing, nobody, or an error: always with the next thing to do."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import TypeVar

import streamlit as st

from dashboard import state
from dashboard.components import dialogs
from dashboard.numbers import age
from dashboard.text import plain
from services.engines.names import title as engine_title
from services.errors import FilterError, MlopsError
from services.home import Home
from services.mirror.models import Freshness
from services.reading import Down, Live

T = TypeVar("T")
_LOOK_S = 5


def value_or_notice(reading: Live[T] | Down) -> T | None:
    """Return what an engine said, or draw why it could not be asked and return None."""
    if isinstance(reading, Live):
        return reading.value
    _down(
        Freshness(
            reading.engine, reading.engine, "down", reading.at, None, reading.reason, reading.hint
        )
    )
    return None


def empty(
    title: str,
    sentence: str,
    *,
    icon: str = "inbox",
    command: str = "",
    action: Callable[[], object] | None = None,
) -> None:
    """Draw that there is nothing yet: why, the next step (``action`` draws it), and its command."""
    with st.container(border=True, horizontal_alignment="center", gap="xsmall"):
        st.space("small")
        st.markdown(f"## :gray[:material/{icon}:]", width="content")
        st.markdown(f"**{plain(title)}**", width="content", text_alignment="center")
        st.caption(sentence, width="content", text_alignment="center")
        if action is not None:
            action()
        if command:
            st.code(command, language="shell", width="content")
        st.space("small")


def problem(error: MlopsError) -> None:
    """Draw an error as a sentence with its hint; a filter shows the character at fault."""
    st.error(f"{plain(error.message, 600)} {advice(error.hint)}".strip(), icon=":material/error:")
    if isinstance(error, FilterError):
        st.code(error.pointer(), language=None)


def engine_notice(*names: str) -> str | None:
    """Draw which of these engines cannot be asked; return why actions that need them are off.

    None means all of them answer. What the page shows is then the last known picture. The notice
    follows the engines while the page is open.
    """
    off = _why_off(_lost(names))
    st.fragment(_follow, run_every=_LOOK_S)(names, off)
    return off


def engine_notice_once(*names: str) -> str | None:
    """The same for what is drawn again and again by itself."""
    lost = _lost(names)
    for engine in lost:
        _down(engine)
    return _why_off(lost)


def why_off(*names: str) -> str | None:
    """Return the same without drawing anything, for what stands apart from the notice."""
    return _why_off(_lost(names))


def disk_notice_once() -> None:
    """Draw which disk of ours is full, for what is drawn again and again by itself."""
    from services.platform import room

    said = room.full(Home.locate())
    if said:
        st.error(advice(said), icon=":material/hard_drive:")


def _follow(names: tuple[str, ...], off: str | None) -> None:
    if engine_notice_once(*names) is None and off is not None:
        dialogs.redraw()  # what was off is on again


def _why_off(lost: list[Freshness]) -> str | None:
    return f"{_told(lost[0])}. {lost[0].reason}".strip() if lost else None


def _lost(names: tuple[str, ...]) -> list[Freshness]:
    found = {engine.engine: engine for engine in state.engines()}
    if "mirror" in found:
        return [found["mirror"]]
    lost = [found.get(name) or _unheard(name) for name in names]
    lost = [engine for engine in lost if engine.state != "live"]
    controller = found.get("controller")
    if lost and controller is not None and controller.state != "live":
        return [controller]  # nobody asks the others: one notice says it all
    return lost


def _unheard(name: str) -> Freshness:
    hint = "`mlops status` tells how far it is; `mlops up` starts it."
    return Freshness(name, engine_title(name), "never", None, None, "", hint)


def _told(engine: Freshness) -> str:
    lasting = age(engine.since, datetime.now(UTC)).removesuffix(" ago")
    if engine.state == "never" or engine.since is None:
        return f"{engine.title} has not come up yet"
    verb = "has not answered" if engine.state == "down" else "has not been heard of"
    return f"{engine.title} {verb} for {lasting.replace('just now', 'a moment')}"


def _down(engine: Freshness) -> None:
    st.warning(
        f"**{plain(_told(engine))}.** {plain(engine.reason, 400)} {advice(engine.hint)} "
        "Figures below are the last known ones.",
        icon=":material/cloud_off:",
    )


def advice(text: str) -> str:
    """Return a hint for markdown: its `code` stays code, all else is text."""
    parts = " ".join(text.split()).split("`")  # no blank line ends a piece of code
    # An empty piece would be two ticks: with those of the next one they begin no code.
    return "".join(
        f"`{part}`" if index % 2 and index < len(parts) - 1 and part.strip() else _spaced(part)
        for index, part in enumerate(parts)
    )


def _spaced(part: str) -> str:
    """Return the part as text, with the blanks at its ends."""
    text = part.strip()
    return part.replace(text, plain(text, 400)) if text else part
