"""What fired, what it led to, how it ended, who looked after it and who was told: a page of it."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, tzinfo

import streamlit as st

from dashboard import navigation, state
from dashboard.alerts import access, address, looks
from dashboard.alerts.address import FIND
from dashboard.charts.theme import Colours, colours
from dashboard.components import located, notices, older
from dashboard.components.tables import PAGE_SIZE
from dashboard.monitoring.address import to_retraining
from dashboard.numbers import age, counted, duration, moment
from dashboard.scope import Scope
from dashboard.text import markup
from services.alerting.models import Alert
from services.retraining.models import Proposal
from services.retraining.outcomes import Outcome

_HEADS = (
    "Alert",
    "State",
    "Began, lasted",
    "Who looked after it",
    "Told",
    "Led to",
    "How it ended",
)

_SHOWN = 2
"""Retrainings of an alert; its story has all."""


def draw(where: Scope) -> None:
    """Draw the page that the address names."""
    words = located.text("Find", name=FIND, placeholder="Words, a key, a thread", width=260).strip()
    found = access.history(where, words, older.cursor(), PAGE_SIZE)
    if not found:
        notices.empty(
            "No alert",
            f"Nothing like this fired {where.sentence}.",
            icon="history",
            command="mlops alerts list --all",
        )
        return
    led_to = access.led_to(found)
    st.html(html(found, led_to, colours(), datetime.now(UTC), state.zone()))
    older.draw([one.id for one in found], PAGE_SIZE)


def html(
    found: Sequence[Alert], led_to: Mapping[int, Outcome], hues: Colours, now: datetime,
    zone: tzinfo,
) -> str:  # fmt: skip
    """Return the table; a click on a title opens the alert's story."""
    edge = f"border:none;border-bottom:1px solid {hues.line}"
    heads = "".join(
        f'<th scope="col" style="text-align:left;font-weight:500;font-size:12px;'
        f'color:{hues.muted};padding:2px 12px 4px 0;{edge}">{head}</th>'
        for head in _HEADS
    )
    none = Outcome()
    rows = "".join(_row(one, led_to.get(one.id, none), hues, now, zone, edge) for one in found)
    return (
        '<div style="overflow-x:auto" tabindex="0" role="region" aria-label="History of alerts">'
        '<table style="width:100%;border-collapse:collapse;margin:0;border:none;'
        'font-variant-numeric:tabular-nums;font-size:13px;line-height:18px">'
        f"<thead><tr>{heads}</tr></thead><tbody>{rows}</tbody></table></div>"
    )


def _row(
    alert: Alert, led_to: Outcome, hues: Colours, now: datetime, zone: tzinfo, edge: str
) -> str:
    severity, standing = looks.severity(alert.severity), looks.state(alert.state)
    began = datetime.fromtimestamp(alert.since, UTC)
    lasted = max(0.0, (alert.resolved_at or now.timestamp()) - alert.since)
    seen = f", seen {counted(alert.count, 'time')}" if alert.count > 1 else ""
    quiet = f"color:{hues.muted};font-size:12px"
    cells = (
        f'<span style="color:{looks.hue(severity, hues)}" title="{severity.word}">{severity.sign}'
        f'</span> <a href="{markup(address.to(alert.id))}" style="color:{hues.text};'
        f'font-weight:600;text-decoration:none">{markup(alert.title or alert.key, 120)}</a>'
        f'<br><span style="{quiet}">{markup(alert.project or "platform", 60)} · '
        f"{markup(alert.kind, 30)}</span>",
        f'<span style="color:{looks.hue(standing, hues)};white-space:nowrap">{standing.sign} '
        f"{standing.word}</span>",
        f'<span title="{markup(moment(began, zone))}" style="white-space:nowrap">'
        f'{age(began, now)}</span><br><span style="{quiet};white-space:nowrap">'
        f"{'' if alert.resolved_at else 'for '}{duration(lasted)}{seen}</span>",
        _who(alert, quiet),
        markup(", ".join(sorted(alert.told)) or "nobody", 120),
        _led_to(led_to, hues),
        markup(alert.resolution or ("–" if alert.open else "It is well again."), 200),
    )
    drawn = "".join(
        f'<td style="padding:6px 12px 6px 0;vertical-align:top;overflow-wrap:break-word;{edge}">'
        f"{cell}</td>"
        for cell in cells
    )
    return f"<tr>{drawn}</tr>"


def _led_to(found: Outcome, hues: Colours) -> str:
    parts = [_retraining(one, hues) for one in found.retrainings[:_SHOWN]]
    if len(found.retrainings) > _SHOWN:
        parts.append(f"and {len(found.retrainings) - _SHOWN:,} before")
    if found.others:
        told = " · ".join(f"{one.title}: {one.state}" for one in found.others)
        parts.append(
            f'<span title="{markup(told, 800)}">{counted(len(found.others), "action")}</span>'
        )
    return "<br>".join(parts) or "–"


def _retraining(one: Proposal, hues: Colours) -> str:
    said = f"Retraining {one.id} {one.state}"
    title = markup(one.said or one.why, 400)
    if not navigation.has("monitoring"):
        return f'<span title="{title}">{said}</span>'
    href = to_retraining(one.id)
    return (
        f'<a href="{markup(href)}" title="{title}" style="color:{hues.accent};'
        f'text-decoration:none">{said}</a>'
    )


def _who(alert: Alert, quiet: str) -> str:
    if alert.owner is None:
        return "nobody"
    note = f'<br><span style="{quiet}">{markup(alert.note, 120)}</span>' if alert.note else ""
    return f"{markup(alert.owner, 60)}{note}"
