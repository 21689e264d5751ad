"""What a deployment's checks come to: the sentence, its severity, and where to go from it."""

import time
from datetime import UTC, datetime

import streamlit as st

from dashboard import marked, navigation, state, watched
from dashboard.components import located
from dashboard.monitoring import access, address, looks
from dashboard.monitoring.access import Seen, Subject
from dashboard.monitoring.address import VERSION
from dashboard.numbers import age, counted, duration, moment
from dashboard.text import plain
from services.alerting import asking
from services.lineage.models import numbered
from services.monitoring.courses import FAMILIES, degree
from services.monitoring.models import Family, Verdict

_ALERTS = 3
_MOVED = ("low", "medium", "high")


def draw(of: Subject, seen: Seen | None, number: int | None) -> None:
    """Draw state, links and the sentence."""
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        if seen is None:
            looks.badge(looks.NEVER)
        else:
            looks.badge(looks.overall(_worst(seen)))
        _version(of, number)
        marked.badge(marked.of_version(of.project, of.model, number), of.project)
        _links(of, seen, number)
    if seen is not None:
        _sentence(of, seen)


def _version(of: Subject, number: int | None) -> None:
    if number is None:
        return
    role = "live" if number == of.live else _role(of, number)
    st.badge(f"version {number} · {role}", icon=":material/tag:", color="gray")


def _role(of: Subject, number: int) -> str:
    found = None
    if of.deployment is not None:
        found = next((one for one in of.deployment.versions if one.version == number), None)
    return "not in service" if found is None else plain(found.phase)


def choose(of: Subject) -> None:
    """Draw the choice among versions where there are several."""
    if len(of.versions) < 2:
        return
    first = access.version(of)
    located.choice(
        "Version", [str(one) for one in of.versions], name=VERSION, default=str(first),
        format_func=lambda one: f"version {one}" + (" (live)" if one == str(of.live) else ""),
        collapsed=True,
    )  # fmt: skip


def _links(of: Subject, seen: Seen | None, number: int | None) -> None:
    if of.deployment is not None and navigation.has("deployments"):
        navigation.link("deployments", "Deployment", icon="dns", hover="", deployment=of.name)
    if navigation.has("model"):
        navigation.link("model", "Model", icon="deployed_code", hover="", of=of.project,
                        model=of.model)  # fmt: skip
    if number is not None and navigation.has("lineage"):
        node = numbered("version", of.project, of.model, number).id
        navigation.link("lineage", "Lineage", icon="conversion_path", hover="", id=node)
    _report(of, seen, number)


def _report(of: Subject, seen: Seen | None, number: int | None) -> None:
    """Draw the ways to Evidently's report, of an earlier check where this one has none, and on."""
    own = None if seen is None else seen.verdicts.get("data")
    last = None if number is None else watched.reported(of.project, of.model, number)
    if own is not None and own.report:
        _out("Evidently's report", address.report(own.id))
    elif last is not None:
        at = datetime.fromtimestamp(last.computed_at, UTC).astimezone(state.zone())
        _out(f"Evidently's report of {at:%d %b %H:%M}", address.report(last.id))
    elif seen is not None:
        st.caption("No report of Evidently's is kept; “Check now” can write one.", width="content")
    screen = watched.screen() if state.visible_projects() is None else ""
    if screen:  # it shows all projects, on the machine of the platform alone
        _out("Evidently's screen", screen)


def _out(label: str, to: str) -> None:
    st.link_button(label, to, icon=":material/open_in_new:", type="tertiary")


def alerts(of: Subject) -> None:
    """Draw the alerts of it that have not ended."""
    newest, count = asking.of_endpoint(state.journal(), of.project, of.name, limit=_ALERTS)
    if not count:
        return
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.badge(counted(count, "alert"), icon=":material/notifications:", color="orange")
        for one in newest:
            said = f"{one.title}, {age(datetime.fromtimestamp(one.since, UTC))}"
            if navigation.has("alerts"):
                navigation.link("alerts", plain(said, 100), hover="", alert=str(one.id))
            else:
                st.caption(plain(said, 100), width="content")


def _sentence(of: Subject, seen: Seen) -> None:
    worst = max(
        seen.verdicts.values(),
        key=lambda one: looks.DEGREES.index(degree(one.state, one.severity)),
    )
    st.markdown(plain(worst.said, 600))
    at = datetime.fromtimestamp(seen.check.at, UTC)
    told = [
        f"{counted(worst.rows, 'row')} {_window(worst)}".strip(),
        f"beside {plain(worst.baseline, 200)}" if worst.baseline else "with nothing to compare",
    ]
    since = _since(of, seen, worst.kind) if seen.newest else None
    if since is not None:
        began = datetime.fromtimestamp(since, state.zone())
        told.append(f"so for {duration(max(0.0, time.time() - since))}, since {began:%d %b %H:%M}")
    st.caption(
        f"Checked {age(at)}: {', '.join(told)}.", help=moment(at, state.zone()), width="stretch"
    )
    if not seen.newest:
        st.info("You look at an earlier check.", icon=":material/history:")


def _since(of: Subject, seen: Seen, kind: Family) -> float | None:
    said = seen.verdicts[kind]
    if degree(said.state, said.severity) not in _MOVED:
        return None
    return watched.begun(of.project, of.model, kind, said.version)


def _window(one: Verdict) -> str:
    if one.since is None or one.until is None:
        return ""
    zone = state.zone()
    since, until = (
        datetime.fromtimestamp(at, UTC).astimezone(zone) for at in (one.since, one.until)
    )
    return f"from {since:%d %b %H:%M} to {until:%d %b %H:%M}"


def _worst(seen: Seen) -> looks.Degree:
    return looks.worst([degree(one.state, one.severity) for one in seen.verdicts.values()])


def verdicts(seen: Seen) -> None:
    """Draw the four verdicts as cards."""
    with st.grid(4, min_column_width=210):
        for kind in FAMILIES:
            said = seen.verdicts.get(kind)
            with st.container(border=True, height="stretch", gap="xsmall"):
                st.markdown(f"**{looks.TITLES[kind]}**", help=looks.ABOUT[kind])
                if said is None:
                    looks.badge(looks.NEVER)
                    continue
                looks.badge(looks.look(degree(said.state, said.severity), kind))
                st.caption(plain(said.said, 400))
