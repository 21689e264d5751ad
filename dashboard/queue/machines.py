"""Machines as the queue sees them: slots, memory that is held, the thermal policy, what runs there.

HTML of our own: it is drawn again every two seconds in every open tab.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from typing import Any

from dashboard.charts.theme import Colours
from dashboard.numbers import age, moment
from dashboard.queue import access, looks
from dashboard.text import markup
from services.mirror.workflow_models import QueueRow
from services.resources.models import gib

_NAMED = 3
_BOXES = 16
"""More slots than that are drawn as a bar."""


@dataclass(frozen=True, slots=True)
class Host:
    """One machine of the decision."""

    name: str
    here: bool
    memory_bytes: int | None
    free_bytes: int | None
    slots: int
    free_slots: int
    absent: str
    stance: str
    said: str
    since: datetime | None
    unknown: tuple[str, ...]
    given: str = ""
    """What an administrator said of it, as a sentence."""
    power_w: float | None = None

    @property
    def held_bytes(self) -> int | None:
        """What is promised; None: nobody knows how much there is."""
        if self.memory_bytes is None or self.free_bytes is None:
            return None
        return self.memory_bytes - self.free_bytes


def of(said: Mapping[str, Any]) -> Host:
    """Return a machine as the decision tells it."""
    since = said.get("since")
    return Host(
        name=str(said["host"]),
        here=bool(said.get("here")),
        memory_bytes=said.get("memory_bytes"),
        free_bytes=said.get("free_bytes"),
        slots=int(said.get("gpu_slots") or 0),
        free_slots=int(said.get("free_slots") or 0),
        absent=str(said.get("absent") or ""),
        stance=str(said.get("stance") or "open"),
        said=str(said.get("said") or ""),
        since=datetime.fromtimestamp(since, UTC)
        if isinstance(since, int | float) and since
        else None,
        unknown=tuple(said.get("unknown") or ()),
        given=str(said.get("given") or ""),
        power_w=said.get("power_w"),
    )


def html(
    hosts: Sequence[Host], rows: Sequence[QueueRow], hues: Colours, zone: tzinfo, now: datetime
) -> str:
    """Return all machines."""
    running: dict[str | None, list[QueueRow]] = {}
    for row in rows:
        if row.state in {"running", "starting"}:
            running.setdefault(row.host, []).append(row)
    cards = "".join(_card(one, running.get(one.name, []), hues, zone, now) for one in hosts)
    return (
        '<div style="display:grid;grid-template-columns:repeat(auto-fit,minmax(270px,1fr));'
        f'gap:12px;font-variant-numeric:tabular-nums">{cards}</div>'
    )


def _card(
    one: Host, running: Sequence[QueueRow], hues: Colours, zone: tzinfo, now: datetime
) -> str:
    muted = f"font-size:12.5px;color:{hues.muted}"
    here = f'<span style="{muted}"> · runs the platform</span>' if one.here else ""
    jobs = "".join(_job(row, hues, zone, now) for row in running[:_NAMED])
    if len(running) > _NAMED:
        jobs += f'<div style="{muted}">and {len(running) - _NAMED} more</div>'
    if not running:
        jobs = f'<div style="{muted}">Nothing of the queue runs here.</div>'
    return (
        f'<div style="border:1px solid {hues.line};border-radius:8px;padding:12px 14px;'
        'min-width:0">'
        '<div style="display:flex;justify-content:space-between;gap:10px;align-items:baseline">'
        f'<div style="min-width:0;overflow:hidden;text-overflow:ellipsis;white-space:nowrap">'
        f'<b style="font-size:15px">{markup(one.name, 60)}</b>{here}</div>'
        f"{_stance(one, hues)}</div>"
        f"{_why(one, hues, zone, now)}{_slots(one, hues)}{_memory(one, hues)}"
        f"{_given(one, hues)}"
        f'<div style="margin-top:10px;display:grid;gap:7px">{jobs}</div></div>'
    )


def _stance(one: Host, hues: Colours) -> str:
    _, word, colour = looks.STANCES.get(one.stance, ("help", one.stance, "gray"))
    sign, tone = {
        "green": ("✓", hues.good),
        "orange": ("▲", hues.warn),
        "red": ("✕", hues.bad),
    }.get(colour, ("○", hues.muted))
    if one.absent:
        sign, tone, word = "○", hues.bad, "takes no job"
    return (
        f'<span style="white-space:nowrap;font-size:13px;font-weight:600;color:{tone}">{sign} '
        f"{markup(word, 60)}</span>"
    )


def _why(one: Host, hues: Colours, zone: tzinfo, now: datetime) -> str:
    said = [one.said, f"It takes no job: {one.absent}." if one.absent else "", *one.unknown]
    told = " ".join(part for part in said if part)
    if not told:
        return ""
    since = ""
    if one.since is not None and one.stance != "open":
        since = (
            f' <span title="{markup(moment(one.since, zone))}">Since '
            f"{access.clock(one.since, zone, now)}, {age(one.since, now)}.</span>"
        )
    return (
        f'<div style="font-size:13px;color:{hues.muted};margin-top:3px">{markup(told)}{since}</div>'
    )


def _slots(one: Host, hues: Colours) -> str:
    busy = max(0, one.slots - one.free_slots)
    drawn = max(one.slots, busy)
    boxes = (
        _bar(busy / drawn, hues)
        if drawn > _BOXES
        else "".join(
            f'<span style="flex:none;width:14px;height:14px;border-radius:3px;'
            f"border:1px solid {_box(n, busy, one.slots, hues)};"
            f'background:{_box(n, busy, one.slots, hues) if n < busy else "transparent"}"></span>'
            for n in range(drawn)
        )
    )
    return (
        '<div style="display:flex;flex-wrap:wrap;gap:4px;align-items:center;margin-top:9px;'
        f'font-size:13px">{boxes}<span style="margin-left:{4 if drawn else 0}px">'
        f"{slots_said(busy, one.slots)}</span></div>"
    )


def _box(place: int, busy: int, slots: int, hues: Colours) -> str:
    if place >= busy:
        return hues.line
    return hues.warn if place >= slots else hues.accent


def _bar(share: float, hues: Colours) -> str:
    return (
        f'<div style="flex:1 0 100%;height:7px;border-radius:4px;background:{hues.line};'
        f'overflow:hidden"><div style="width:{min(1.0, share):.1%};height:100%;'
        f'background:{hues.accent}"></div></div>'
    )


def slots_said(busy: int, slots: int) -> str:
    """Return how many heavy slots are taken; more than there are after somebody took some away."""
    if not slots and not busy:
        return "No heavy slot: heavy jobs go elsewhere"
    if busy > slots:
        return f"{busy} heavy {'slot' if busy == 1 else 'slots'} taken, more than its {slots}"
    return f"{busy} of {slots} heavy {'slot' if slots == 1 else 'slots'} taken"


def _given(one: Host, hues: Colours) -> str:
    if not one.given:
        return ""
    sign = f'<span style="color:{hues.accent}" aria-hidden="true">✎</span>'
    return (
        f'<div style="font-size:12.5px;color:{hues.muted};margin-top:6px">{sign} '
        f"{markup(one.given)}</div>"
    )


def _memory(one: Host, hues: Colours) -> str:
    held, whole = one.held_bytes, one.memory_bytes
    if held is None or not whole:
        return (
            f'<div style="font-size:13px;color:{hues.muted};font-style:italic;margin-top:6px">'
            "Memory unavailable: nobody knows how much it has.</div>"
        )
    share = min(1.0, max(0.0, held / whole))
    tone = hues.warn if held > whole else hues.accent
    free = f"{gib(one.free_bytes or 0)} free" if held <= whole else "more is promised than it has"
    return (
        f'<div style="margin-top:7px;height:7px;border-radius:4px;background:{hues.line};'
        f'overflow:hidden"><div style="width:{share:.1%};height:100%;background:{tone}"></div>'
        "</div>"
        '<div style="display:flex;justify-content:space-between;font-size:13px;margin-top:2px">'
        f"<span>{gib(held)} held of {gib(whole)} for jobs</span>"
        f'<span style="color:{hues.muted}">{free}</span></div>'
    )


def _job(row: QueueRow, hues: Colours, zone: tzinfo, now: datetime) -> str:
    starting = row.state == "starting"
    right = "starts" if starting else access.start(row, zone, now)
    done = progress(row, now)
    bar = ""
    if done is not None:
        bar = (
            f'<div style="height:3px;border-radius:2px;background:{hues.line};margin-top:3px">'
            f'<div style="width:{done:.0%};height:100%;border-radius:2px;background:{hues.good}">'
            "</div></div>"
        )
    return (
        f'<div title="{markup(row.said)}"><div style="display:flex;justify-content:space-between;'
        'gap:10px;font-size:13px"><span style="overflow:hidden;text-overflow:ellipsis;'
        f'white-space:nowrap">{markup(row.what, 90)}</span><span style="white-space:nowrap;color:'
        f'{hues.muted}">{markup(right)}</span></div>{bar}</div>'
    )


def progress(row: QueueRow, now: datetime) -> float | None:
    """Return how much of its expected time a job has run, 0–1; None where nobody knows."""
    if row.state != "running" or row.ends_at is None or row.ends_at <= row.since:
        return None
    return min(1.0, max(0.0, (now - row.since) / (row.ends_at - row.since)))
