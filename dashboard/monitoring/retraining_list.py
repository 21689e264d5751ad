"""All retrainings: how far each is, why, what it took, what came of it; drawn again as they go."""

from collections.abc import Sequence
from datetime import UTC, datetime, tzinfo

import streamlit as st

from dashboard import navigation, state
from dashboard.alerts.address import to as to_alert
from dashboard.charts.theme import Colours, colours
from dashboard.components import located, notices, older
from dashboard.components.live import live
from dashboard.components.tables import PAGE_SIZE
from dashboard.deployments.looks import hue
from dashboard.monitoring import retraining_access as access
from dashboard.monitoring import retraining_looks as looks
from dashboard.monitoring.address import STATUS, to_retraining
from dashboard.numbers import age, delta, duration, moment
from dashboard.scope import Scope
from dashboard.text import markup
from services.retraining import wording
from services.retraining.models import Proposal, State

_HEADS = ("Retraining", "State", "Why", "Cost", "Outcome", "When")
_WIDE_PX = (84, 74, 126, 62, 108, 60)
"""Of each column at least: they fit into a window of 1000."""
_LIVE_S = 5.0
_ALERTS = 3
"""Of a retraining; its own page has all."""


def draw(where: Scope) -> None:
    """Draw the filter and the page of the list that the address names."""
    words = located.several("State", looks.WORDS, name=STATUS)
    states = looks.states(words)
    found = access.listed(where, states, older.cursor(), PAGE_SIZE)
    if found:
        live(_draw, _LIVE_S)(where, states)
        older.draw([one.id for one in found], PAGE_SIZE)
        return
    if states:
        st.caption(f"None of these {where.sentence}. Take a state away.")
        return
    notices.empty(
        "No retraining",
        f"None was proposed {where.sentence}. A model that got worse leads to a proposal, or "
        "somebody proposes one: on the page of a model, or of a deployment.",
        icon="model_training",
        command="mlops retrain propose PROJECT/MODEL --why TEXT",
        action=lambda: navigation.link("registry", "To the registry", icon="deployed_code"),
    )


def _draw(where: Scope, states: Sequence[State]) -> None:
    found = access.listed(where, states, older.cursor(), PAGE_SIZE)
    st.html(html(found, colours(), datetime.now(UTC), state.zone()))


def html(found: Sequence[Proposal], hues: Colours, now: datetime, zone: tzinfo) -> str:
    """Return the table; a click on a name opens the retraining with its thread."""
    edge = f"border:none;border-bottom:1px solid {hues.line}"
    heads = "".join(
        f'<th scope="col" style="text-align:left;font-weight:500;font-size:12px;'
        f'color:{hues.muted};padding:2px 12px 4px 0;{edge}">{head}</th>'
        for head in _HEADS
    )
    rows = "".join(_row(one, hues, now, zone, edge) for one in found)
    return (
        '<div style="overflow-x:auto" tabindex="0" role="region" aria-label="Retrainings">'
        '<table style="width:100%;border-collapse:collapse;margin:0;border:none;'
        'font-variant-numeric:tabular-nums;font-size:13px;line-height:18px">'
        f"<thead><tr>{heads}</tr></thead><tbody>{rows}</tbody></table></div>"
    )


def _row(one: Proposal, hues: Colours, now: datetime, zone: tzinfo, edge: str) -> str:
    shown = looks.look(one.state)
    quiet = f"color:{hues.muted};font-size:12px"
    lineage = navigation.address("lineage", id=f"retraining:{one.id}")
    cells = (
        f"{_link(to_retraining(one.id), f'Retraining {one.id}', f'{hues.text};font-weight:600')}"
        f'<br><span style="{quiet}">{markup(one.project, 60)} · {markup(one.model, 60)}'
        f"{_versions(one)}</span><br>{_link(lineage, 'Lineage', f'{hues.accent};font-size:12px')}",
        f'<span style="color:{hue(shown, hues)}"><span aria-hidden="true">{shown.sign}</span> '
        f"{shown.word}</span>",
        f"{markup(one.why, 160)}{_who(one, quiet, hues)}",
        _cost(one, quiet),
        _outcome(one, quiet),
        _when(one, now, zone, quiet),
    )
    drawn = "".join(
        f'<td style="padding:6px 12px 6px 0;vertical-align:top;overflow-wrap:anywhere;'
        f'min-width:{wide}px;{edge}">{cell}</td>'
        for cell, wide in zip(cells, _WIDE_PX, strict=True)
    )
    return f"<tr>{drawn}</tr>"


def _versions(one: Proposal) -> str:
    named = [str(number) for number in (one.version, one.candidate) if number is not None]
    told = " → ".join(named)
    return f' <span style="white-space:nowrap">{told}</span>' if named else ""


def _who(one: Proposal, quiet: str, hues: Colours) -> str:
    alerts = [_link(to_alert(number), f"Alert {number}", hues.accent) for number in one.alerts]
    people = [markup(name, 40) for name in dict.fromkeys(each.by for each in one.evidence) if name]
    return f'<br><span style="{quiet}">{", ".join((*alerts[:_ALERTS], *people))}</span>'


def _cost(one: Proposal, quiet: str) -> str:
    """Return what it took, measured; before it ended what it takes by history."""
    spent, how = wording.spent(one), "measured"
    if not spent and not one.ended:
        known = ((one.minutes, "min"), (one.joules, "J"))
        parts = [f"{found.median:,.4g} {unit}" for found, unit in known if found is not None]
        spent, how = " and ".join(parts), "by history"
    spent = spent.replace(" and ", "<br>")  # a line each
    return f'{spent}<br><span style="{quiet}">{how}</span>' if spent else "–"


def _outcome(one: Proposal, quiet: str) -> str:
    said = one.refused if one.state == "open" else one.said
    changed = delta(one.change, 0.0)
    metric = f'<br><span style="{quiet}">metric {changed.text}</span>' if changed else ""
    return f"{markup(said, 160) or '–'}{metric}"


def _when(one: Proposal, now: datetime, zone: tzinfo, quiet: str) -> str:
    begun = datetime.fromtimestamp(one.created_at, UTC)
    lasted = max(0.0, (one.ended_at or now.timestamp()) - one.created_at)
    return (
        f'<span title="{markup(moment(begun, zone))}" style="white-space:nowrap">'
        f'{age(begun, now)}</span><br><span style="{quiet};white-space:nowrap">'
        f"{'lasted' if one.ended else 'for'} {duration(lasted)}</span>"
    )


def _link(address: str, label: str, colour: str) -> str:
    return (
        f'<a href="{markup(address)}" style="color:{colour};text-decoration:none;'
        f'white-space:nowrap">{label}</a>'
    )
