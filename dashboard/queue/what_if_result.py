"""What a replay found: waits of each project before and after, and how fair both were."""

from collections.abc import Sequence

import streamlit as st

from dashboard.charts.theme import Colours
from dashboard.numbers import UNKNOWN, counted, duration, percent
from dashboard.queue import what_if
from dashboard.queue.access import Queue
from dashboard.text import markup, plain
from services.workflows.replay import Replay
from services.workflows.whatif import ProjectChange


def draw(found: Replay, queue: Queue, hues: Colours) -> None:
    """Draw it."""
    told = found.found
    with st.container(border=True, key="queue-what-if-result"):
        with st.container(horizontal=True, vertical_alignment="center", gap="small"):
            st.badge("simulated", icon=":material/science:", color="violet")
            st.markdown(f"**{counted(told.replayed, 'job')} of the last 7 days, replayed**")
        mine = [one for one in told.projects if queue.veil.sees(one.project)]
        st.html(rows(mine, queue.titles, hues))
        hidden = len(told.projects) - len(mine)
        if hidden:
            st.caption(f"{counted(hidden, 'project')} that you may not see took part, too.")
        st.markdown(fairness(found))
        st.caption(plain(" ".join((exactness(told.error_s), what_if.left_out(found))), 900))


def fairness(found: Replay) -> str:
    """Return how far from fair shares both sides are, as a sentence."""
    return (
        "Held against these weights, six hours by six hours, "
        f"**{percent(found.error_before, 1)}** of all use went to projects that were not due it "
        f"as it was, **{percent(found.error_after, 1)}** simulated."
    )


def exactness(error_s: float | None) -> str:
    """Return how far the replay itself is from the truth."""
    if error_s is None:
        return "How exact the replay is cannot be told: nothing of it can be compared."
    return (
        "Replayed under the settings that held, waits are "
        f"{duration(error_s) if error_s >= 1 else 'less than a second'} from the real ones in the "
        "median: smaller differences mean nothing."
    )


def rows(made: Sequence[ProjectChange], titles: dict[str, str], hues: Colours) -> str:
    """Return a row a project: its median wait as it was, and simulated."""
    muted = f"color:{hues.muted};font-size:12.5px"
    known = [w for one in made for w in (one.wait_before_s, one.wait_after_s) if w is not None]
    most = max(known, default=0.0) or 1.0
    head = "".join(
        f'<div style="{muted};padding:0 18px 4px 0">{word}</div>'
        for word in ("Project", "Median wait: as it was, simulated", "Change", "Slot-hours")
    )
    body = "".join(_row(one, titles, hues, most) for one in made)
    return (
        '<div style="display:grid;grid-template-columns:minmax(130px,1.2fr) 2.6fr '
        "minmax(110px,.8fr) minmax(120px,.8fr);align-items:center;"
        "font-variant-numeric:tabular-nums;"
        f'font-size:13px">{head}{body}</div>'
    )


def _row(one: ProjectChange, titles: dict[str, str], hues: Colours, most: float) -> str:
    line = f"border-top:1px solid {hues.line};padding:7px 18px 7px 0;min-width:0;align-self:stretch"
    name = f"<b>{markup(titles.get(one.project, one.project), 60)}</b>"
    jobs = f'<div style="color:{hues.muted};font-size:12.5px">{counted(one.jobs, "job")}</div>'
    bars = _bar(one.wait_before_s, most, hues.muted, hues) + _bar(
        one.wait_after_s, most, _striped(hues), hues
    )
    used = (
        f'{one.used_before_s / 3600:.1f} h <span style="color:{hues.muted}">→</span> '
        f"{one.used_after_s / 3600:.1f} h"
    )
    cells = (name + jobs, bars, _change(one, hues), used)
    return "".join(f'<div style="{line}">{cell}</div>' for cell in cells)


def _striped(hues: Colours) -> str:
    violet = hues.series[4 % len(hues.series)]
    return f"repeating-linear-gradient(45deg,{violet} 0 5px,transparent 5px 8px)"


def _bar(wait_s: float | None, most: float, fill: str, hues: Colours) -> str:
    told = "none started" if wait_s is None else waited(wait_s)
    share = 0.0 if wait_s is None else wait_s / most
    return (
        '<div style="display:flex;align-items:center;gap:8px;height:17px">'
        f'<div style="width:calc({share:.3f} * (100% - 90px));min-width:2px;height:9px;'
        f'border-radius:2px;background:{fill}"></div>'
        f'<span style="white-space:nowrap;color:{hues.text}">{markup(told)}</span></div>'
    )


def waited(seconds: float) -> str:
    """Return a wait in words."""
    return "no wait" if seconds < 1 else duration(seconds)


def _change(one: ProjectChange, hues: Colours) -> str:
    if one.wait_before_s is None or one.wait_after_s is None:
        return f'<span style="color:{hues.muted}">{UNKNOWN}</span>'
    by = one.wait_after_s - one.wait_before_s
    if abs(by) < 1:
        return f'<span style="color:{hues.muted}">as before</span>'
    tone, word = (hues.good, "shorter") if by < 0 else (hues.bad, "longer")
    sign = "▼" if by < 0 else "▲"
    return f'<span style="color:{tone};font-weight:600">{sign} {duration(abs(by))} {word}</span>'
