"""Who promoted what when, and what was promoted at a moment the reader chooses."""

from collections.abc import Sequence
from datetime import UTC, datetime, tzinfo

import streamlit as st

from dashboard import navigation, state
from dashboard.components import located, status, tables
from dashboard.numbers import moment
from dashboard.registry import access
from dashboard.registry.holders import answer, lasted
from dashboard.registry.search import model_aliases
from dashboard.text import plain
from services.actions.history import AliasSpan
from services.mirror.models import ModelVersion, RegisteredModel
from services.mirror.projects import CHAMPION

_AT = "at"


def draw(model: RegisteredModel) -> None:
    """Draw the history of an alias of the model."""
    st.subheader("Who promoted what when")
    known = list(dict.fromkeys((CHAMPION, *model_aliases(model))))
    alias = known[0]
    if len(known) > 1:
        alias = located.choice("Alias", known, name="held", default=CHAMPION)
    spans = access.spans(model, alias)
    if not spans:
        st.caption(nothing_known(model.with_alias(alias), plain(alias, 40)))
        return
    asked, told = st.columns([2, 5], gap="medium", vertical_alignment="bottom")
    with asked:
        at = _asked_moment(state.zone())
    with told:
        _answer(spans, alias, at)
    _spans(spans)


def nothing_known(holder: ModelVersion | None, alias: str) -> str:
    """Return what is said where the history of an alias is empty."""
    if holder is None:
        return f"No version was ever {alias}: the history begins with the first promotion."
    return (
        f"Version {holder.version} is {alias}. Who made it so and when was not seen: the "
        "controller notes every move from its first start on."
    )


def _asked_moment(zone: tzinfo) -> datetime:
    now = datetime.now(UTC)
    chosen = located.time(
        f"What was promoted at ({now.astimezone(zone):%Z})", name=_AT, about="Empty is now."
    )
    return now if chosen is None else chosen.replace(tzinfo=zone)


def _answer(spans: Sequence[AliasSpan], alias: str, at: datetime) -> None:
    found = answer(spans, alias, at, state.zone(), datetime.now(UTC))
    if found.version is not None:
        st.success(plain(found.sentence, 600), icon=":material/trophy:")
    elif found.known:
        st.warning(plain(found.sentence, 600), icon=":material/do_not_disturb_on:")
    else:
        st.info(plain(found.sentence, 600), icon=":material/help:")


def _spans(spans: Sequence[AliasSpan]) -> None:
    now, zone = datetime.now(UTC), state.zone()
    columns = {
        "version": st.column_config.TextColumn("Version", width=110),
        "state": status.column("State", ("current", "earlier")),
        "since": st.column_config.TextColumn("From", width=190),
        "until": st.column_config.TextColumn("Until", width=190),
        "lasted": st.column_config.TextColumn("For", width=130),
        "who": st.column_config.TextColumn("By", width=160),
        "why": st.column_config.TextColumn("Reason", width=300),
        "action": st.column_config.NumberColumn("Action", width=70, format="%d"),
    }
    rows = [
        {
            "version": "none" if span.version is None else f"version {span.version}",
            "state": status.cell("current" if span.until is None else "earlier"),
            "since": moment(span.since, zone),
            "until": "now" if span.until is None else moment(span.until, zone),
            "lasted": lasted(span, now),
            "who": span.actor,
            "why": span.reason or "none given",
            "action": span.action_id,
        }
        for span in spans
    ]
    tables.table(rows, columns, key="alias-spans", max_rows_shown=8)
    if navigation.has("activity"):
        navigation.link("activity", "All actions", icon="history")
