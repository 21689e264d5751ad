"""One deployment in full: how it does now, its rollout, versions, replicas, and ways to ask it."""

import time
from collections.abc import Callable
from functools import partial

import streamlit as st

from dashboard import marked, navigation, predicted
from dashboard.components import dialogs, located, notices, tiles
from dashboard.deployments import (
    access,
    acting,
    history,
    keys,
    live,
    looks,
    replicas,
    rollout,
    trying,
    using,
)
from dashboard.deployments.address import PART
from dashboard.numbers import age, number, percent
from dashboard.scope import Scope
from dashboard.text import plain
from services.errors import MlopsError
from services.lineage.models import numbered
from services.resources.models import gib
from services.serving import on_the_way
from services.serving.figures import WINDOW_S
from services.serving.looking import Deployment

PARTS = ("Now", "Versions", "Replicas", "Try it", "Use it", "Keys")
_LIVE_S, _ROLLING_S = 2.0, 1.0


def back() -> None:
    """Draw the way back to all of them."""
    navigation.link("deployments", "All deployments", icon="arrow_back", hover="")


def draw(seen: Deployment, where: Scope, off: str | None) -> None:
    """Draw it."""
    st.title(plain(seen.model, 120))
    rolling = seen.rollout is not None and seen.rollout.running
    _follow(partial(_head, seen.name), _ROLLING_S if rolling else _LIVE_S)
    with st.container(horizontal=True, gap="small", key="deployment-actions"):
        acting.buttons(seen, off)
    if rolling:
        _under_way(seen, off)
    part = located.choice("Part", PARTS, name=PART, default=PARTS[0], collapsed=True)
    if part == "Now":
        _now(seen, where)
    elif part == "Versions":
        history.draw(seen)
    elif part == "Replicas":
        _follow(partial(_replicas, seen.name), _LIVE_S)
        st.subheader("Log", anchor=False)
        replicas.logs(seen)
    elif part == "Try it":
        trying.draw(seen)
    elif part == "Use it":
        using.draw(seen)
    else:
        keys.draw(seen, off)


def _follow(draw: Callable[[], None], every_s: float) -> None:
    """Draw something again and again; an error in it is told where it is drawn."""
    st.fragment(_guarded, run_every=every_s)(draw)


def _guarded(draw: Callable[[], None]) -> None:
    try:
        draw()
    except MlopsError as error:  # out of a fragment no error reaches the frame that tells them
        notices.problem(error)


def _seen(name: str) -> Deployment:
    return access.one(name) or access.ended(name)


def _head(name: str) -> None:
    seen = _seen(name)
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        looks.badge(looks.look(seen.state), why=seen.said)
        for number in _numbers(seen):
            marked.badge(marked.of_version(seen.project, seen.model, number), seen.project)
        if seen.pinned:
            st.badge("pinned", icon=":material/keep:", color="gray",
                     help="It is never ended to make room for others.")  # fmt: skip
        if seen.privacy != "full":
            st.badge(
                f"prediction log: {seen.privacy}", icon=":material/visibility_off:", color="gray",
                help="What the prediction log keeps of what is asked and answered.",
            )  # fmt: skip
        if navigation.has("model"):
            navigation.link("model", plain(seen.model, 60), icon="deployed_code", hover="",
                            of=seen.project, model=seen.model)  # fmt: skip
        if navigation.has("project"):
            navigation.link("project", plain(seen.project), icon="folder", hover="",
                            id=seen.project)  # fmt: skip
        if numbers := _numbers(seen):
            marked.lineage(numbered("version", seen.project, seen.model, numbers[0]).id)
        st.caption(_said(seen), width="stretch")


def _numbers(seen: Deployment) -> list[int]:
    """Return the versions it has to do with now, the live one first."""
    rollout = seen.rollout
    beside = rollout.version if rollout is not None and rollout.running else None
    return list(dict.fromkeys(one for one in (seen.version, beside) if one is not None))


def _said(seen: Deployment) -> str:
    changed = f"changed {age(seen.last_change)}" if seen.last_change else ""
    versions = [plain(one) for one in on_the_way.words(seen, time.time())]
    return " · ".join(part for part in (*versions, plain(seen.said, 300), changed) if part)


def _under_way(seen: Deployment, off: str | None) -> None:
    with st.container(border=True, key="deployment-rollout"):
        _follow(partial(_steps, seen.name), _ROLLING_S)
        if seen.rollout is not None:
            with st.container(horizontal=True, gap="small"):
                acting.rollout_buttons(seen, seen.rollout, off)


def _steps(name: str) -> None:
    seen = _seen(name)
    if seen.rollout is None or not seen.rollout.running:
        dialogs.redraw()  # it ended: the buttons are others now
    if seen.rollout is not None:
        rollout.draw(seen.rollout, time.time())


# How it does now


def _now(seen: Deployment, where: Scope) -> None:
    _follow(partial(_figures, seen.name, where), _LIVE_S)
    live.draw(seen, where)
    last = seen.rollout
    if last is not None and not last.running:
        with st.expander(f"The last rollout: version {last.version}", icon=":material/rule:",
                         expanded=last.outcome in {"failed", "rolled-back"}):  # fmt: skip
            rollout.draw(last)


def _figures(name: str, where: Scope) -> None:
    seen = access.one(name, predicted.energy(where.since)) or access.ended(name)
    stale = seen.figures_stale
    with st.grid(6, min_column_width=150):
        tiles.tile(
            "Version",
            on_the_way.short(seen),
            why=_version_why(seen),
        )
        per_s = None if stale else f"{number(seen.requests / WINDOW_S, 3)}/s"
        tiles.tile("Requests", per_s, why=stale or f"{seen.requests:,} in the last minute.")
        for label, (value, why) in (
            ("Latency, p95", _latency(seen)),
            ("Errors", _errors(seen)),
            ("Memory", _memory(seen)),
            ("Energy of 1,000", _energy(seen)),
        ):
            tiles.tile(label, value, why=why)


def _version_why(seen: Deployment) -> str:
    runs = f"On {seen.backend}: {seen.backend_reason}" if seen.backend else seen.said
    versions = "; ".join(on_the_way.words(seen, time.time()))
    return f"{versions}. {runs}" if versions else runs


def _latency(seen: Deployment) -> tuple[str | None, str]:
    if seen.p95_ms is None or seen.figures_stale:
        return None, seen.figures_stale or "Nobody asked it in the last minute."
    others = f"p50 {number(seen.p50_ms, 3)} ms, p99 {number(seen.p99_ms, 3)} ms"
    return f"{number(seen.p95_ms, 3)} ms", f"Of the last minute: {others}."


def _errors(seen: Deployment) -> tuple[str | None, str]:
    if seen.figures_stale or not seen.requests:
        return None, seen.figures_stale or "Nobody asked it in the last minute."
    told = f"{seen.errors:,} of {seen.requests:,} answered with 5xx; {seen.refused:,} refused."
    return percent(seen.errors / seen.requests, 1), told


def _memory(seen: Deployment) -> tuple[str | None, str]:
    held = f"{gib(seen.reserved_bytes)} reserved." if seen.reserved_bytes else "None is reserved."
    return (None if seen.memory_bytes is None else gib(seen.memory_bytes)), held


def _energy(seen: Deployment) -> tuple[str | None, str]:
    joules = seen.energy_j_per_1000
    if joules is None:
        return None, seen.energy_reason
    return f"{number(joules, 3)} J", "A share of what the machine drew, by 1,000 predictions."


def _replicas(name: str) -> None:
    seen = _seen(name)
    replicas.draw(seen, old=bool(seen.stale))
