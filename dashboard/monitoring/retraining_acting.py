"""What is done about retraining: propose, accept, dismiss, and say what needs nobody.

The only module of the panel that knows the actions.
"""

import shlex
from collections.abc import Mapping
from datetime import datetime, timedelta
from functools import partial

import streamlit as st

from dashboard import state
from dashboard.components import actions
from dashboard.components.actions import Proposal as Dialog
from dashboard.data import work
from dashboard.monitoring import retraining_access as access
from services.actions.data_collect import DataCollect
from services.actions.retraining import AcceptRetraining, DismissRetraining, ProposeRetraining
from services.actions.retraining_policy import SetRetrainingPolicy
from services.actions.retraining_stop import StopRetraining
from services.alerting.models import SEVERITIES
from services.retraining.models import (
    BOUNDS,
    COLLECTS,
    MODES,
    PROOFS,
    STRATEGIES,
    Collect,
    Policy,
    Proposal,
)

_LONGEST = 2_000
_MODES = {
    "off": "off: alerts lead to nothing",
    "propose": "propose: an approver decides",
    "automatic": "automatic: within the bounds nobody is asked",
}
_STRATEGIES = {"canary": "canary: a share of the requests", "shadow": "shadow: copies alone"}

_PROOFS = {
    "mode": "needed where nobody is asked",
    "told": "told, and nothing waits for it",
    "needed": "needed, else it is dropped",
}
_COLLECTS: Mapping[Collect, str] = {
    "no": "not collected before it trains",
    "labelled": "collected first, where it has a label",
}


def propose(project: str, model: str, off: str | None) -> None:
    """Draw the button that proposes a retraining."""
    name = shlex.quote(f"{project}/{model}")
    actions.button(
        "Propose to retrain",
        Dialog(
            "Propose to retrain", partial(_propose, project, model), "Propose it",
            f"mlops retrain propose {name} --why WHY",
        ),
        key="retraining-propose",
        icon="model_training",
        off=actions.why_not(ProposeRetraining, project=project, off=off),
    )  # fmt: skip


def _propose(project: str, model: str) -> ProposeRetraining | None:
    why = _text("What is wrong with it? Whoever decides reads this.", "retraining-why")
    return ProposeRetraining(project, model, why) if why else None


def decide(one: Proposal, off: str | None) -> None:
    """Draw the two answers to a proposal."""
    actions.button(
        "Accept",
        Dialog(
            f"Accept retraining {one.id}", partial(_accept, one), "Retrain it",
            f"mlops retrain accept {one.id}",
        ),
        key="retraining-accept",
        icon="check",
        kind="primary",
        off=access.why_not_accept(one, off),
    )  # fmt: skip
    actions.button(
        "Dismiss",
        Dialog(
            f"Dismiss retraining {one.id}", partial(_dismiss, one), "Dismiss it",
            f"mlops retrain dismiss {one.id} --reason WHY",
        ),
        key="retraining-dismiss",
        icon="close",
        off=actions.why_not(DismissRetraining, project=one.project, off=off),
    )  # fmt: skip


def stop(one: Proposal, off: str | None) -> None:
    """Draw the button that ends one that is under way."""
    made_live = "Its version is being made live." if one.verdict == "promote" else None
    stopping = "It is being stopped." if one.stopped else made_live
    actions.button(
        "Stop",
        Dialog(
            f"Stop retraining {one.id}", partial(_stop, one), "Stop it",
            f"mlops retrain stop {one.id} --reason WHY",
        ),
        key="retraining-stop",
        icon="stop_circle",
        off=actions.why_not(StopRetraining, project=one.project, off=off or stopping),
    )  # fmt: skip


def _stop(one: Proposal) -> StopRetraining | None:
    reason = _text("Why? It is remembered.", "retraining-stop-reason")
    return StopRetraining(one.id, one.project, reason) if reason else None


def _accept(one: Proposal) -> AcceptRetraining:
    data = st.selectbox(
        "Data", ["", *access.revisions(one.project)], key="retraining-data",
        format_func=lambda revision: revision or "as it is proposed",
        help="A version of the project's data, the newest first.",
    )  # fmt: skip
    collect, rows = None, None
    if not data and access.why_not_collect(one.project) is None:
        collect, rows = _first(access.policy(one.project), "retraining-accept-first")
    note = _text("Note, for those who look later (optional)", "retraining-note")
    return AcceptRetraining(one.id, one.project, note, data, collect, rows)


def _first(now: Policy, key: str, off: str | None = None) -> tuple[Collect, int]:
    """Ask which rows are collected before it trains, and how many are needed at least."""
    collect = st.selectbox(
        "What it was asked is", COLLECTS, COLLECTS.index(now.collect), key=key,
        format_func=lambda name: _COLLECTS[name], disabled=off is not None,
        help=off or "Rows of the prediction log, of which somebody told what was right.",
    )  # fmt: skip
    if collect == "no":
        return collect, now.collect_rows
    rows = st.number_input(
        "New labelled rows at least", *_whole("collect_rows"), now.collect_rows,
        key=f"{key}-rows", help="With fewer nothing is trained.",
    )  # fmt: skip
    return collect, int(rows)


def _dismiss(one: Proposal) -> DismissRetraining | None:
    reason = _text("Why not? It is remembered.", "retraining-reason")
    return DismissRetraining(one.id, one.project, reason) if reason else None


def collect(project: str, model: str, off: str | None) -> None:
    """Draw the button that brings what the model was asked into the project's data."""
    name = shlex.quote(f"{project}.{model}")
    actions.button(
        "Collect rows",
        Dialog(
            f"Collect rows that {model} was asked", partial(_collect, project, model),
            "Collect them", f"mlops data collect {name} --since 7d --labelled",
            during=partial(work.bar, project),
        ),
        key="retraining-collect",
        icon="dataset",
        kind="tertiary",
        off=actions.why_not(DataCollect, project=project, off=off),
    )  # fmt: skip


def _collect(project: str, model: str) -> DataCollect | None:
    now = datetime.now(state.zone()).replace(second=0, microsecond=0, tzinfo=None)
    since = st.datetime_input(
        "Asked since", now - timedelta(days=7), key="retraining-collect-since",
        help="When the shift began, say: the new version is compared with what is collected.",
    )  # fmt: skip
    labelled = st.toggle(
        "Only rows with a label", value=True, key="retraining-collect-labelled",
        help="Rows of which somebody told what was right.",
    )  # fmt: skip
    if since is None:
        return None
    begin = since.replace(tzinfo=state.zone()).timestamp()
    return DataCollect(project, model, begin, labelled=bool(labelled))


def _text(label: str, key: str) -> str:
    return st.text_input(label, key=key, max_chars=_LONGEST).strip()


def policy(project: str, now: Policy, off: str | None) -> None:
    """Draw the button that changes the project's policy."""
    actions.button(
        "Policy",
        Dialog(
            f"Retraining in {project}", partial(_policy, project, now), "Set it",
            f"mlops retrain policy {shlex.quote(project)} --mode MODE",
        ),
        key="retraining-policy",
        icon="tune",
        kind="tertiary",
        off=actions.why_not(SetRetrainingPolicy, project=project, off=off),
    )  # fmt: skip


def _range(name: str) -> tuple[float, float]:
    least, most = BOUNDS[name]
    return float(least), float(most)


def _whole(name: str) -> tuple[int, int]:
    least, most = BOUNDS[name]
    return int(least), int(most)


def _policy(project: str, now: Policy) -> SetRetrainingPolicy:
    mode = st.segmented_control(
        "When a model got worse", MODES, default=now.mode, required=True, key="retraining-mode"
    )
    st.caption(_MODES[mode or now.mode])
    left, right = st.columns(2)
    with left:
        severity = st.selectbox(
            "From severity", SEVERITIES, SEVERITIES.index(now.min_severity), key="retraining-from"
        )
        most = st.number_input(
            "At most in seven days", *_whole("most_per_week"), now.most_per_week,
            key="retraining-most",
            help="Of the project; what people accepted counts too.",
        )  # fmt: skip
        cooldown = st.number_input(
            "Hours between two", *_range("cooldown_h"), now.cooldown_h, key="retraining-cooldown",
            help="Of one model, where nobody asked for it.",
        )  # fmt: skip
        minutes = st.number_input(
            "Minutes in seven days", *_range("budget_minutes"), now.budget_minutes,
            key="retraining-minutes",
            placeholder="no budget", help="Of training. Empty: no budget.",
        )  # fmt: skip
        joules = st.number_input(
            "Joules in seven days", *_range("budget_joules"), now.budget_joules,
            key="retraining-joules",
            placeholder="no budget", help="Where joules cannot be measured it allows nothing.",
        )  # fmt: skip
    with right:
        strategy = st.selectbox(
            "Beside the live version as", STRATEGIES, STRATEGIES.index(now.strategy),
            format_func=lambda name: _STRATEGIES[name], key="retraining-strategy",
        )  # fmt: skip
        percent = now.percent
        if strategy == "canary":
            percent = st.number_input(
                "Percent of the requests", *_range("percent"), now.percent,
                key="retraining-percent",
            )  # fmt: skip
        judged = st.number_input(
            "For minutes at least", *_range("judge_minutes"), now.judge_minutes,
            key="retraining-judge",
        )  # fmt: skip
        requests = st.number_input(
            "For requests at least", *_whole("judge_requests"), now.judge_requests,
            key="retraining-requests",
        )  # fmt: skip
        patience = st.number_input(
            "For hours at most", *_range("patience_h"), now.patience_h, key="retraining-patience",
            help="When the requests have not come by then, it is dropped.",
        )  # fmt: skip
        proof = st.selectbox(
            "That it is good and cures is", PROOFS, PROOFS.index(now.proof),
            format_func=lambda name: _PROOFS[name], key="retraining-proof",
            help="By labels, gates and the new version's own checks.",
        )  # fmt: skip
        # What was set is kept where it cannot be chosen any more: it is refused with the reason.
        none = access.why_not_collect(project) if now.collect == "no" else None
        collect, rows = _first(now, "retraining-first", none)
    return SetRetrainingPolicy(
        project, mode or now.mode, severity, float(cooldown), int(most), minutes, joules, strategy,
        float(percent), float(judged), int(requests), float(patience),
        proof, collect, rows,
    )  # fmt: skip
