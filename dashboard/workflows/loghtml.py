"""A piece of a log as our own HTML: numbers, times, levels, and what was looked for marked."""

from collections.abc import Sequence
from datetime import tzinfo

from dashboard.charts.theme import Colours
from dashboard.text import markup, shortened
from dashboard.workflows.logbook import LINE_LIMIT, Line, Match

HEIGHT_PX = 480
HERE = "log-match"
"""The element of the match that is looked at."""
_LEVELS = {"error": "bad", "critical": "bad", "warning": "warn", "debug": "muted"}


def html(
    lines: Sequence[tuple[int, Line]],
    found: Sequence[Match],
    here: Match | None,
    hues: Colours,
    zone: tzinfo,
) -> str:
    """Return lines, (place, line) each, in a box that stays at its end as they come.

    Args:
        lines: What is shown.
        found: All matches; those of other lines are left out.
        here: The match that is looked at.
        hues: The theme's colours.
        zone: Of the times.
    """
    by_place: dict[int, list[Match]] = {}
    for match in found:
        by_place.setdefault(match.place, []).append(match)
    drawn = "\n".join(
        _line(line, by_place.get(place, ()), here, hues, zone) for place, line in lines
    )
    # A box that is filled from its end stays there while lines come, without a script.
    return (
        f'<div tabindex="0" role="log" aria-label="log" style="display:flex;flex-direction:'
        f"column-reverse;max-height:{HEIGHT_PX}px;overflow:auto;background:{hues.surface};border:"
        f'1px solid {hues.line};border-radius:6px;padding:8px 12px"><pre style="margin:0;padding:0;'
        f"background:none;border:none;font-size:12px;line-height:1.55;white-space:pre-wrap;"
        f'overflow-wrap:anywhere;color:{hues.text}">{drawn}</pre></div>'
    )


def _line(
    line: Line, matches: Sequence[Match], here: Match | None, hues: Colours, zone: tzinfo
) -> str:
    tone = _LEVELS.get(line.level)
    at = f"{line.at.astimezone(zone):%H:%M:%S}" if line.at else " " * 8
    head = f'<span style="color:{hues.muted}">{line.number:>5} {at} </span>'
    text = _marked(shortened(line.text, LINE_LIMIT), matches, here, hues)
    level = f"{line.level.upper()} " if tone in {"bad", "warn"} and not line.more else ""
    if tone is None:
        return f"{head}{text}"
    return f'{head}<span style="color:{getattr(hues, tone)}">{level}{text}</span>'


def _marked(text: str, matches: Sequence[Match], here: Match | None, hues: Colours) -> str:
    parts, at = [], 0
    for match in matches:
        parts.append(markup(text[at : match.begin]))
        is_here = match == here
        look = (
            f"background:{hues.warn};color:{hues.background}"
            if is_here
            else f"background:color-mix(in srgb,{hues.warn} 30%,transparent);color:inherit"
        )
        name = f'id="{HERE}" ' if is_here else ""
        parts.append(f'<mark {name}style="{look}">{markup(text[match.begin : match.end])}</mark>')
        at = match.end
    return "".join([*parts, markup(text[at:])])


def scroll_to_match(turn: int) -> str:
    """Return the script that brings the match that is looked at into view; once a ``turn``."""
    return (
        f"<script>/* {turn:d} */ setTimeout(() => document.getElementById('{HERE}')"
        "?.scrollIntoView({block: 'nearest'}), 60)</script>"
    )
