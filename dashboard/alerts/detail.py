"""One alert with its whole story; drawn again every few seconds."""

from datetime import UTC, datetime

import streamlit as st

from dashboard import navigation, state
from dashboard.alerts import access, acting, drawing, links, looks, story
from dashboard.alerts.access import Story
from dashboard.alerts.acting import Reasons
from dashboard.alerts.row import coded
from dashboard.charts.theme import Colours, colours
from dashboard.components import ages
from dashboard.components.live import live
from dashboard.numbers import age, counted, duration
from dashboard.text import plain
from services.alerting.evidence import parts
from services.alerting.models import WHY, Alert

LIVE_S = 3.0


def draw(alert_id: int, off: str | None) -> None:
    """Draw it.

    Raises:
        NotFoundError: There is none of this number in what the person may see.
    """
    access.one(alert_id)
    live(_draw, LIVE_S)(alert_id, off)


def _draw(alert_id: int, off: str | None) -> None:
    found, reasons = access.story(alert_id), Reasons(off)
    alert = found.alert
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        for shown in (looks.severity(alert.severity), looks.state(alert.state)):
            st.badge(shown.word, icon=f":material/{shown.icon}:", color=shown.colour)
        st.badge(plain(alert.project or "platform", 60), icon=":material/folder:", color="gray")
        st.badge(plain(alert.kind, 40), icon=":material/sell:", color="gray")
    st.markdown(f"#### {plain(alert.title or alert.key, 300)}")
    st.caption(_lasts(alert), help=_exact(alert.since))
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        if alert.open:
            _buttons(alert, reasons)
        for way in (links.way(alert, admin=links.admin()), links.why(alert), links.origin(alert)):
            if way is not None and navigation.has(way.page):
                navigation.link(way.page, way.label, icon="arrow_forward", hover="", **way.params)
    left, right = st.columns([3, 2], gap="medium")
    with left:
        _what(alert)
        st.subheader("Its story")
        st.html(story.html(story.told(found, _whole()), colours(), state.zone()))
    with right:
        _standing(found)
        _ties(found)


def _buttons(alert: Alert, reasons: Reasons) -> None:
    if alert.state == "unknown":
        acting.button("close", [alert.id], "alert-close", reasons.against("close", alert.project))
    acting.button(
        "ack", [alert.id], "alert-ack", reasons.against("ack", alert.project),
        label="Acknowledge" if alert.owner is None else "Take it over",
    )  # fmt: skip
    if alert.owner is not None:
        acting.button(
            "release", [alert.id], "alert-release", reasons.against("release", alert.project)
        )
    if alert.silence is None:
        acting.button(
            "silence", [alert.id], "alert-silence", reasons.against("silence", alert.project)
        )


def _lasts(alert: Alert) -> str:
    seen = f", seen {counted(alert.count, 'time')}" if alert.count > 1 else ""
    if alert.resolved_at is not None:
        lasted = duration(max(0.0, alert.resolved_at - alert.since))
        return f"It lasted {lasted} and ended {_ago(alert.resolved_at)}{seen}."
    return f"Since {_ago(alert.since)}{seen}; the newest evidence is of {_ago(alert.last_at)}."


def _ago(at: float) -> str:
    return age(datetime.fromtimestamp(at, UTC))


def _exact(at: float) -> str:
    return f"Since {ages.exact(datetime.fromtimestamp(at, UTC))}"


def _whole() -> bool:
    """Return whether the person may read messages that tell of other projects, too."""
    return state.visible_projects() is None


def _what(alert: Alert) -> None:
    lines = [("What", alert.said)]
    if alert.resolved_at is not None:
        lines.append(("How it ended", alert.resolution or "It is well again."))
    if alert.unknown_because:
        lines.append(("Now", f"Nobody can tell: {alert.unknown_because}"))
    lines.append(("Likely cause", alert.cause or "None found yet."))
    if alert.open:
        lines.append(("What to do", alert.suggestion))
    hues = colours()
    drawn = [(label, coded(text, hues)) for label, text in lines if text]
    drawn += [
        ("" if place else "Evidence", _shown(alert, one, hues))
        for place, one in enumerate(filter(None, alert.evidence))
    ]
    st.html(drawing.pairs(drawn, hues, inner=True))


def _shown(alert: Alert, text: str, hues: Colours) -> str:
    """Return a piece of evidence with a link to the page that shows it."""
    said, link = parts(text)
    way = links.cited(alert, link) if link else None
    return coded(said if way else text, hues) + (f" {drawing.to(way, hues)}" if way else "")


def _standing(found: Story) -> None:
    alert, silence = found.alert, found.silence
    with st.container(border=True, gap="xsmall"):
        st.markdown("**Who looks after it**")
        if alert.owner is not None:
            note = f": {plain(alert.note, 400)}" if alert.note else "."
            when = _ago(alert.acknowledged_at or alert.since)
            st.markdown(f"{plain(alert.owner)}, {when}{note}")
            _ends(alert)
        elif alert.left_by is not None:
            did = f"{plain(alert.left_by)} did until {_ago(alert.left_at or alert.since)}."
            st.caption(f"Nobody now; {did}" if alert.open else did)
        else:
            st.caption("Nobody." if alert.open else "Nobody did.")
        if silence is not None:
            until = datetime.fromtimestamp(silence.expires_at, UTC)
            st.markdown(
                f":material/notifications_off: Silenced by {plain(silence.owner)} until "
                f"{plain(ages.exact(until))}: {plain(silence.reason, 400)}"
            )
        if alert.inhibited_by is not None:
            by = found.by
            if by is None:
                st.caption("Another alert, which you do not see, explains it: nobody is told.")
            else:
                label = f"Explained by: {plain(by.title or by.key, 120)}"
                navigation.link(
                    "alerts", label, icon="subdirectory_arrow_right", hover="", alert=str(by.id)
                )
                st.caption("While that lasts nobody is told of this one.")


def _ends(alert: Alert) -> None:
    if alert.open and alert.acknowledged_until is not None:
        until = plain(ages.exact(datetime.fromtimestamp(alert.acknowledged_until, UTC)))
        st.caption(f"Until {until}; then it fires again if it is still open.")


def _ties(found: Story) -> None:
    alert = found.alert
    with st.container(border=True, gap="xsmall"):
        st.markdown("**What it is tied to**")
        labels = sorted(pair for pair in alert.labels.items() if pair[0] != WHY)  # a link above
        ties = [("Key", alert.key), ("Thread", alert.thread), *labels]
        st.html(drawing.pairs(ties, colours()))
    if found.before:
        with st.container(border=True, gap="xsmall"):
            st.markdown("**The times before**")
            for one in found.before:
                lasted = duration(max(0.0, (one.resolved_at or one.since) - one.since))
                label = f"{_ago(one.since)}, lasted {lasted}"
                navigation.link("alerts", label, icon="history", hover="", alert=str(one.id))
