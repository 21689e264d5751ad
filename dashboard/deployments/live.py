"""Requests, latency and errors over time, with what was done to the deployment drawn through them.

They come from the prediction log, so they are there also while gateway and engine are not.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import streamlit as st

from dashboard import predicted
from dashboard.charts import timeline
from dashboard.charts.timeline import Line, Mark, Panel, Tone
from dashboard.components import notices
from dashboard.components.live import live
from dashboard.deployments import access, looks
from dashboard.numbers import counted
from dashboard.scope import RANGES, Scope
from services.serving.looking import Deployment
from services.serving.store import Event

if TYPE_CHECKING:
    from services.predictions.answers import Bucket

LIVE_S = 5.0
_POINTS = 240
_STEPS_S = (5, 15, 60, 120, 360, 900, 3_600, 10_800, 43_200)
_HOUR_S = 3_600.0
_LONGEST_S = 90 * 86_400.0
_VERSIONS = 4
_TONES: dict[str, Tone] = {"rolled-back": "bad", "failed": "bad", "restarted": "warn",
                           "evicted": "warn", "live": "mode"}  # fmt: skip
_QUIET = frozenset({"scaled", "woken", "idle"})


@dataclass(frozen=True, slots=True)
class Window:
    """The stretch that is drawn, in whole steps; the step that is not over is left out."""

    begin: float
    end: float
    step_s: float

    @property
    def count(self) -> int:
        """How many steps it has."""
        return round((self.end - self.begin) / self.step_s)

    def times(self) -> list[datetime]:
        """Return the begin of each step."""
        return [
            datetime.fromtimestamp(self.begin + n * self.step_s, UTC) for n in range(self.count)
        ]


def window(where: Scope, now: float) -> Window:
    """Return what is drawn: the range of the page; of all time the last hour."""
    back = RANGES[where.span]
    length = _HOUR_S if back is None else min(_LONGEST_S, back.total_seconds())
    step = float(next((s for s in _STEPS_S if length / s <= _POINTS), _STEPS_S[-1]))
    end = now // step * step
    return Window(end - length // step * step, end, step)


def draw(seen: Deployment, where: Scope) -> None:
    """Draw the chart, again and again."""
    live(_draw, LIVE_S)(seen.name, seen.project, seen.model, where)


def _draw(name: str, project: str, model: str, where: Scope) -> None:
    over = window(where, time.time())
    used = predicted.by_version(project, model, over.begin, over.end)
    if not used:
        notices.empty(
            f"Nobody asked it {_stretch(where)}",
            "Requests, latency and errors are drawn here from the first answer on. The part Try it "
            "asks it once.",
            icon="show_chart",
        )
        return
    whole = predicted.series(project, model, over.begin, over.end, over.step_s)
    newest = sorted(used, key=lambda one: -one.last_at)[:_VERSIONS]
    versions = {
        one.version: predicted.series(
            project, model, over.begin, over.end, over.step_s, one.version
        )
        for one in sorted(newest, key=lambda one: one.version)
    }
    begin, end = (datetime.fromtimestamp(at, UTC) for at in (over.begin, over.end))
    happened = marks(access.events(name), over)
    timeline.draw(
        panels(over, whole, versions), begin, end, key=f"deployment-chart:{name}:{where.span}",
        marks=happened,
    )  # fmt: skip
    asked, failed = sum(b.requests for b in whole), sum(b.errors for b in whole)
    st.caption(
        f"{counted(asked, 'request')} {_stretch(where)}, {counted(failed, 'error')}; a point is "
        f"{_step(over.step_s)}. From the prediction log."
    )


def _stretch(where: Scope) -> str:
    return "in the last hour" if RANGES[where.span] is None else where.sentence


def _step(seconds: float) -> str:
    return f"{seconds:g} s" if seconds < 120 else f"{seconds / 60:g} min"


def panels(
    over: Window, whole: Sequence["Bucket"], versions: dict[int, tuple["Bucket", ...]]
) -> list[Panel]:
    """Return the three panels."""
    times = over.times()
    asked = [
        Line(f"version {number}", times, _rate(found, over), stacked=len(versions) > 1)
        for number, found in versions.items()
    ]
    latency = [
        Line(label, times, _quantile(whole, over, name), colour=place)
        for place, (label, name) in enumerate(
            (("p50", "p50_ms"), ("p95", "p95_ms"), ("p99", "p99_ms"))
        )
    ]
    if len(versions) > 1:
        latency += [
            Line(f"p95 of version {number}", times, _quantile(found, over, "p95_ms"), dashed=True,
                 colour=3 + place)
            for place, (number, found) in enumerate(versions.items())
        ]  # fmt: skip
    return [
        Panel("Requests", "/s", asked),
        Panel("Latency", "ms", latency),
        Panel("Errors", "% of requests", [Line("errors", times, _errors(whole, over), colour=1)]),
    ]


def _places(found: Sequence["Bucket"], over: Window) -> dict[int, "Bucket"]:
    return {round((one.at - over.begin) / over.step_s): one for one in found}


def _rate(found: Sequence["Bucket"], over: Window) -> list[float | None]:
    """Return requests a second; the log is whole, so a step without an answer had none."""
    known = _places(found, over)
    return [known[n].requests / over.step_s if n in known else 0.0 for n in range(over.count)]


def _quantile(found: Sequence["Bucket"], over: Window, name: str) -> list[float | None]:
    known = _places(found, over)
    return [getattr(known[n], name) if n in known else None for n in range(over.count)]


def _errors(found: Sequence["Bucket"], over: Window) -> list[float | None]:
    known = _places(found, over)
    return [
        known[n].errors / known[n].requests * 100 if n in known else None for n in range(over.count)
    ]


def marks(events: Sequence[Event], over: Window) -> list[Mark]:
    """Return what was done to it then, as moments."""
    return [
        Mark(datetime.fromtimestamp(one.at, UTC), _named(one), _TONES.get(one.kind, "quiet"))
        for one in reversed(events)
        if over.begin <= one.at <= over.end and one.kind not in _QUIET
    ]


def _named(one: Event) -> str:
    word = looks.event(one.kind).word
    return word if one.version is None else f"{one.version} {word}"
