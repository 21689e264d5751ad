"""The matrix of deployments as one drawing."""

from collections.abc import Mapping, Sequence
from datetime import datetime, tzinfo

from dashboard import navigation
from dashboard.alerts import looks as alerts
from dashboard.alerts.address import FIND, QUIET
from dashboard.charts.theme import Colours
from dashboard.monitoring import address, looks, matrix, promise, retraining_looks
from dashboard.monitoring.looks import Look
from dashboard.monitoring.matrix import Cell, Row
from dashboard.numbers import counted, moment
from dashboard.text import markup
from services.monitoring.courses import FAMILIES
from services.monitoring.models import Family
from services.retraining.models import State as Retraining

_LEAST_PX = (104, 64, 76, 64, 64, 84, 104)
"""Of the columns: on a narrow page words stand below each other, none is cut off."""


_RETRAININGS: Mapping[Retraining, str] = {
    "open": "retraining waits for a decision", "accepted": "retraining is launched",
    "running": "retraining trains", "judging": "retrained, stands beside it",
}  # fmt: skip


def html(
    found: Sequence[Row], titles: Mapping[str, str], hues: Colours, now: datetime, zone: tzinfo,
    stretch: str,
) -> str:  # fmt: skip
    """Return the table; ``stretch`` says what the strips are of."""
    edge = f"border:none;border-bottom:1px solid {hues.line}"
    labels = [
        ("Deployment", ""), *((looks.TITLES[kind], looks.ABOUT[kind]) for kind in FAMILIES),
        ("Service", "What it promises and how that stands; below, how it answers now, of the last "
         "minute."),
        ("Last", "Last check, last prediction, last label; below, its requests over time."),
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
            f"{self._quiet(project)}{self._badges()}"
        )

    def _badges(self) -> str:
        """Return its alerts and its retraining, each a line that leads there."""
        row, lines = self._row, []
        if row.alerts is not None:
            shown = alerts.severity(row.alerts.severity or "")
            sign = shown.sign if row.alerts.severity else "◌"
            href = (
                navigation.address("alerts", **{FIND: row.name, QUIET: "true"})
                if navigation.has("alerts") else address.to(row.name)
            )  # fmt: skip
            text = f"{sign} {counted(row.alerts.count, 'alert')}"
            why = f"The worst is {shown.word}" if row.alerts.severity else "All are kept quiet"
            lines.append(self._badge(href, text, self._hues.of(shown.colour), why))
        if row.retraining is not None:
            steps = retraining_looks.look(row.retraining)
            text = f"{steps.sign} {_RETRAININGS.get(row.retraining, row.retraining)}"
            href = address.to(row.name, part="Retraining")
            lines.append(self._badge(href, text, looks.hue(steps, self._hues), steps.word))
        return "".join(f"<br>{one}" for one in lines)

    def _badge(self, href: str, text: str, tone: str, why: str) -> str:
        return (
            f'<a href="{markup(href)}" title="{markup(why)}" style="text-decoration:none;'
            f'color:{tone};font-weight:600;font-size:12px">{markup(text)}</a>'
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
        service, stands = self._row.service, self._row.promise
        if stands is None:
            below = self._quiet(service.figure) if service.figure else ""
            return f"{self._state(service.look, service.said)}<br>{below}"
        href = markup(address.to(self._row.name, part="Objectives"))
        told = markup(promise.told(stands.strip, self._stretch))
        head = self._state(stands.look, stands.said)
        left = f"{self._quiet(_unbroken(stands.figure))}<br>" if stands.figure else ""
        return (
            f'<a href="{href}" style="text-decoration:none;color:inherit;display:block">'
            f"{head}{looks.strip(stands.strip, self._hues, told)}</a>{left}{self._now_answers()}"
        )

    def _now_answers(self) -> str:
        """Return how it answers in a line of its own, loud where it fails."""
        service = self._row.service
        shown, hues = service.look, self._hues
        if self._row.promise is not None and shown.word == self._row.promise.look.word:
            return ""  # neither lately nor now: said once
        text = f"{shown.sign} {shown.word}" + (f", {service.figure}" if service.figure else " now")
        tone = looks.hue(shown, hues) if service.failing else hues.muted
        weight = 600 if service.failing else 400
        return (
            f'<span title="{markup(service.said, 500)}" style="color:{tone};font-size:12px;'
            f'font-weight:{weight}">{markup(_unbroken(text))}</span>'
        )

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
        return "<br>".join(lines) + self._requests()

    def _requests(self) -> str:
        stands = self._row.promise
        if stands is None or not stands.requests:
            return ""
        told = markup(promise.asked(stands.requests, self._stretch))
        return looks.bars(stands.requests, self._hues, told)

    def _state(self, shown: Look, why: str) -> str:
        tone = looks.hue(shown, self._hues)
        return (
            f'<span title="{markup(why, 500)}" style="color:{tone};font-weight:600;'
            f'display:inline-block">{shown.sign}&nbsp;{shown.word}</span>'
        )

    def _quiet(self, text: str) -> str:
        return f'<span style="color:{self._hues.muted};font-size:12px">{markup(text)}</span>'


def _unbroken(text: str) -> str:
    """Return a text that breaks after its commas alone: no figure is parted from its unit."""
    return text.replace(" ", "\xa0").replace(",\xa0", ", ")
