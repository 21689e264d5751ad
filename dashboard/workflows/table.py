"""The table of workflows as one drawing: links, bars of the last runs, figures."""

from collections.abc import Sequence
from datetime import datetime, tzinfo

from dashboard.charts.theme import Colours
from dashboard.numbers import age, duration, moment, percent
from dashboard.text import markup
from dashboard.workflows import address, bars, figures, states
from dashboard.workflows.figures import Line, said_of, who
from services.mirror.workflow_models import Workflow

LENGTH = 12
"""Last runs that are drawn."""
_HEADS = (
    ("Workflow", "left"),
    ("Last run", "left"),
    ("Last runs", "right"),
    ("Next run", "left"),
    ("Usually", "right"),
)


def html(lines: Sequence[Line], hues: Colours, now: datetime, zone: tzinfo) -> str:
    """Return the table."""
    edge = f"border:none;border-bottom:1px solid {hues.line}"
    heads = "".join(
        f'<th scope="col" style="text-align:{side};font-weight:500;font-size:12px;color:'
        f'{hues.muted};padding:2px 12px 4px 0;{edge}">{label}</th>'
        for label, side in _HEADS
    )
    rows = "".join(_row(line, hues, now, zone, edge) for line in lines)
    return (
        f'{bars.look()}<div style="overflow-x:auto"><table style="width:100%;'
        "border-collapse:collapse;margin:0;"
        'border:none;font-variant-numeric:tabular-nums;font-size:13px;line-height:18px">'
        f"<thead><tr>{heads}</tr></thead><tbody>{rows}</tbody></table></div>"
    )


def _row(line: Line, hues: Colours, now: datetime, zone: tzinfo, edge: str) -> str:
    cell = f"padding:5px 12px 5px 0;vertical-align:middle;{edge}"
    why = markup(figures.record_said(line.record), 200)
    return (
        f'<tr><td style="{cell};min-width:160px">{_name(line, hues)}</td>'
        f'<td style="{cell}">{_last(line, hues, now, zone)}</td>'
        f'<td style="{cell}"><div style="display:flex;justify-content:flex-end">'
        f"{bars.html(line.strip, hues, now, LENGTH)}</div></td>"
        f'<td style="{cell}">{_next(line.workflow, hues, now, zone)}</td>'
        f'<td style="{cell};text-align:right;white-space:nowrap;padding-right:0" title="{why}">'
        f"{_usually(line, hues)}</td></tr>"
    )


def _usually(line: Line, hues: Colours) -> str:
    """Return the median of successes, and below it their share."""
    found = line.record
    if found.share is None:
        return _quiet("none ended", hues)
    took = "no success" if found.median_s is None else duration(found.median_s)
    return f"{took}<br>{_quiet(f'{percent(found.share)} of {found.ended:,}', hues)}"


def _quiet(text: str, hues: Colours) -> str:
    return f'<span style="color:{hues.muted}">{markup(text)}</span>'


def _name(line: Line, hues: Colours) -> str:
    one = line.workflow
    href = markup(address.to_dag(one.dag_id))
    marks = "".join(_mark(word, hues) for word in _marks(one))
    return (
        f'<a href="{href}" style="text-decoration:none;color:{hues.text};font-weight:600">'
        f"{markup(one.title, 80)}</a><br>{_quiet(one.dag_id, hues)}{marks}"
    )


def _marks(one: Workflow) -> list[str]:
    return [word for word, is_so in (("broken", one.broken), ("paused", one.paused)) if is_so]


def _mark(word: str, hues: Colours) -> str:
    tone = hues.bad if word == "broken" else hues.warn
    sign = "✕" if word == "broken" else "❚❚"
    return (
        f' <span style="color:{tone};border:1px solid {tone};border-radius:4px;padding:0 5px;'
        f'font-size:11px;white-space:nowrap">{sign} {word}</span>'
    )


def _last(line: Line, hues: Colours, now: datetime, zone: tzinfo) -> str:
    run = line.last
    if run is None:
        return _quiet("never ran", hues)
    tone = states.tone(run.state, hues)
    first, _, rest = said_of(run, now).partition(", ")
    at = markup(moment(run.ended_at or run.started_at or run.queued_at, zone))
    below = ", ".join(part for part in (rest, who(run)) if part)
    return (
        f'<a href="{markup(address.to_run(run.dag_id, run.run_id))}" title="{at}" style="color:'
        f'{tone};text-decoration:none;white-space:nowrap">{states.shape(run.state)} '
        f"{markup(first)}</a><br>{_quiet(below, hues)}"
    )


def _next(one: Workflow, hues: Colours, now: datetime, zone: tzinfo) -> str:
    by = figures.schedule(one)
    if one.next_run_at is None or one.paused:
        return _quiet(f"{by}, paused" if one.paused and one.schedule else by, hues)
    at = markup(moment(one.next_run_at, zone))
    return f'<span title="{at}">{age(one.next_run_at, now)}</span><br>{_quiet(by, hues)}'
