"""What a page says when there is nothing, nobody, or an error: always with the next thing to do."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import TypeVar

import streamlit as st

from dashboard import state
from dashboard.numbers import age
from dashboard.text import plain
from services.errors import FilterError, MlopsError
from services.mirror.models import Freshness
from services.reading import Down, Live

T = TypeVar("T")


def value_or_notice(reading: Live[T] | Down) -> T | None:
    """Return what an engine said, or draw why it could not be asked and return None."""
    if isinstance(reading, Live):
        return reading.value
    _down(reading.engine, reading.reason, reading.hint, reading.at)
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

    None means all of them answer. What the page shows is then the last known picture.
    """
    found = {engine.engine: engine for engine in state.engines()}
    lost = [found[name] for name in names if name in found and found[name].state != "live"]
    lost += [engine for engine in found.values() if engine.engine == "mirror"]
    for engine in lost:
        _down(engine.title, engine.reason, engine.hint, engine.since, word=_WORDS[engine.state])
    return _why(lost[0]) if lost else None


_WORDS = {
    "down": "does not answer",
    "stale": "is not being followed",
    "never": "has not come up yet",
    "live": "is up",
}


def _why(engine: Freshness) -> str:
    return f"{engine.title} {_WORDS[engine.state]}: {engine.reason or 'no reason was given'}"


def _down(
    title: str, reason: str, hint: str, since: datetime | None, word: str = "does not answer"
) -> None:
    told = f" since {age(since, datetime.now(UTC)).removesuffix(' ago')}" if since else ""
    st.warning(
        f"**{plain(title)} {word}{told}.** {plain(reason, 400)} {advice(hint)} "
        "Figures below are the last known ones.",
        icon=":material/cloud_off:",
    )


def advice(text: str) -> str:
    """Hints are ours and may hold `code`; what they quote is kept from being markdown otherwise."""
    parts = text.split("`")
    return "".join(
        f"`{part}`"
        if index % 2 and index < len(parts) - 1
        else plain(part, 400)
        if part.strip()
        else part
        for index, part in enumerate(parts)
    )
