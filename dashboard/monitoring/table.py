"""The matrix of deployments as one drawing."""

from collections.abc import Mapping, Sequence
from datetime import datetime, tzinfo

from dashboard.charts.theme import Colours
from dashboard.monitoring import address, looks, matrix
from dashboard.monitoring.looks import Look
from dashboard.monitoring.matrix import Cell, Row
from dashboard.numbers import moment
from dashboard.text import markup
from services.monitoring.courses import FAMILIES
from services.monitoring.models import Family

_LEAST_PX = (104, 64, 76, 64, 64, 60, 96)
"""Of the columns: on a narrow page words stand below each other, none is cut off."""


def html(
    found: Sequence[Row], titles: Mapping[str, str], hues: Colours, now: datetime, zone: tzinfo,
    stretch: str,
) -> str:  # fmt: skip
    """Return the table; ``stretch`` says what the strips are of."""
    edge = f"border:none;border-bottom:1px solid {hues.line}"
    labels = [
        ("Deployment", ""), *((looks.TITLES[kind], looks.ABOUT[kind]) for kind in FAMILIES),
        ("Service", "How it answers, of the last minute, as the gateway counts it."),
        ("Last", "Last check, last prediction, last label."),
    ]  # fmt: skip
    heads = "".join(
        f'<th scope="col" title="{about}" style="text-align:left;font-weight:500;font-size:12px;'
        f'color:{hues.muted};padding:2px 12px 4px 0;vertical-align:bottom;{edge}">{label}</th>'
        for label, about in labels
    )
    body = "".join(_Drawn(one, titles, hues, now, zone, stretch).html() for one in found)
    return (
        '<div style="overflow-x:auto" tabindex="0" role="region" aria-label="Monitoring">'
        '<table style="width:100%;border-collapse:collapse;margin:0;border:none;'
        'font-variant-numeric:tabular-nums;font-size:13px;line-height:18px">'
        f"<thead><tr>{heads}</tr></thead><tbody>{body}</tbody></table></div>"
    )


class _Drawn:
    """One row."""

    def __init__(
        self, row: Row, titles: Mapping[str, str], hues: Colours, now: datetime, zone: tzinfo,
        stretch: str,
    ) -> None:  # fmt: skip
        self._row, self._titles, self._hues = row, titles, hues
        self._now, self._zone, self._stretch = now, zone, stretch

    def html(self) -> str:
        cells = [self._name(), *(self._verdict(kind, self._row.cells[kind]) for kind in FAMILIES)]
        cells += [self._service(), self._last()]
        edge = f"border:none;border-bottom:1px solid {self._hues.line}"
        return "<tr>" + "".join(
            f'<td style="padding:6px 12px 6px 0;vertical-align:top;{edge};min-width:{wide}px">'
            f"{inner}</td>"
            for wide, inner in zip(_LEAST_PX, cells, strict=True)
        ) + "</tr>"  # fmt: skip

    def _name(self) -> str:
        row, hues = self._row, self._hues
        live = row.role == "live"
        href = markup(address.to(row.name, version=None if live else row.version))
        project = self._titles.get(row.project, row.project)
        return (
            f'<a href="{href}" style="text-decoration:none;color:{hues.text};font-weight:600">'
            f"{markup(row.model, 60)}</a> "
            f'<span style="white-space:nowrap">{row.version} {self._quiet(row.role)}</span><br>'
            f"{self._quiet(project)}"
        )

    def _verdict(self, kind: Family, cell: Cell) -> str:
        head = self._state(cell.look, cell.said)
        if cell.degree is None:
            return head
        told = markup(looks.told(cell.strip, kind, self._stretch))
        live = self._row.role == "live"
        part = "Accuracy" if kind == "accuracy" else "Quality" if kind == "quality" else None
        href = markup(
            address.to(self._row.name, version=None if live else self._row.version, part=part)
        )
        return (
            f'<a href="{href}" style="text-decoration:none;color:inherit;display:block">'
            f"{head}{looks.strip(cell.strip, self._hues, told)}</a>"
        )

    def _service(self) -> str:
        service = self._row.service
        below = self._quiet(service.figure) if service.figure else ""
        return f"{self._state(service.look, service.said)}<br>{below}"

    def _last(self) -> str:
        lines = []
        for what, passed, at in matrix.freshness(self._row, self._now):
            told = markup(moment(matrix.moment(at), self._zone))
            late = what == "check" and self._row.late
            text = f"{what} {passed}"
            shown = (
                f'<b style="color:{self._hues.warn};font-weight:600;font-size:12px">▲ {text}</b>'
                if late
                else self._quiet(text)
            )
            why = "No check for three hours: see `mlops status`. " if late else ""
            lines.append(f'<span title="{why}{told}">{shown}</span>')
        return "<br>".join(lines)

    def _state(self, shown: Look, why: str) -> str:
        tone = looks.hue(shown, self._hues)
        return (
            f'<span title="{markup(why, 500)}" style="color:{tone};font-weight:600;'
            f'display:inline-block">{shown.sign}&nbsp;{shown.word}</span>'
        )

    def _quiet(self, text: str) -> str:
        return f'<span style="color:{self._hues.muted};font-size:12px">{markup(text)}</span>'
