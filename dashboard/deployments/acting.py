"""What is done with a deployment: another version, back, more, less, out of service.

With ``deploy`` and ``keys`` the only modules of the page that know the actions.
"""

import shlex
from collections.abc import Callable
from functools import partial

import streamlit as st

from dashboard.components import actions
from dashboard.components.actions import Proposal
from dashboard.deployments import access, deploy, progress
from dashboard.numbers import percent
from dashboard.text import plain
from services.actions.deploy_rollback import RollbackDeployment
from services.actions.rollout_step import Change, SteerRollout
from services.actions.scale import Scale
from services.actions.serving_privacy import KEPT, SetPrivacy
from services.actions.undeploy import Undeploy
from services.errors import MlopsError
from services.serving.looking import Deployment, RolloutLook

_REASON_LIMIT = 2_000
_MOST = 64
_MINUTE_S = 60.0
_GONE = "It is not in service: deploy a version."


def buttons(seen: Deployment, off: str | None) -> None:
    """Draw what is done with it; each off, with the reason, for who may not or when it cannot."""
    gone = None if seen.version is not None and seen.state != "stopped" else _GONE
    busy = access.busy(seen)
    deploy.button(
        seen.project, seen.model, off=off or busy, key="deployment-deploy",
        label="Deploy another version" if gone is None else "Deploy",
    )  # fmt: skip
    _rollback(seen, off or gone or busy)
    _scale(seen, off or gone)
    _privacy(seen, off or gone)
    _undeploy(seen, off or gone)


def _where(seen: Deployment) -> str:
    return shlex.quote(f"{seen.project}/{seen.model}")


def _rollback(seen: Deployment, off: str | None) -> None:
    why = actions.why_not(RollbackDeployment, project=seen.project, off=off)
    earlier, told = ((), "") if why else _earlier(seen)
    why = why or told or None
    label = f"Roll back to version {earlier[0]}" if earlier else "Roll back"
    actions.button(
        label,
        Proposal(
            f"Roll {seen.model} back",
            partial(_rollback_fields, seen, earlier),
            "Roll back",
            f"mlops rollback {_where(seen)}",
            during=partial(progress.draw, seen.name),
        ),
        key="deployment-rollback",
        icon="undo",
        off=why,
    )


def _earlier(seen: Deployment) -> tuple[tuple[int, ...], str]:
    """Return the versions to go back to, or why there is none."""
    try:
        return access.earlier(seen)
    except MlopsError as error:  # of the mirror or the journal: the button tells it
        return (), str(error)


def _rollback_fields(seen: Deployment, earlier: tuple[int, ...]) -> RollbackDeployment | None:
    target = earlier[0]
    if len(earlier) > 1:
        target = st.selectbox(
            "Back to",
            list(earlier),
            key="deployment-rollback-to",
            format_func=lambda number: f"Version {number}",
            help="Versions that were live before, the last one first.",
        )
    return RollbackDeployment(seen.project, seen.model, target, _reason("deployment-rollback-why"))


def _reason(key: str) -> str:
    return st.text_input(
        "Reason, for the history (optional)", key=key, max_chars=_REASON_LIMIT
    ).strip()


def _scale(seen: Deployment, off: str | None) -> None:
    actions.button(
        "Scale",
        Proposal(
            f"Scale {seen.model}",
            partial(_scale_fields, seen),
            "Scale",
            f"mlops scale {_where(seen)} --replicas {seen.min_replicas}",
        ),
        key="deployment-scale",
        icon="linear_scale",
        off=actions.why_not(Scale, project=seen.project, off=off),
    )


def _scale_fields(seen: Deployment) -> Scale | None:
    left, right = st.columns(2)
    with left:
        least = st.number_input(
            "Replicas at least", 0, _MOST, seen.min_replicas, key="deployment-scale-min",
            help="0: it sleeps while nobody asks, and the first request waits for it to load.",
        )  # fmt: skip
    with right:
        most = st.number_input(
            "Replicas at most", 1, _MOST, max(1, seen.max_replicas), key="deployment-scale-max",
            help="As many when requests wait, as long as there is memory.",
        )  # fmt: skip
    pinned = st.toggle(
        "Pin: never end it to make room for others", value=seen.pinned, key="deployment-scale-pin"
    )
    idle = st.number_input(
        "Asleep after, in minutes without a request",
        0.5,
        43_200.0,
        max(0.5, seen.idle_after_s / _MINUTE_S),
        format="%g",
        key="deployment-scale-idle",
    )
    if least > most:
        st.caption("It cannot have more at least than at most.")
        return None
    idle_s = round(float(idle) * _MINUTE_S, 3)
    changed = Scale(
        seen.project,
        seen.model,
        None if least == seen.min_replicas else int(least),
        None if most == seen.max_replicas else int(most),
        None if pinned == seen.pinned else pinned,
        None if idle_s == seen.idle_after_s else idle_s,
    )
    if changed == Scale(seen.project, seen.model):
        st.caption("That is how it is.")
        return None
    return changed


def _undeploy(seen: Deployment, off: str | None) -> None:
    actions.button(
        "Undeploy",
        Proposal(
            f"Take {seen.model} out of service",
            lambda: Undeploy(seen.project, seen.model, _reason("deployment-undeploy-why")),
            "Take it out of service",
            f"mlops undeploy {_where(seen)}",
        ),
        key="deployment-undeploy",
        icon="stop_circle",
        off=actions.why_not(Undeploy, project=seen.project, off=off),
    )


def _privacy(seen: Deployment, off: str | None) -> None:
    actions.button(
        "Privacy",
        Proposal(
            f"What the prediction log keeps of {seen.project}",
            partial(_privacy_fields, seen),
            "Set it",
            f"mlops privacy {shlex.quote(seen.project)} full|hash|sample|off",
        ),
        key="deployment-privacy",
        icon="visibility_off",
        off=actions.why_not(SetPrivacy, project=seen.project, off=off),
    )


def _privacy_fields(seen: Deployment) -> SetPrivacy | None:
    kept = st.segmented_control(
        "It keeps",
        list(KEPT),
        default=seen.privacy,
        required=True,
        key="deployment-privacy-kept",
        help="Of what is asked and answered; when, how fast and by which version is always kept.",
    )
    if kept == "sample":
        share = st.slider(
            "Of the predictions, in percent", 1, 100, 10, key="deployment-privacy-share"
        )
        return SetPrivacy(seen.project, "sample", share / 100)
    if kept == seen.privacy:
        st.caption("That is what it keeps now.")
        return None
    return SetPrivacy(seen.project, next(one for one in KEPT if one == kept))


# A rollout that is under way


def rollout_buttons(seen: Deployment, rollout: RolloutLook, off: str | None) -> None:
    """Draw what is done with the rollout that is under way."""
    number = rollout.version
    tries = rollout.strategy in {"canary", "shadow"}
    itself = None if tries else "It goes live by itself when it has proved well."
    told = "It is being made live." if rollout.promote else None
    _steer(
        seen, "promote", "Make it live", f"Make version {number} live", "rocket_launch",
        off=off or told or itself, role="approver", kind="primary" if tries else "secondary",
    )  # fmt: skip
    if rollout.strategy == "canary" and not rollout.header:
        actions.button(
            "Change its share",
            Proposal(
                f"Share of version {number}",
                partial(_share_fields, seen, rollout),
                "Set it",
                f"mlops rollout {_where(seen)} --share PERCENT",
            ),
            key="rollout-share",
            icon="percent",
            off=actions.why_not(SteerRollout, project=seen.project, off=off or told),
        )
    _steer(
        seen, "abort", "End it", f"End the rollout of version {number}", "block", off=off,
        role="operator", fields=lambda: _reason("rollout-abort-why"),
    )  # fmt: skip


def _steer(
    seen: Deployment,
    change: Change,
    label: str,
    title: str,
    icon: str,
    *,
    off: str | None,
    role: str,
    kind: str = "secondary",
    fields: Callable[[], str] = lambda: "",
) -> None:
    number = seen.rollout.version if seen.rollout else None

    def make() -> SteerRollout:
        return SteerRollout(
            seen.project,
            seen.model,
            change,
            version=number,
            reason=fields(),
            begun_by=seen.rollout.action_id if seen.rollout else None,
        )

    actions.button(
        label,
        Proposal(title, make, label, f"mlops rollout {_where(seen)} --{change}"),
        key=f"rollout-{change}",
        icon=icon,
        off=deploy.why_not(role, seen.project, off),
        kind=kind,  # type: ignore[arg-type]  # one of the words
    )


def _share_fields(seen: Deployment, rollout: RolloutLook) -> SteerRollout | None:
    now = round(rollout.share * 100)
    wanted = st.slider(
        "Of the requests that name no version, in percent",
        min_value=1,
        max_value=100,
        value=max(1, now),
        key="rollout-share-wanted",
        help="More than 50 % takes an approver.",
    )
    if wanted == now:
        st.caption(plain(f"It has {percent(rollout.share)} now."))
        return None
    return SteerRollout(
        seen.project, seen.model, "share", percent=float(wanted), version=rollout.version,
        begun_by=rollout.action_id,
    )  # fmt: skip
