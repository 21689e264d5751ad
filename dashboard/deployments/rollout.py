"""A rollout step by step: what was done, what is under way, what is to come, and why it ended."""

import time

import streamlit as st

from dashboard.charts.theme import Colours, colours
from dashboard.deployments import looks
from dashboard.numbers import duration
from dashboard.text import markup, plain
from services.serving.looking import RolloutLook
from services.serving.models import RolloutStep

_STRATEGIES = {
    "blue-green": "blue/green: beside the live version, then all requests at once",
    "canary": "canary: some of the requests first",
    "shadow": "shadow: asked beside the live version, its answers are only compared",
}
_WHAT = {
    "Load": "Its weights are read into memory, beside what answers now.",
    "Warm up": "It is asked once for each number of rows it is compiled for.",
    "Check": "Its example must be answered in the right shape, with finite numbers.",
    "Canary": "It takes its share of the requests.",
    "Shadow": "It is asked beside the live version.",
    "Switch": "All requests go to it at once; none is dropped.",
    "Watch": "It goes back by itself when a guard speaks.",
}


def draw(rollout: RolloutLook, now: float | None = None) -> None:
    """Draw it."""
    at = time.time() if now is None else now
    shown = looks.outcome(rollout)
    lasted = _lasted(rollout, at)
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.markdown(f"**Version {rollout.version}**", width="content")
        looks.badge(shown, why=rollout.said)
        st.caption(
            f"{_STRATEGIES.get(rollout.strategy, plain(rollout.strategy))} · {lasted}",
            width="stretch",
        )
    if rollout.said:
        tell = {"failed": st.error, "rolled-back": st.warning}.get(rollout.outcome, st.info)
        tell(plain(rollout.said, 600), icon=f":material/{shown.icon}:")
    st.html(html(rollout, colours(), at))


def _lasted(rollout: RolloutLook, at: float) -> str:
    if rollout.began_at is None:
        return "not begun"
    end = rollout.ended_at.timestamp() if rollout.ended_at else at
    return duration(max(0.0, end - rollout.began_at.timestamp()))


def html(rollout: RolloutLook, hues: Colours, at: float) -> str:
    """Return its steps as a list."""
    over = not rollout.running
    steps = "".join(_step(one, hues, at, over=over) for one in rollout.steps)
    done = sum(one.state == "done" for one in rollout.steps)
    return (
        f'<ol aria-label="{done} of {len(rollout.steps)} steps done" style="list-style:none;'
        f'margin:0;padding:0;font-size:13px;line-height:19px">{steps}</ol>'
    )


def _step(one: RolloutStep, hues: Colours, at: float, *, over: bool) -> str:
    shown = looks.step(one)
    idle = one.state == "waiting"
    word = "not reached" if idle and over else shown.word
    tone = looks.hue(shown, hues)
    said = one.said or (_WHAT.get(one.name, "") if not (idle and over) else "")
    weight = "600" if one.state == "running" else "500"
    text = hues.muted if idle else hues.text
    return (
        f'<li style="display:grid;grid-template-columns:22px 84px 1fr auto;gap:0 8px;'
        f'padding:3px 0">'
        f'<span style="color:{tone};font-weight:700" aria-hidden="true">{shown.sign}</span>'
        f'<span style="color:{text};font-weight:{weight}">{markup(one.name, 40)}</span>'
        f'<span style="color:{text};overflow-wrap:anywhere">{markup(said, 600)}</span>'
        f'<span style="color:{tone};white-space:nowrap;font-variant-numeric:tabular-nums">'
        f"{word}{_time(one, at)}</span></li>"
    )


def _time(one: RolloutStep, at: float) -> str:
    if one.began_at is None:
        return ""
    return f" · {duration(max(0.0, (one.ended_at or at) - one.began_at))}"
