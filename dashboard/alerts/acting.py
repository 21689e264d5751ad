"""What is done about alerts: looked after, given back, kept quiet, closed.

Lists draw themselves again every few seconds, and a dialog that was opened from within would be
closed by that. So a button of a list leaves a wish, and the page, drawn as a whole, opens it.

With ``channels`` the only modules of the page that know the actions.
"""

import shlex
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Literal

import streamlit as st

from dashboard import state
from dashboard.alerts import access, picks
from dashboard.components import actions, several
from dashboard.components.actions import Proposal
from dashboard.numbers import counted
from dashboard.text import plain
from services.actions.alerts import (
    AcknowledgeAlert,
    CloseAlert,
    EndSilence,
    ReleaseAlert,
    SilenceAlerts,
)
from services.alerting.kinds import KINDS
from services.alerting.models import ACKNOWLEDGED_S, Alert, Silence

What = Literal["ack", "release", "silence", "close"]
Asked = Callable[[Alert], AcknowledgeAlert | CloseAlert | ReleaseAlert | SilenceAlerts]
Against = Callable[[What], str | None]
"""Why the person cannot do something to an alert, None when they can."""
_WISH = "alerts:wish"
_LIMIT = 1000
_LENGTHS = {
    "30 minutes": 1_800.0,
    "2 hours": 7_200.0,
    "8 hours": 28_800.0,
    "1 day": 86_400.0,
    "7 days": 604_800.0,
    "30 days": 2_592_000.0,
}
_ACK_LENGTHS = {
    "1 hour": 3600.0,
    "4 hours": 14_400.0,
    "1 day": 86_400.0,
    "3 days": 259_200.0,
    "7 days": 604_800.0,
}
_KINDS = {
    "ack": AcknowledgeAlert, "release": ReleaseAlert, "silence": SilenceAlerts,
    "close": CloseAlert,
}  # fmt: skip
_VERBS = {"ack": "Acknowledge", "release": "Give back", "silence": "Silence", "close": "Close"}
_ICONS = {
    "ack": "person_check", "release": "undo", "silence": "notifications_off", "close": "task_alt",
}  # fmt: skip
_PREVIEW = 5
_KIND, _PATTERN = "alert-silence-kind", "alert-silence-pattern"


@dataclass(frozen=True, slots=True)
class Reasons:
    """Why the person cannot do something, asked once for all rows of a list."""

    off: str | None

    def against(self, what: What, project: str | None) -> str | None:
        """Return why not, None when they can."""
        return actions.why_not(_KINDS[what], project=project, off=self.off)


def button(
    what: What, alerts: Sequence[int], key: str, off: str | None, *, label: str = ""
) -> None:
    """Draw a button that has the page open the dialog for some alerts; ``off`` is why it cannot."""
    pressed = st.button(
        label or _VERBS[what],
        key=key,
        icon=f":material/{_ICONS[what]}:",
        type="tertiary",
        disabled=off is not None,
        help=plain(off, 300) if off else None,
    )
    if pressed:
        st.session_state[_WISH] = (what, tuple(alerts))
        st.rerun(scope="app")


def wished() -> tuple[What, tuple[int, ...]] | None:
    """Take the wish that a list left."""
    found: tuple[What, tuple[int, ...]] | None = st.session_state.pop(_WISH, None)
    return found


def open_wished() -> None:
    """Open the dialog that was wished for, if any; once a page, outside of what draws itself."""
    wish = wished()
    if wish is None:
        return
    what, ids = wish
    alerts = [one for one in access.read(ids) if one.open]
    if len(ids) == 1 and alerts:
        actions.confirm(_of_one(what, alerts[0]), icon=_ICONS[what])
    elif alerts:
        several.confirm(_of_many(what, alerts), _those(alerts), icon=_ICONS[what])
    else:
        st.toast("They have ended meanwhile.", icon=":material/check_circle:")


def _of_one(what: What, alert: Alert) -> Proposal:
    name = f"{_VERBS[what]}: {alert.title or alert.key}"
    if what == "ack":
        command = f"mlops alerts ack {alert.id} --for 4h --note TEXT"
        return Proposal(name, partial(_ack, alert), "Acknowledge", command)
    if what == "release":
        command = f"mlops alerts release {alert.id}"
        return Proposal(name, lambda: ReleaseAlert(alert.id, alert.project), "Give back", command)
    if what == "close":
        command = f"mlops alerts close {alert.id} --reason TEXT"
        return Proposal(name, partial(_close, alert), "Close it", command)
    command = f"mlops alerts silence {alert.id} --for 2h --reason TEXT"
    return Proposal(name, partial(_silence, alert), "Silence", command)


def _ack(alert: Alert) -> AcknowledgeAlert:
    note, length_s = _note(), _ack_length([alert])
    return AcknowledgeAlert(alert.id, alert.project, note, length_s)


def _ack_length(alerts: Sequence[Alert]) -> float:
    usual_s = min(ACKNOWLEDGED_S[one.severity] for one in alerts)
    usual = next(name for name, length_s in _ACK_LENGTHS.items() if length_s == usual_s)
    chosen: str = st.segmented_control(
        "For", list(_ACK_LENGTHS), default=usual, required=True, key="alert-ack-for"
    )
    return _ACK_LENGTHS[chosen]


def _note() -> str:
    return st.text_input(
        "What you do about it (optional; others see it)", key="alert-note", max_chars=_LIMIT
    ).strip()


def _close(alert: Alert) -> CloseAlert | None:
    reason = _reason("How do you know that it is over?")
    return CloseAlert(alert.id, alert.project, reason) if reason else None


def _reason(label: str) -> str:
    return st.text_input(label, key="alert-reason", max_chars=_LIMIT).strip()


def _silence(alert: Alert) -> SilenceAlerts | None:
    kind = f"{alert.kind}/*"
    where = f"of {alert.project}" if alert.project else "of all projects"
    told = {
        alert.key: f"This alert ({plain(alert.key, 400)})",
        kind: f"All alerts of the kind {alert.kind}, {where}",
    }
    chosen = st.radio("What", list(told), key="alert-silence-what", format_func=told.__getitem__)
    return _silenced(chosen, alert.project)


def _silenced(pattern: str, project: str | None) -> SilenceAlerts | None:
    length, reason = _length(), _reason("Why? Others see it.")
    _preview(pattern, project)
    if not (pattern and reason):
        return None
    return SilenceAlerts(pattern, reason, _until(length), project)


def _length() -> str:
    return st.segmented_control(
        "For", list(_LENGTHS), default="2 hours", required=True, key="alert-silence-for"
    )


def _until(length: str) -> float:
    # By the whole minute: each time the dialog is drawn it says the same.
    return (time.time() + _LENGTHS[length]) // 60 * 60


def _preview(pattern: str, project: str | None) -> None:
    """Draw which open alerts a pattern is about."""
    if not pattern:
        return
    probe = Silence(0, pattern, project, "", "", 0.0, 0.0)
    found = _within(probe)
    if not found:
        st.caption("It covers no alert that is open now; later ones it will.")
        return
    lines = "".join(
        f"\n- {plain(one.title or one.key, 120)}" for one in access.read(found[:_PREVIEW])
    )
    more = f"\n- and {len(found) - _PREVIEW:,} more" if len(found) > _PREVIEW else ""
    st.caption(f"It covers {counted(len(found), 'open alert')}:{lines}{more}")


def _within(probe: Silence) -> list[int]:
    mine = state.visible_projects()
    of = mine if probe.project is None else (probe.project,)
    return [one.id for one in access.covered(probe, access.places_of(of))]


def _those(alerts: Sequence[Alert]) -> several.Those[Alert]:
    return several.Those(
        tuple(alerts), "alert", lambda one: one.title or one.key, lambda one: one.id, picks.clear
    )


def _of_many(what: What, alerts: Sequence[Alert]) -> several.Wish[Alert]:
    told = {
        "ack": "Nobody is reminded of them for that time, unless one gets worse. What is still "
        "open then fires again. Their ends are told.",
        "release": "Nobody looks after them any more: they fire again, and are told.",
        "silence": "Nobody is told of them until then. They stay in the list.",
        "close": "They count as over. One that fires by evidence is refused.",
    }[what]
    makes: dict[str, Callable[[], Asked | None]] = {
        "ack": partial(_ack_all, alerts), "release": _release_all, "silence": _silence_all,
        "close": _close_all,
    }  # fmt: skip
    title = f"{_VERBS[what]} {counted(len(alerts), 'alert')}"
    return several.Wish(title, _VERBS[what], told, makes[what])


def _ack_all(alerts: Sequence[Alert]) -> Asked:
    note, length_s = _note(), _ack_length(alerts)
    return lambda alert: AcknowledgeAlert(alert.id, alert.project, note, length_s)


def _release_all() -> Asked:
    return lambda alert: ReleaseAlert(alert.id, alert.project)


def _silence_all() -> Asked | None:
    length, reason = _length(), _reason("Why? Others see it.")
    if not reason:
        return None
    return lambda alert: SilenceAlerts(alert.key, reason, _until(length), alert.project)


def _close_all() -> Asked | None:
    reason = _reason("How do you know that they are over?")
    return (lambda alert: CloseAlert(alert.id, alert.project, reason)) if reason else None


# Silences


def new_silence(project: str | None, off: str | None) -> None:
    """Draw the button that keeps alerts quiet by a pattern."""
    actions.button(
        "New silence",
        Proposal(
            "Keep alerts quiet",
            partial(_by_pattern, project),
            "Silence",
            "mlops alerts silence 'run/PROJECT/*' --for 2h --reason TEXT",
        ),
        key="silence-new",
        icon="notifications_off",
        off=actions.why_not(SilenceAlerts, project=project, off=off),
        kind="primary",
    )


def _by_pattern(project: str | None) -> SilenceAlerts | None:
    st.selectbox(
        "All of a kind",
        KINDS,
        index=None,
        key=_KIND,
        on_change=_all_of_kind,
        placeholder="Choose a kind, or write keys below",
    )
    pattern = st.text_input(
        "Keys of alerts, * for any characters",
        key=_PATTERN,
        max_chars=300,
        placeholder="run/lora-finetuning/*",
        help="Each alert shows its key. The first word is its kind.",
    ).strip()
    if project is not None:
        st.caption(f"Of the project {plain(project)} alone: it is the one you look at.")
    return _silenced(pattern, project)


def _all_of_kind() -> None:
    kind = st.session_state[_KIND]
    if kind is not None:
        st.session_state[_PATTERN] = f"{kind}/*"


def end_silence(silence: Silence, off: str | None) -> None:
    """Draw the button that ends a silence before its time."""
    action = EndSilence(silence.id, silence.project)
    actions.button(
        "End it",
        Proposal(
            f"End the silence of {silence.pattern}",
            lambda: action,
            "End it",
            f"mlops alerts unsilence {shlex.quote(str(silence.id))}",
        ),
        key=f"silence-end-{silence.id}",
        icon="notifications_active",
        off=actions.why_not(EndSilence, project=silence.project, off=off),
    )
