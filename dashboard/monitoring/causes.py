"""Why a deployment got worse: what explains most first, each with then and now and its page."""

from collections.abc import Mapping
from datetime import UTC, datetime
from urllib.parse import parse_qsl, urlsplit

import streamlit as st

from dashboard import machines, navigation, state
from dashboard.charts.theme import Colours, colours
from dashboard.components.notices import advice, problem
from dashboard.monitoring import looks
from dashboard.numbers import counted, moment, percent
from dashboard.text import markup, plain
from services.causes import Cause, Explanation
from services.causes.models import KINDS, Kind, Symptom
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
    try:
        with st.spinner("Comparing requests of before and of now …"):
            found = machines.why_deployment(project, model)
    except MlopsError as error:
        problem(error)
        return
    for one in found:
        if one.state == "worse":
            _symptom(one)
        else:
            answer = "No" if one.state == "steady" else "Not known"
            st.caption(f"{_TITLES[one.symptom]}? {answer}. {plain(one.said, _LINE)}")


def _symptom(one: Explanation) -> None:
    began = ""
    if one.onset is not None:
        at = datetime.fromtimestamp(one.onset, UTC)
        began = f" since {plain(moment(at, state.zone()))}"
    with st.container(border=True, gap="small"):
        st.markdown(f"**{_TITLES[one.symptom]}{began}**")
        st.markdown(plain(one.said, _LINE))
        for number, cause in enumerate(one.causes, 1):
            _cause(number, cause)
        if one.unknown:
            lines = "\n".join(f"- {plain(line, _LINE)}" for line in one.unknown)
            st.markdown(f"**Cannot be told**\n\n{lines}")
        if one.clear:
            badges = " ".join(f":green-badge[:material/check: {KINDS[kind]}]" for kind in one.clear)
            with st.expander(f"{counted(len(one.clear), 'thing')} looked at that explain nothing"):
                st.markdown(badges)


def _cause(number: int, cause: Cause) -> None:
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


def _link(cause: Cause) -> None:
    """Draw the way to the page that shows it, where this installation has it."""
    asked = urlsplit(cause.link)
    page = asked.path.strip("/")
    if any(entry.name == page for entry in navigation.entries()):
        label = _PAGES.get(page, "See it")
        navigation.link(page, label, icon="arrow_forward", hover="", **dict(parse_qsl(asked.query)))
