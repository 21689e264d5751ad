"""A report as one HTML file: no script, nothing fetched, made to be printed, too."""

import html
import re
from collections.abc import Sequence

from services.reports import csvs, drawing, seals
from services.reports.asking import COMMANDS
from services.reports.models import Figure, Report, Section, Table
from services.reports.style import STYLE
from services.reports.units import told

_CELL = 400
"""Characters of a cell at most."""
_SENTENCE = 45
"""Characters that the cells of a column have on average, from which on it is of sentences."""
_SMALL = 0.005
"""A change by less is told, and not judged; of shares every change is: 99.9 % is not 99.5 %."""
_UNIT = re.compile(r"(?<=\d) (?=%|(?:ms|min|[hsW]|[kM]?J|[kMG]B|GiB|bytes)\b)")


def page(report: Report) -> str:
    """Return the file."""
    title = html.escape(f"{report.title}: report")
    window = report.window
    when = f"{window.since:%Y-%m-%d %H:%M} to {window.until:%Y-%m-%d %H:%M} UTC"
    before = f"{window.before.since:%Y-%m-%d %H:%M} to {window.before.until:%Y-%m-%d %H:%M} UTC"
    links = "".join(
        f'<a href="#{html.escape(one.key)}">{html.escape(one.title)}</a>' for one in report.sections
    )
    body = "".join(_section(one) for one in report.sections)
    whole = (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        '<meta http-equiv="Content-Security-Policy" '
        "content=\"default-src 'none'; style-src 'unsafe-inline'\">"
        f"<title>{title}</title><style>{STYLE}</style></head><body><header><h1>"
        f"{html.escape(report.title)}</h1><p><strong>{when}</strong><br>"
        f'<span class="muted">compared with {before}; made {report.made_at:%Y-%m-%d %H:%M} UTC'
        f"</span></p><nav>{links}</nav></header><main>{body}</main>"
    )
    return seals.sealed(whole)


def _section(one: Section) -> str:
    inner = "".join(
        (
            f'<p class="missing"><strong>Could not be read.</strong> {html.escape(one.missing)}</p>'
            if one.missing
            else "",
            f'<div class="figures">{"".join(map(_figure, one.figures))}</div>'
            if one.figures
            else "",
            *map(drawing.chart, one.charts),
            f'<div class="small">{"".join(map(drawing.small, one.small))}</div>'
            if one.small
            else "",
            *map(_table, one.tables),
            *(f'<p class="muted">{html.escape(note)}</p>' for note in one.notes),
            _commands(one.key),
        )
    )
    key = html.escape(one.key)
    return f'<section id="{key}"><h2>{html.escape(one.title)}</h2>{inner}</section>'


def _commands(key: str) -> str:
    told_by = " ".join(f"<code>mlops {one}</code>" for one in COMMANDS.get(key, ()))
    return f'<p class="source">As it is now: {told_by}</p>' if told_by else ""


def _figure(one: Figure) -> str:
    said = told(one.value, one.unit) if one.value is not None else "not known"
    below = change(one) if one.value is not None else html.escape(one.reason)
    return (
        f'<div class="figure">{html.escape(one.label)}<b>{html.escape(said)}</b><div>{below}</div>'
        f'<div class="source">From {html.escape(one.source)}</div></div>'
    )


def change(one: Figure) -> str:
    """Return how a figure compares with the one before, with a sign, a word and a colour."""
    if one.value is None or one.standing:
        return ""
    if one.before is None:
        return '<span class="muted">not known before</span>'
    was = html.escape(told(one.before, one.unit))
    if one.value == one.before:
        return f'<span class="muted">= as before ({was})</span>'
    up = one.value > one.before
    little = one.before and one.unit != "ratio" and abs(one.value / one.before - 1) < _SMALL
    good = None if little else {"more": up, "less": not up, "": None}[one.better]
    word = "" if good is None else ", better" if good else ", worse"
    style = "muted" if good is None else "good" if good else "bad"
    by = ""
    if one.before and one.unit != "ratio":
        by = f" by {abs(one.value / one.before - 1) * 100:.3g} %"
    return f'<span class="{style}">{"▲" if up else "▼"} {"up" if up else "down"}{by}{word} (was {was})</span>'  # noqa: E501


def _table(one: Table) -> str:
    head = f"<h3>{html.escape(one.title)}</h3>"
    source = f"From {html.escape(one.source)}"
    if not one.rows:
        empty = f'<p class="muted">{html.escape(one.empty)}</p>'
        return f'{head}{empty}<div class="source">{source}</div>'
    wide = [_is_long(one, place) for place in range(len(one.columns))]
    names = "".join(
        f'<th scope="col"{_LONG if long else ""}>{html.escape(name)}</th>'
        for name, long in zip(one.columns, wide, strict=True)
    )
    rows = "".join(f"<tr>{_cells(row)}</tr>" for row in one.rows)
    more = f'<p class="muted">and {one.rest.count:,} more.</p>' if one.rest.count else ""
    return (
        f'{head}<div class="wide"><table><thead><tr>{names}</tr></thead><tbody>{rows}</tbody>'
        f'</table></div>{more}<div class="source">{source}{_csv(one)}</div>'
    )


_LONG = ' class="long"'


def _is_long(one: Table, place: int) -> bool:
    """Return whether a column holds sentences, for which a narrow one is no room."""
    return sum(min(len(row[place]), _CELL) for row in one.rows) > _SENTENCE * len(one.rows)


def _csv(one: Table) -> str:
    """Return the link to all rows that are in the file."""
    there = len(one.rows) + len(one.rest.rows)
    all_of = "all rows"
    if one.rest.more:
        all_of = f"the first {there:,} of {there + one.rest.more:,} rows"
    link = f'download="{csvs.file_name(one)}" href="{csvs.link(one)}"'
    return f'<span class="raw"> · <a {link}>CSV, {all_of}</a></span>'


def _cells(row: Sequence[str]) -> str:
    return "".join(f"<td>{_told(_short(cell))}</td>" for cell in row)


def _told(text: str) -> str:
    """Return text for the page; no line ends between a number and its unit."""
    return _UNIT.sub("\N{NO-BREAK SPACE}", html.escape(text))


def _short(text: str) -> str:
    return text if len(text) <= _CELL else f"{text[: _CELL - 1]}…"
