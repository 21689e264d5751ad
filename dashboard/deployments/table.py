"""The table of deployments as one drawing: an endpoint's versions below each other."""

from collections.abc import Mapping, Sequence
from datetime import datetime, tzinfo
from types import MappingProxyType

from dashboard.charts.theme import Colours
from dashboard.deployments import address, looks
from dashboard.deployments.looks import Look
from dashboard.lineage import looks as marks
from dashboard.numbers import age, moment, number, percent
from dashboard.text import markup
from services.resources.models import gib
from services.serving import on_the_way
from services.serving.figures import WINDOW_S
from services.serving.looking import Deployment, VersionLook

_HEADS = (
    ("Deployment", "left"),
    ("State", "left"),
    ("Version and backend", "left"),
    ("Requests, errors", "right"),
    ("p50\u00a0· p95\u00a0· p99", "right"),
    ("Replicas, memory", "right"),
    ("Energy / 1,000", "right"),
)
_ENERGY = "Its share of what the machine drew, by a thousand predictions."
NONE = "–"
"""Stands where nothing is known; why is told on hover."""


def html(
    found: Sequence[Deployment],
    hues: Colours,
    now: datetime,
    zone: tzinfo,
    *,
    old: bool,
    bad: Mapping[str, tuple[str, str]] = MappingProxyType({}),
) -> str:
    """Return the table.

    Args:
        found: The endpoints.
        hues: Of the theme.
        now: The moment, for ages.
        zone: The reader's.
        old: Whether what it tells of replicas is not of now.
        bad: By name what a badge says of where an endpoint's version came from, and why.
    """
    edge = f"border:none;border-bottom:1px solid {hues.line}"
    heads = "".join(
        f'<th scope="col" style="text-align:{side};font-weight:500;font-size:12px;color:'
        f'{hues.muted};padding:2px 12px 4px 0;vertical-align:bottom;{edge}">{label}</th>'
        for label, side in _HEADS
    )
    bodies = "".join(
        _Rows(one, hues, now, zone, old=old, bad=bad.get(one.name)).html() for one in found
    )
    return (
        '<div style="overflow-x:auto" tabindex="0" role="region" aria-label="Deployments">'
        '<table style="width:100%;border-collapse:collapse;margin:0;border:none;'
        'font-variant-numeric:tabular-nums;font-size:13px;line-height:18px">'
        f"<thead><tr>{heads}</tr></thead>{bodies}</table></div>"
    )


class _Rows:
    """The rows of one endpoint."""

    def __init__(
        self,
        seen: Deployment,
        hues: Colours,
        now: datetime,
        zone: tzinfo,
        *,
        old: bool,
        bad: tuple[str, str] | None,
    ) -> None:
        self._seen, self._hues = seen, hues
        self._now, self._zone, self._old, self._bad = now, zone, old, bad

    def html(self) -> str:
        """Return them, one a version."""
        loaded = sorted(self._seen.versions, key=lambda one: -one.traffic)
        versions: Sequence[VersionLook | None] = loaded or (None,)
        rows = []
        for place, one in enumerate(versions):
            last = place == len(versions) - 1
            edge = f"border:none;border-bottom:1px solid {self._hues.line}" if last else "border:0"
            cells = self._of(one, edge) if one else self._without(edge)
            head = self._head(len(versions)) if place == 0 else ""
            rows.append(f"<tr>{head}{cells}</tr>")
        return f"<tbody>{''.join(rows)}</tbody>"

    def _head(self, rows: int) -> str:
        seen, hues = self._seen, self._hues
        href = markup(address.to(seen.name))
        pinned = ' <span title="Never ended to make room">⚲ pinned</span>'
        mark = pinned if seen.pinned else ""
        name = (
            f'<a href="{href}" style="text-decoration:none;color:{hues.text};font-weight:600">'
            f"{markup(seen.model, 60)}</a><br>{self._quiet(seen.project, mark)}"
        )
        state = "<br>".join(
            one
            for one in (
                self._state(looks.look(seen.state)),
                self._suspect(),
                self._below(),
                self._changed(),
            )
            if one
        )
        return self._cell(name, rows=rows, more="min-width:120px") + self._cell(
            state, rows=rows, why=seen.said, more="min-width:100px"
        )

    def _suspect(self) -> str:
        if self._bad is None:
            return ""
        word, why = self._bad
        tone = marks.tone(word, self._hues)
        return (
            f'<span style="color:{tone};font-size:12px" title="{markup(why, 600)}">'
            f"{marks.sign(word)} {word}</span>"
        )

    def _below(self) -> str:
        seen = self._seen
        bad = seen.rollout
        if bad is not None and not bad.running and bad.outcome in {"rolled-back", "failed"}:
            shown = looks.outcome(bad)
            tone = looks.hue(shown, self._hues)
            return (
                f'<span style="color:{tone};font-size:12px" title="{markup(bad.said, 400)}">'
                f"{shown.sign} version {bad.version} {shown.word}</span>"
            )
        return "<br>".join(
            self._quiet(one) for one in on_the_way.words(seen, self._now.timestamp())
        )

    def _changed(self) -> str:
        at = self._seen.last_change
        if at is None:
            return ""
        told = markup(moment(at, self._zone))
        return f'<span title="{told}">{self._quiet(f"changed {age(at, self._now)}")}</span>'

    def _of(self, one: VersionLook, edge: str) -> str:
        seen = self._seen
        asked, why_asked = requests(one, seen.figures_stale)
        held, why_held = memory(one)
        return "".join(
            (
                self._cell(self._version(one), edge=edge, why=one.said),
                self._cell(
                    f"{asked}<br>{self._errors(one)}", edge=edge, side="right", why=why_asked
                ),
                self._cell(*latency(one, seen.figures_stale), edge=edge, side="right"),
                self._cell(
                    f'<span title="{markup(_replicas_why(one, seen))}">{replicas(one, seen)}</span>'
                    f"<br>{held}",
                    edge=edge,
                    side="right",
                    why=why_held,
                ),
                self._energy(one, edge),
            )
        )

    def _without(self, edge: str) -> str:
        why = "None of its versions is loaded."
        return "".join(self._cell(NONE, edge=edge, why=why) for _ in range(len(_HEADS) - 2))

    def _version(self, one: VersionLook) -> str:
        hues = self._hues
        share = traffic(one, self._seen)
        bar = ""
        if one.traffic > 0:
            bar = (
                f'<div style="height:4px;width:64px;border-radius:2px;background:{hues.line}">'
                f'<div style="height:4px;border-radius:2px;width:{one.traffic * 100:.0f}%;'
                f'background:{hues.accent}"></div></div>'
            )
        phase = ""
        if one.phase != self._seen.state or len(self._seen.versions) > 1:
            kept = on_the_way.kept(self._seen, one.version)
            shown = looks.KEPT if kept else looks.look(one.phase)
            phase = f" {self._state(shown, small=True)}"
        return (
            f'<span style="white-space:nowrap"><b>{one.version}</b>'
            f'<span style="color:{hues.muted}"> {share}</span></span>{phase}{bar}'
            f'<div title="{markup(one.backend_reason or "It is not loaded.")}">'
            f"{self._quiet(f'on {one.backend}' if one.backend else 'no backend yet')}</div>"
        )

    def _errors(self, one: VersionLook) -> str:
        text, why, bad = errors(one, self._seen.figures_stale)
        if text == NONE:
            return f'<span title="{markup(why)}">{NONE}</span>'
        tone = f"{self._hues.bad};font-weight:600" if bad else self._hues.muted
        sign = "✕ " if bad else ""
        return (
            f'<span title="{markup(why)}" style="color:{tone};white-space:nowrap">'
            f"{sign}{text} errors</span>"
        )

    def _energy(self, one: VersionLook, edge: str) -> str:
        seen = self._seen
        if one.version != seen.version:
            return self._cell(NONE, "It is told of the live version.", edge=edge, side="right")
        if seen.energy_j_per_1000 is None:
            return self._cell(NONE, seen.energy_reason, edge=edge, side="right")
        shown = f'<span style="white-space:nowrap">{number(seen.energy_j_per_1000, 3)} J</span>'
        return self._cell(shown, _ENERGY, edge=edge, side="right")

    def _state(self, shown: Look, *, small: bool = False) -> str:
        tone = self._hues.muted if self._old else looks.hue(shown, self._hues)
        weight = "400;font-size:12px" if small else "600"
        return (
            f'<span style="color:{tone};font-weight:{weight};white-space:nowrap">'
            f"{shown.sign} {shown.word}</span>"
        )

    def _quiet(self, text: str, mark: str = "") -> str:
        return f'<span style="color:{self._hues.muted};font-size:12px">{markup(text)}{mark}</span>'

    def _cell(
        self,
        inner: str,
        why: str = "",
        *,
        edge: str | None = None,
        rows: int = 1,
        side: str = "left",
        more: str = "",
    ) -> str:
        line = edge or f"border:none;border-bottom:1px solid {self._hues.line}"
        told = f' title="{markup(why, 500)}"' if why else ""
        span = f' rowspan="{rows}"' if rows > 1 else ""
        return (
            f'<td{span}{told} style="padding:5px 12px 5px 0;vertical-align:top;text-align:{side};'
            f'{line};{more}">{inner}</td>'
        )


def traffic(one: VersionLook, of: Deployment) -> str:
    """Return how requests reach a version, in a word or two."""
    rollout = of.rollout
    if rollout is not None and rollout.running and rollout.version == one.version:
        if one.phase == "shadow":
            return "shadow"
        if rollout.header and not rollout.promote:
            return "by header"
    return percent(one.traffic) if one.traffic > 0 else "no requests"


def wanted(one: VersionLook, of: Deployment) -> int | None:
    """Return how many replicas a version is to have now; None: it is being ended."""
    if one.phase in {"draining", "stopped", "rolling-back", "rolled-back", "failed"}:
        return None
    running = sum(replica.state != "ending" for replica in one.replicas)
    return running if one.phase == "idle" else max(of.min_replicas, running)


def replicas(one: VersionLook, of: Deployment) -> str:
    """Return how many replicas answer, of how many."""
    whole = wanted(one, of)
    return f"{one.ready}/{NONE if whole is None else whole}"


def _replicas_why(one: VersionLook, of: Deployment) -> str:
    whole = wanted(one, of)
    if whole is None:
        return "It is being ended."
    return f"{one.ready} of {whole} answer; at least {of.min_replicas}, at most {of.max_replicas}."


def requests(one: VersionLook, stale: str) -> tuple[str, str]:
    """Return requests a second, and what is to be known of them."""
    if stale:
        return NONE, stale
    found = one.figures
    waiting = f", {found.in_flight} under way" if found.in_flight else ""
    told = f"{found.requests:,} in the last minute, {found.total:,} in all{waiting}."
    shown = number(found.requests / WINDOW_S, 3)
    return f'<span style="white-space:nowrap">{shown}/s</span>', told


def latency(one: VersionLook, stale: str) -> tuple[str, str]:
    """Return the three quantiles, and why there are none."""
    found = one.figures
    if stale:
        return NONE, stale
    if found.p50_ms is None:
        return NONE, "Nobody asked it in the last minute."
    known = (found.p50_ms, found.p95_ms, found.p99_ms)
    # On a narrow page they stand below each other, none of them torn.
    shown = "\u00a0· ".join(NONE if v is None else number(v, 3) for v in known)
    return f"{shown}\u00a0ms", "Of the last minute."


def errors(one: VersionLook, stale: str) -> tuple[str, str, bool]:
    """Return the share of errors, what it is of, and whether there are any."""
    found = one.figures
    if stale:
        return NONE, stale, False
    refused = f" {found.refused:,} were refused for want of room." if found.refused else ""
    if not found.requests:
        return NONE, f"Nobody asked it in the last minute.{refused}", False
    told = f"{found.errors:,} of {found.requests:,} in the last minute.{refused}"
    return percent(found.errors / found.requests, 1), told, found.errors > 0


def memory(one: VersionLook) -> tuple[str, str]:
    """Return what is used of what is reserved."""
    whole = one.reserved_bytes * len(one.replicas)
    if not whole:
        return NONE, "It is not loaded: it reserves nothing."
    used = NONE if one.memory_bytes is None else gib(one.memory_bytes)
    each = f"Of what is reserved: {gib(one.reserved_bytes)} by each of its replicas."
    held = "white-space:nowrap"
    return f'<span style="{held}">{used}</span> <span style="{held}">of {gib(whole)}</span>', each
