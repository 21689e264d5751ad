"""Why a deployment got worse: what explains most first, each with then and now and its page."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from urllib.parse import parse_qsl, urlsplit

import streamlit as st

from dashboard import machines, navigation, state
from dashboard.charts.theme import Colours, colours
from dashboard.components.notices import advice, problem
from dashboard.monitoring import evidence, looks
from dashboard.monitoring.address import CAUSE, COLUMN, SINCE, SYMPTOM, UNTIL
from dashboard.numbers import counted, moment, percent
from dashboard.text import markup, plain
from services.causes import Cause, Explanation
from services.causes.models import KINDS, SYMPTOMS, Kind, Symptom
from services.errors import MlopsError

_TITLES: Mapping[Symptom, str] = {
    "slow": "Slower", "errors": "More failures", "data": "Inputs drifted",
    "prediction": "Predictions drifted", "quality": "Data is not as it was",
    "accuracy": "Less accurate",
}  # fmt: skip
_ICONS: Mapping[Kind, str] = {
    "restart": "restart_alt", "data_revision": "database", "code": "code",
    "version": "deployed_code", "lost": "report", "clients": "key", "requests": "swap_horiz",
    "batch": "view_agenda", "payload": "scale", "feature": "trending_up", "labels": "label",
    "relation": "compare_arrows",
    "low_power": "battery_saver", "thermal": "device_thermostat", "memory": "swap_vert",
    "contention": "group", "clock": "speed", "backend": "developer_board", "replicas": "dns",
    "load": "stacked_line_chart",
}  # fmt: skip
_PAGES: Mapping[str, str] = {
    "hardware": "See it on the machine", "deployments": "See the deployment", "run": "See the run",
    "model": "See the version", "monitoring": "See the column then and now",
}  # fmt: skip
_LINE = 400


def draw(project: str, model: str, version: int | None) -> None:
    """Draw why it got worse.

    Args:
        project: Of the model.
        model: Its name.
        version: Not asked: a change of versions is one of the causes.
    """
    del version
    mine = state.visible_projects()
    if mine is not None and project not in mine:
        return
    st.subheader("Why", anchor=False)
    asked = _asked()
    if asked.since is not None:
        _of_then(f"{project}.{model}", asked)
    try:
        with st.spinner("Comparing requests of before and of now …"):
            found = machines.why_deployment(
                project, model, asked.symptom if asked.since is not None else None,
                asked.since, asked.until,
            )  # fmt: skip
    except MlopsError as error:
        problem(error)
        return
    for one in found:
        if one.state == "worse":
            _symptom(one, asked)
        else:
            answer = "No" if one.state == "steady" else "Not known"
            st.caption(f"{_TITLES[one.symptom]}? {answer}. {plain(one.said, _LINE)}")


@dataclass(frozen=True, slots=True)
class _Asked:
    """What the address names."""

    symptom: Symptom | None
    kind: str
    column: str
    since: float | None
    until: float | None

    def shows(self, one: Explanation, number: int, cause: Cause) -> bool:
        """Return whether a cause's chart is drawn: the one that is named, else the first."""
        named = [
            place for place, each in enumerate(one.causes, 1)
            if self.symptom == one.symptom and each.kind == self.kind
            and self.column in ("", each.column)
        ]  # fmt: skip
        return cause.chart is not None and number == (named[0] if named else 1)


def _asked() -> _Asked:
    said = st.query_params
    symptom = next((one for one in SYMPTOMS if one == said.get(SYMPTOM)), None)
    since, until = _moment(said.get(SINCE, "")), _moment(said.get(UNTIL, ""))
    if since is None or until is None or since >= until or symptom is None:
        since = until = None
    return _Asked(symptom, said.get(CAUSE, "")[:40], said.get(COLUMN, "")[:400], since, until)


def _moment(text: str) -> float | None:
    try:
        found = float(text)
        datetime.fromtimestamp(found, UTC)
    except (ValueError, OverflowError, OSError):
        return None
    return found if found > 0 else None


def _of_then(name: str, asked: _Asked) -> None:
    """Say that a time that is over is looked at, and draw the way to now."""
    assert asked.until is not None  # noqa: S101  both are there or none
    at = moment(datetime.fromtimestamp(asked.until, UTC), state.zone())
    st.info(f"You look at what was known at {plain(at)}.", icon=":material/history:")
    navigation.link(
        "monitoring", "Why it is so now", icon="last_page", hover="", deployment=name,
        part="causes",
    )  # fmt: skip


def _symptom(one: Explanation, asked: _Asked) -> None:
    began = ""
    if one.onset is not None:
        at = datetime.fromtimestamp(one.onset, UTC)
        began = f" since {plain(moment(at, state.zone()))}"
    with st.container(border=True, gap="small"):
        st.markdown(f"**{_TITLES[one.symptom]}{began}**")
        st.markdown(plain(one.said, _LINE))
        if not one.causes:
            counts = counted(len(one.clear), "thing")
            st.markdown(f":material/search_off: **None was found of {counts} looked at.**")
        for number, cause in enumerate(one.causes, 1):
            _cause(number, cause, one, asked)
        if one.unknown:
            lines = "\n".join(f"- {plain(line, _LINE)}" for line in one.unknown)
            st.markdown(f"**Cannot be told**\n\n{lines}")
        if one.clear:
            badges = " ".join(f":green-badge[:material/check: {KINDS[kind]}]" for kind in one.clear)
            looked = f"{counted(len(one.clear), 'thing')} looked at that explain nothing"
            with st.expander(looked, expanded=not one.causes):
                st.markdown(badges)


def _cause(number: int, cause: Cause, of: Explanation, asked: _Asked) -> None:
    with st.container(border=True, gap="small"):
        with st.container(horizontal=True, vertical_alignment="center", gap="small"):
            title = plain(cause.title, 300)
            st.markdown(f":material/{_ICONS[cause.kind]}: **{number}. {title}**", width="stretch")
            st.badge(
                f"{'' if cause.measured else '≈ '}{percent(cause.weight)}",
                color="orange" if number == 1 else "gray",
                help=cause.said,
            )
        st.html(bar(cause, colours(), leads=number == 1))
        st.caption(plain(cause.said, _LINE))
        st.markdown("\n".join(f"- {plain(line, _LINE)}" for line in cause.evidence))
        st.markdown(f":material/lightbulb: {advice(cause.suggestion)}")
        if asked.shows(of, number, cause) and cause.chart is not None:
            evidence.draw(cause.chart, of.onset, f"cause-{of.symptom}-{number}")
        with st.container(horizontal=True, gap="small"):
            if cause.chart is not None and not asked.shows(of, number, cause):
                _chart_link(of, cause, asked)
            _link(cause)


def bar(cause: Cause, hues: Colours, *, leads: bool) -> str:
    """Return a cause's share of the change as a bar, hatched where it is only about so much."""
    told = f"{percent(cause.weight)} of the change"
    hue = hues.warn if leads else hues.muted
    fill = hue
    if not cause.measured:
        fill = looks.hatched(hue)
        told = f"about {told}: {cause.said}"
    return (
        f'<div role="img" aria-label="{markup(told)}" title="{markup(told)}" style="height:8px;'
        f'border-radius:4px;overflow:hidden;background:{hues.line}"><div style="height:8px;'
        f'width:{max(1.0, cause.weight * 100):.1f}%;background:{fill}"></div></div>'
    )


def _chart_link(of: Explanation, cause: Cause, asked: _Asked) -> None:
    """Draw the way to the chart of another cause, of the time that is looked at."""
    since, until = (None if one is None else str(one) for one in (asked.since, asked.until))
    navigation.link(
        "monitoring", "See its chart", icon="bar_chart", hover="",
        deployment=f"{of.project}.{of.model}", part="causes", symptom=of.symptom, cause=cause.kind,
        column=cause.column or None, since=since, until=until,
    )  # fmt: skip


def _link(cause: Cause) -> None:
    """Draw the way to the page where something can be done, where this installation has it."""
    asked = urlsplit(cause.page)
    page = asked.path.strip("/")
    if any(entry.name == page for entry in navigation.entries()):
        query = dict(parse_qsl(asked.query))
        label = (
            "See the accuracy" if query.get("part") == "accuracy" else _PAGES.get(page, "See it")
        )
        navigation.link(page, label, icon="arrow_forward", hover="", **query)
