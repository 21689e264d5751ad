"""The table of deployments as one drawing: an endpoint's versions below each other."""

from collections.abc import Mapping, Sequence
from datetime import datetime, tzinfo

from dashboard.charts.theme import Colours
from dashboard.deployments import address, looks
from dashboard.deployments.energy import Energy
from dashboard.deployments.looks import Look
from dashboard.deployments.seen import Seen, VersionSeen
from dashboard.numbers import age, moment, number, percent, size
from dashboard.text import markup

_HEADS = (
    ("Deployment", "left"),
    ("State", "left"),
    ("Version", "left"),
    ("Backend", "left"),
    ("Replicas", "right"),
    ("Requests", "right"),
    ("p50 · p95 · p99", "right"),
    ("Errors", "right"),
    ("Memory", "right"),
    ("Energy / 1,000", "right"),
    ("Changed", "right"),
)
NONE = "–"
"""Stands where nothing is known; why is told on hover."""


def html(
    found: Sequence[Seen],
    used: Mapping[tuple[str, int], Energy],
    hues: Colours,
    now: datetime,
    zone: tzinfo,
    *,
    old: bool,
) -> str:
    """Return the table; ``old`` says that what it tells of replicas is not of now."""
    edge = f"border:none;border-bottom:1px solid {hues.line}"
    heads = "".join(
        f'<th scope="col" style="text-align:{side};font-weight:500;font-size:12px;color:'
        f'{hues.muted};padding:2px 12px 4px 0;white-space:nowrap;{edge}">{label}</th>'
        for label, side in _HEADS
    )
    bodies = "".join(_Rows(one, used, hues, now, zone, old=old).html() for one in found)
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
        seen: Seen,
        used: Mapping[tuple[str, int], Energy],
        hues: Colours,
        now: datetime,
        zone: tzinfo,
        *,
        old: bool,
    ) -> None:
        self._seen, self._used, self._hues = seen, used, hues
        self._now, self._zone, self._old = now, zone, old

    def html(self) -> str:
        """Return them, one a version."""
        versions = self._seen.versions or (None,)
        rows = []
        for place, one in enumerate(versions):
            last = place == len(versions) - 1
            edge = f"border:none;border-bottom:1px solid {self._hues.line}" if last else "border:0"
            cells = self._of(one, edge) if one else self._without(edge)
            head, tail = "", ""
            if place == 0:
                head, tail = self._head(len(versions)), self._tail(len(versions))
            rows.append(f"<tr>{head}{cells}{tail}</tr>")
        return f"<tbody>{''.join(rows)}</tbody>"

    def _head(self, rows: int) -> str:
        seen, hues = self._seen, self._hues
        href = markup(address.to(seen.name))
        pinned = ' <span title="Never ended to make room">⚲ pinned</span>'
        mark = pinned if seen.endpoint and seen.endpoint.pinned else ""
        name = (
            f'<a href="{href}" style="text-decoration:none;color:{hues.text};font-weight:600">'
            f"{markup(seen.model, 60)}</a><br>{self._quiet(seen.project, mark)}"
        )
        shown = looks.look(seen.phase)
        below = self._below()
        state = f'{self._state(shown)}{f"<br>{below}" if below else ""}'
        return self._cell(name, rows=rows, more="min-width:130px") + self._cell(
            state, rows=rows, why=seen.said, more="min-width:104px"
        )

    def _below(self) -> str:
        seen = self._seen
        bad = seen.went_wrong
        if bad is not None:
            shown = looks.outcome(bad)
            tone = looks.hue(shown, self._hues)
            return (
                f'<span style="color:{tone};font-size:12px" title="{markup(bad.said, 400)}">'
                f"{shown.sign} version {bad.version} {shown.word}</span>"
            )
        if seen.rolling is not None and seen.phase not in {"live", "idle"}:
            return self._quiet(f"version {seen.rolling}")
        return ""

    def _tail(self, rows: int) -> str:
        at = self._seen.changed
        if at is None:
            return self._cell(NONE, rows=rows, side="right", why="It is not known.")
        return self._cell(
            f'<span style="white-space:nowrap">{age(at, self._now)}</span>',
            rows=rows,
            side="right",
            why=moment(at, self._zone),
            more="padding-right:0",
        )

    def _of(self, one: VersionSeen, edge: str) -> str:
        backend = one.backend or NONE
        return "".join(
            (
                self._cell(self._version(one), edge=edge, why=one.said),
                self._cell(
                    markup(backend), edge=edge, why=one.backend_reason or "It is not loaded."
                ),
                self._cell(replicas(one), edge=edge, side="right", why=_replicas_why(one)),
                self._cell(*requests(one), edge=edge, side="right"),
                self._cell(*latency(one), edge=edge, side="right"),
                self._errors(one, edge),
                self._cell(*memory(one), edge=edge, side="right"),
                self._energy(one, edge),
            )
        )

    def _without(self, edge: str) -> str:
        why = "None of its versions is loaded."
        return "".join(self._cell(NONE, edge=edge, why=why) for _ in range(len(_HEADS) - 3))

    def _version(self, one: VersionSeen) -> str:
        hues = self._hues
        share = traffic(one)
        bar = ""
        if one.share > 0:
            bar = (
                f'<div style="height:4px;width:64px;border-radius:2px;background:{hues.line}">'
                f'<div style="height:4px;border-radius:2px;width:{one.share * 100:.0f}%;'
                f'background:{hues.accent}"></div></div>'
            )
        phase = ""
        if one.phase != self._seen.phase or len(self._seen.versions) > 1:
            shown = looks.look(one.phase)
            phase = f" {self._state(shown, small=True)}"
        return (
            f'<span style="white-space:nowrap"><b>{one.version}</b>'
            f'<span style="color:{hues.muted}"> {share}</span>{phase}</span>{bar}'
        )

    def _errors(self, one: VersionSeen, edge: str) -> str:
        text, why, bad = errors(one)
        tone = f"color:{self._hues.bad};font-weight:600" if bad else ""
        return self._cell(f'<span style="{tone}">{text}</span>', why, edge=edge, side="right")

    def _energy(self, one: VersionSeen, edge: str) -> str:
        found = self._used.get((self._seen.name, one.version))
        if found is None or found.joules is None:
            why = found.why if found else "Nothing was asked of it."
            return self._cell(NONE, why, edge=edge, side="right")
        return self._cell(f"{number(found.joules, 3)} J", found.why, edge=edge, side="right")

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


def traffic(one: VersionSeen) -> str:
    """Return how requests reach a version, in a word or two."""
    if one.role:
        return one.role
    return percent(one.share) if one.share > 0 else "no requests"


def replicas(one: VersionSeen) -> str:
    """Return how many replicas answer, of how many."""
    return f"{one.ready}/{NONE if one.wanted is None else one.wanted}"


def _replicas_why(one: VersionSeen) -> str:
    if one.wanted is None:
        return "It is being ended."
    bounds = "" if one.target is None else f", at least {one.target.min_replicas}"
    most = "" if one.most is None else f", at most {one.most}"
    return f"{one.ready} of {one.wanted} answer{bounds}{most}."


def requests(one: VersionSeen) -> tuple[str, str]:
    """Return requests a second, and what is to be known of them."""
    if one.per_s is None or one.figures is None:
        return NONE, "The gateway does not answer: nobody counts requests."
    waiting = f", {one.figures.in_flight} under way" if one.figures.in_flight else ""
    told = f"{one.figures.requests:,} in the last minute, {one.figures.total:,} in all{waiting}."
    return f'<span style="white-space:nowrap">{number(one.per_s, 3)}/s</span>', told


def latency(one: VersionSeen) -> tuple[str, str]:
    """Return the three quantiles, and why there are none."""
    found = one.figures
    if found is None:
        return NONE, "The gateway does not answer."
    if found.p50_ms is None:
        return NONE, "Nobody asked it in the last minute."
    shown = " · ".join(NONE if v is None else number(v, 3) for v in
                       (found.p50_ms, found.p95_ms, found.p99_ms))  # fmt: skip
    return f'<span style="white-space:nowrap">{shown} ms</span>', "Of the last minute."


def errors(one: VersionSeen) -> tuple[str, str, bool]:
    """Return the share of errors, what it is of, and whether there are any."""
    found = one.figures
    if found is None:
        return NONE, "The gateway does not answer.", False
    refused = f" {found.refused:,} were refused for want of room." if found.refused else ""
    if not found.requests:
        return NONE, f"Nobody asked it in the last minute.{refused}", False
    told = f"{found.errors:,} of {found.requests:,} in the last minute.{refused}"
    return percent(found.errors / found.requests, 1), told, found.errors > 0


def memory(one: VersionSeen) -> tuple[str, str]:
    """Return what is used of what is reserved, and what that rests on."""
    if not one.reserved_bytes:
        return NONE, "It is not loaded: it reserves nothing."
    used = NONE if one.used_bytes is None else size(one.used_bytes)
    rests = f" {one.target.memory_said}" if one.target and one.target.memory_said else ""
    told = f"Used of what is reserved by all replicas.{rests}"
    return f'<span style="white-space:nowrap">{used} of {size(one.reserved_bytes)}</span>', told
