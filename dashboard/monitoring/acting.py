"""What is done about checks from the page; the only module of it that knows the actions."""

import json
import shlex
import time
from collections.abc import Callable
from datetime import datetime, timedelta
from functools import partial

import streamlit as st

from dashboard import state
from dashboard.components import actions
from dashboard.components.actions import Proposal
from dashboard.monitoring import access
from dashboard.monitoring.access import Subject
from services.actions import catalog
from services.actions.action import Action
from services.monitoring import settings

CHECK, BASELINE, SETTINGS = "drift-check", "baseline-set", "drift-settings"
_KINDS = {
    "auto": "By itself",
    "evaluation": "Evaluation data",
    "first": "First predictions",
    "season": "Weeks before",
    "window": "A stretch of time",
}
_ABOUT = {
    "auto": "The evaluation data of the version's training; its first 2,000 rows where training "
    "logged none.",
    "evaluation": "What training logged with `log_reference`. Without it nothing is compared.",
    "first": "The first 2,000 rows that the version was asked.",
    "season": "The same hours of the weeks before: for what is asked differently by night or on "
    "Sundays.",
    "window": "What was asked in a stretch of time that you know to be good.",
}
_WEEKS = 12


def buttons(of: Subject, off: str | None) -> None:
    """Draw what can be done."""
    name = shlex.quote(of.name)
    gone = (
        None if of.deployment is not None else "It is not in service: nothing new can be looked at."
    )
    _button(
        CHECK, "Check now", f"Check {of.model} now", partial(_check, of), "Check it",
        f"mlops drift check {name}", of, "fact_check", off or gone,
    )  # fmt: skip
    _button(
        BASELINE, "Baseline", f"What {of.model} is compared with", partial(_baseline, of), "Set it",
        f"mlops drift baseline {name} season --weeks 4", of, "straighten", off,
    )  # fmt: skip
    _button(
        SETTINGS, "Settings", f"How strictly {of.model} is judged", partial(_settings, of),
        "Set it", f"mlops drift settings {name} --ignore INPUT", of, "rule_settings", off,
    )  # fmt: skip


def _button(
    kind: str, label: str, title: str, make: Callable[[], Action | None], verb: str, command: str,
    of: Subject, icon: str, off: str | None,
) -> None:  # fmt: skip
    known = catalog.ACTIONS.get(kind)
    why = "This version of the platform cannot do it from here." if known is None else None
    if known is not None:
        why = actions.why_not(known, project=of.project, off=off)
    actions.button(
        label, Proposal(title, make, verb, command), key=f"monitoring-{kind}", icon=icon, off=why
    )


def made(kind: str, **params: object) -> Action:
    """Return the action of this kind, as the catalog makes it."""
    return catalog.load(kind, json.dumps(params))


def _check(of: Subject) -> Action:
    report = st.toggle(
        "With Evidently's full report", key="monitoring-report",
        help="It takes some seconds; without it the report is written where it is worth them.",
    )  # fmt: skip
    said = {"report": True} if report else {}
    return made(CHECK, project=of.project, model=of.model, **said)


def _baseline(of: Subject) -> Action | None:
    kind = st.radio(
        "Compared with", list(_KINDS), format_func=_KINDS.__getitem__, key="monitoring-baseline",
        captions=list(_ABOUT.values()),
    )  # fmt: skip
    more: dict[str, object] = {}
    if kind == "season":
        more["weeks"] = int(
            st.number_input("Weeks back", 1, _WEEKS, 4, key="monitoring-baseline-weeks")
        )
        if (zone := st.context.timezone) is not None:
            more["zone"] = zone
    elif kind == "window":
        stretch = _stretch()
        if stretch is None:
            return None
        more |= {"since": stretch[0], "until": stretch[1]}
    return made(BASELINE, project=of.project, model=of.model, baseline=kind, **more)


def _settings(of: Subject) -> Action | None:
    now = settings.of(settings.all_said(state.journal()), of.project, of.model)
    known = dict.fromkeys((*access.inputs(of), *now.ignored))
    ignored = st.multiselect(
        "Inputs that are not compared", list(known), list(now.ignored), key="monitoring-ignored",
        format_func=lambda name: name.removeprefix("input."),
        help="Numbers of orders, seeds, clocks: what is asked in them is no drift.",
    )  # fmt: skip
    left, right = st.columns(2)
    with left:
        threshold = st.number_input(
            "A shift counts from", *settings.THRESHOLDS, now.threshold, 0.05, "%.2f",
            key="monitoring-threshold", help="Of each column, in the unit of its measure.",
        )  # fmt: skip
    with right:
        alarms = st.number_input(
            "False alarms a day, at most", *settings.ALARMS, now.alarms_a_day, 0.01, "%.4f",
            key="monitoring-alarms", help="Of undrifted data; fewer of them see less.",
        )  # fmt: skip
    everywhere = st.toggle(
        f"All models of {of.project} that have nothing of their own", key="monitoring-everywhere"
    )
    model = "" if everywhere else of.model
    return made(
        SETTINGS, project=of.project, model=model, ignored=ignored, threshold=threshold,
        alarms_a_day=alarms,
    )  # fmt: skip


def _stretch() -> tuple[float, float] | None:
    """Draw begin and end in the browser's time zone; return them, None while they are none."""
    zone = state.zone()
    now = datetime.now(zone).replace(second=0, microsecond=0, tzinfo=None)
    left, right = st.columns(2)
    with left:
        begin = st.datetime_input("From", now - timedelta(days=7), key="monitoring-baseline-since")
    with right:
        end = st.datetime_input("To", now - timedelta(hours=1), key="monitoring-baseline-until")
    if begin is None or end is None:
        return None
    since, until = (one.replace(tzinfo=zone).timestamp() for one in (begin, end))
    if not since < until <= time.time():
        st.caption("It begins before it ends, and ends in the past.")
        return None
    return since, until
