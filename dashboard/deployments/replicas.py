"""The model servers of an endpoint: where each runs, since when, with how much memory."""

from collections.abc import Sequence
from datetime import UTC, datetime

import streamlit as st

from dashboard import state
from dashboard.charts.theme import Colours, colours
from dashboard.components import located
from dashboard.deployments import log
from dashboard.deployments.address import REPLICA
from dashboard.numbers import age, moment
from dashboard.text import markup
from services.resources.models import gib
from services.serving.looking import Deployment, VersionLook
from services.serving.models import ReplicaStatus

_STATES = {
    "ready": ("✓", "good", "ready"),
    "starting": ("◔", "accent", "starting"),
    "ending": ("◌", "muted", "ending"),
    "lost": ("✕", "bad", "lost"),
}
_HEADS = (
    "Replica",
    "State",
    "Version",
    "Machine",
    "Process",
    "Memory",
    "Peak",
    "Restarts",
    "Since",
)


def draw(seen: Deployment, *, old: bool) -> None:
    """Draw the table of replicas."""
    if not any(one.replicas for one in seen.versions):
        idle = seen.state == "idle"
        st.caption(
            "No replica runs: it was scaled to zero, and the next request starts one."
            if idle
            else "No replica runs."
        )
        return
    st.html(html(seen.versions, colours(), old=old))


def html(versions: Sequence[VersionLook], hues: Colours, *, old: bool) -> str:
    """Return the table."""
    heads = "".join(
        f'<th scope="col" style="text-align:{_side(head)};font-weight:500;font-size:12px;color:'
        f'{hues.muted};padding:0 14px 3px 0;border:none;border-bottom:1px solid {hues.line}">'
        f"{head}</th>"
        for head in _HEADS
    )
    rows = "".join(
        _row(replica, one, hues, old=old) for one in versions for replica in one.replicas
    )
    return (
        '<div style="overflow-x:auto" tabindex="0" role="region" aria-label="Replicas">'
        '<table style="width:100%;border-collapse:collapse;margin:0;border:none;font-size:13px;'
        'line-height:18px;font-variant-numeric:tabular-nums">'
        f"<thead><tr>{heads}</tr></thead><tbody>{rows}</tbody></table></div>"
    )


def _side(head: str) -> str:
    return "right" if head in {"Process", "Memory", "Peak", "Restarts", "Since"} else "left"


def _row(one: ReplicaStatus, of: VersionLook, hues: Colours, *, old: bool) -> str:
    sign, tone, word = _STATES.get(one.state, ("?", "muted", one.state))
    hue: str = hues.muted if old else getattr(hues, tone)
    reserved = of.reserved_bytes or None
    over = one.peak_bytes is not None and reserved is not None and one.peak_bytes > reserved
    began = datetime.fromtimestamp(one.started_at, UTC) if one.started_at else None
    restarts = str(one.restarts)
    if one.restarts:
        restarts = f'<span style="color:{hues.warn};font-weight:600">▲ {one.restarts}</span>'
    peak = "–" if one.peak_bytes is None else gib(one.peak_bytes)
    if over:
        peak = f'<span style="color:{hues.warn};font-weight:600">▲ {peak}</span>'
    most = f"More than the {gib(reserved or 0)} it reserves."
    cells = (
        (f"<code>{markup(short(one.id), 60)}</code>", one.id),
        (f'<span style="color:{hue}">{sign} {markup(word, 20)}</span>', of.said),
        (str(of.version), ""),
        (markup(one.host or "–", 60), "" if one.host else "It is not placed yet."),
        ("–" if one.pid is None else str(one.pid), one.address),
        ("–" if one.memory_bytes is None else gib(one.memory_bytes), "Resident, now."),
        (peak, most if over else "The most it ever had."),
        (restarts, "How often it was started again since it was wanted."),
        (age(began) if began else "–", moment(began, state.zone()) if began else ""),
    )
    drawn = "".join(
        f'<td title="{markup(why, 300)}" style="padding:4px 14px 4px 0;border:none;border-bottom:'
        f'1px solid {hues.line};text-align:{_side(head)};white-space:nowrap">{inner}</td>'
        for (inner, why), head in zip(cells, _HEADS, strict=True)
    )
    return f"<tr>{drawn}</tr>"


def short(name: str) -> str:
    """Return a replica's name without that of its endpoint."""
    return name.partition(":")[2] or name


def logs(seen: Deployment) -> None:
    """Draw the log of one of the replicas, of the one the address names."""
    known = {short(one.id): one for v in seen.versions for one in v.replicas if one.log}
    if not known:
        st.caption("There is no replica whose log could be read.")
        return
    names = list(known)
    with st.container(horizontal=True, vertical_alignment="bottom"):
        chosen = known[located.choice("Log of", names, name=REPLICA, default=names[0])]
        look = log.asked(runs=chosen.state in {"ready", "starting"})
    log.draw(chosen, look)
