"""Setting what a deployment promises, and taking it back."""

import shlex
from functools import partial
from typing import TYPE_CHECKING

import streamlit as st

from dashboard import promised
from dashboard.components import actions
from dashboard.components.actions import Proposal
from services.actions.objectives import RemoveObjective, SetObjective
from services.monitoring import metrics
from services.monitoring.metrics import METRICS, Metric
from services.objectives.models import (
    ANSWERED_SHARE,
    DAYS,
    KINDS,
    LEAST_MS,
    LEAST_SHARE,
    MOST_MS,
    MOST_SHARE,
    QUANTILE,
    Kind,
    Objective,
)

if TYPE_CHECKING:
    from services.objectives.models import Standing

_WORDS: dict[Kind, str] = {
    "errors": "Errors", "availability": "Availability", "latency": "Latency",
    "accuracy": "Accuracy",
}  # fmt: skip
_BOUND_MS = 250.0
_FLOOR, _CEILING = 0.9, 1.0


def word(kind: Kind) -> str:
    """Return an objective's name for people."""
    return _WORDS[kind]


def set_button(project: str, model: str, off: str | None) -> None:
    """Draw the button that sets an objective; off, with the reason, for who may not."""
    actions.button(
        "Set an objective",
        Proposal(
            f"What {model} promises",
            partial(_fields, project, model),
            "Set it",
            f"mlops objectives set {shlex.quote(f'{project}/{model}')} --errors 0.5",
        ),
        key="objective-set",
        icon="flag",
        off=actions.why_not(SetObjective, project=project, off=off),
    )


def remove_button(one: "Standing", off: str | None) -> None:
    """Draw the button that takes an objective back; none for what counts by default."""
    if one.objective.source == "default":
        return
    model = one.model if one.objective.source == "model" else ""
    kind = one.objective.kind
    where = f"{one.project}/{model}" if model else one.project
    of = one.model if model else f"all models of {one.project}"
    actions.button(
        "Take back",
        Proposal(
            f"Take back the {kind} objective of {of}",
            lambda: RemoveObjective(one.project, kind, model),
            "Take it back",
            f"mlops objectives remove {shlex.quote(where)} {kind}",
        ),
        key=f"objective-remove-{kind}",
        icon="undo",
        off=actions.why_not(RemoveObjective, project=one.project, off=off),
        kind="tertiary",
    )


def _fields(project: str, model: str) -> SetObjective | None:
    kind = st.segmented_control(
        "Objective", list(KINDS), default="errors", required=True, key="objective-kind",
        format_func=word,
    )  # fmt: skip
    before = promised.own(project, model).get(kind)
    made = {
        "errors": _errors, "availability": _availability, "latency": _latency,
        "accuracy": _accuracy,
    }[kind](before)  # fmt: skip
    days = st.number_input(
        "Counted over the last days", 1, DAYS, before.days if before else DAYS,
        key=f"objective-days-{kind}",
    )  # fmt: skip
    whole = st.toggle(
        "For all models of the project that have none of their own", key="objective-whole"
    )
    return SetObjective(
        project, kind, made.target, "" if whole else model, int(days), made.bound_ms, made.metric
    )


def _percent(label: str, value: float, key: str) -> float:
    least, most, now = (round(one * 100, 8) for one in (LEAST_SHARE, MOST_SHARE, value))
    found = st.number_input(label, least, most, now, 0.1, format="%g", key=key)
    return round(float(found) / 100, 8)


def _errors(before: Objective | None) -> Objective:
    value = before.target if before else ANSWERED_SHARE
    said = "Of the requests that are answered without an error of ours, in percent"
    return Objective("errors", _percent(said, value, "objective-errors"))


def _availability(before: Objective | None) -> Objective:
    value = before.target if before else ANSWERED_SHARE
    said = "Of the minutes that are watched, in service, in percent"
    return Objective("availability", _percent(said, value, "objective-availability"))


def _latency(before: Objective | None) -> Objective:
    known = before.bound_ms if before else None
    bound = st.number_input(
        "Answers come within, in ms", LEAST_MS, MOST_MS, known or _BOUND_MS, format="%g",
        key="objective-bound",
    )  # fmt: skip
    value = before.target if before else QUANTILE
    share = _percent("Of the answers that do, in percent", value, "objective-quantile")
    return Objective("latency", share, bound_ms=float(bound))


def _accuracy(before: Objective | None) -> Objective:
    known = before.metric if before else "accuracy"
    metric: Metric = st.selectbox(
        "Measure", METRICS, index=METRICS.index(known), key="objective-metric", format_func=_bound
    )
    share = metrics.is_share(metric)
    same = before is not None and before.metric == metric
    value = before.target if before is not None and same else _FLOOR if share else _CEILING
    bound = st.number_input(
        "At least, 0 to 1" if share else "At most, in the unit of the labels",
        0.0, 1.0 if share else None, value, 0.01 if share else None, format="%g",
        key=f"objective-bound-{metric}",
    )  # fmt: skip
    return Objective("accuracy", float(bound), metric=metric)


def _bound(metric: Metric) -> str:
    name = metrics.NAMES[metric]
    return f"{name[:1].upper()}{name[1:]}, at {'least' if metrics.is_share(metric) else 'most'}"
