"""Who is told: each channel, what it is told, how it does; added, changed, removed, tried."""

import shlex
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, TypedDict

import streamlit as st

from dashboard import state
from dashboard.alerts import access
from dashboard.alerts.access import Told
from dashboard.components import actions, notices
from dashboard.components.actions import Proposal
from dashboard.numbers import age, counted
from dashboard.text import plain
from services.actions import roles
from services.actions.alert_channels import AddChannel, RemoveChannel, SetChannel, TryChannel
from services.alerting import channels, delivery, hours
from services.alerting.kinds import KINDS
from services.alerting.models import SEVERITIES, Channel, Message, Severity
from services.errors import MlopsError
from services.home import Home
from services.platform import public_address

if TYPE_CHECKING:
    from collections.abc import Callable

    from services.actions.action import Action

_ADDRESS = "channel-address"
_MADE = "channel-secret"
_NEW = Channel("", "")


def draw(off: str | None) -> None:
    """Draw the channels."""
    actions.button(
        "Add a channel",
        Proposal(
            "Add a channel",
            _fields,
            "Add it",
            "mlops alerts channels add NAME --severity warning",
            hand_over=_hand_over,
            after=_show,
        ),
        key="channel-new",
        icon="add_alert",
        off=actions.why_not(AddChannel, off=off),
        kind="primary",
    )
    found = access.told()
    if not found:
        notices.empty(
            "Nobody is told of alerts",
            "They are kept and shown here all the same. A channel sends them on: to Slack, by "
            "e-mail, to a webhook, and to whatever else Apprise can reach.",
            icon="notifications_off",
            command="mlops alerts channels add NAME",
        )
    elif not public_address.known(Home.locate(), state.settings().dashboard_url):
        st.caption(
            f"Links in messages lead nowhere from another machine: {public_address.UNKNOWN} "
            f"{plain(public_address.MEND, 400)}"
        )
    for one in found:
        _card(one, off)


def _card(one: Told, off: str | None) -> None:
    channel = one.channel
    name = shlex.quote(channel.name)
    with (
        st.container(border=True, key=f"channel-card-{channel.name}"),
        st.container(horizontal=True, vertical_alignment="center"),
    ):
        with st.container(width="stretch", gap="xsmall"):
            st.markdown(
                f"**{plain(channel.name)}** :gray[{plain(channel.service)}]  \n{_told(one)}"
            )
            st.markdown(_does(one))
        actions.button(
            "Test",
            Proposal(
                f"Send a message to {channel.name}",
                lambda: TryChannel(channel.name),
                "Send it",
                f"mlops alerts test {name}",
            ),
            key=f"channel-test-{channel.name}",
            icon="send",
            off=actions.why_not(TryChannel, off=off),
        )
        actions.button(
            "Change",
            Proposal(
                f"Change what {channel.name} is told",
                partial(_changed, channel),
                "Change it",
                f"mlops alerts channels set {name} --severity warning",
            ),
            key=f"channel-set-{channel.name}",
            icon="tune",
            off=actions.why_not(SetChannel, off=off),
        )
        actions.button(
            "Remove",
            Proposal(
                f"Remove the channel {channel.name}",
                lambda: RemoveChannel(channel.name),
                "Remove it",
                f"mlops alerts channels remove {name}",
            ),
            key=f"channel-remove-{channel.name}",
            icon="delete",
            off=actions.why_not(RemoveChannel, off=off),
        )


def _told(one: Told) -> str:
    channel, mine = one.channel, state.visible_projects()
    worse = "" if channel.severity == "critical" else " and worse"
    of = "of all projects and the platform"
    if channel.projects is not None:
        shown = [p for p in channel.projects if mine is None or p in mine]
        hidden = len(channel.projects) - len(shown)
        of = f"of {', '.join(shown)}{f' and {hidden} you do not see' if hidden else ''}"
    parts = [f"{channel.severity}{worse} {of}"]
    if channel.kinds is not None:
        parts.append(f"only {', '.join(channel.kinds)}")
    if channel.escalation:
        parts.append("only what nobody acknowledged in time")
    if channel.quiet is not None:
        parts.append(f"{hours.written(channel.quiet)} only what is critical")
    if channel.private:
        parts.append("private addresses allowed")
    return plain(" · ".join(parts), 600)


def _does(one: Told) -> str:
    channel, last = one.channel, one.last
    waits = f" {counted(one.waiting, 'message')} waiting." if one.waiting else ""
    if channel.trouble:
        tries = f" {channel.failures} in a row." if channel.failures > 1 else ""
        when = f" {_ago(last.created_at)}" if last is not None else ""
        return (
            f":red[:material/cancel: The last message{when} did not arrive.]{tries} "
            f"{plain(channel.trouble, 400)}{waits}"
        )
    if last is None or last.sent_at is None:
        return f":gray[:material/radio_button_unchecked: No message was sent yet.{waits}]"
    title = last.title if _may_read(last) else "It told of what you do not see."
    return (
        f":green[:material/check_circle: The last message arrived {_ago(last.sent_at)}.] "
        f":gray[{plain(title, 160)}]{waits}"
    )


def _may_read(one: Message) -> bool:
    """Return whether a message tells nothing of projects that the person does not see."""
    return state.visible_projects() is None or one.what == "test"


def _ago(at: float) -> str:
    return age(datetime.fromtimestamp(at, UTC))


# What it is told


class _Said(TypedDict):
    """What both actions say of a channel."""

    severity: Severity
    projects: tuple[str, ...] | None
    quiet: str
    zone: str
    private: bool
    escalation: bool
    kinds: tuple[str, ...] | None
    days: str


def _changed(channel: Channel) -> SetChannel:
    return SetChannel(channel.name, **_said(channel, f"change-{channel.name}"))


def _fields() -> AddChannel | None:
    name = st.text_input(
        "Name", key="channel-name", max_chars=40, placeholder="ops", autocomplete="off"
    ).strip()
    address = st.text_input(
        "Address",
        key=_ADDRESS,
        type="password",
        max_chars=4_000,
        autocomplete="off",
        placeholder="slack://…, mailtos://USER:PASSWORD@HOST, https://…",
        help="As Apprise writes it, or the https address of a webhook. It is kept among the "
        "secrets of this machine and shown to nobody again.",
    ).strip()
    said = _said(_NEW, "channel")
    if not (name and address):
        return None
    channels.check_name(name)
    return AddChannel(name, _service(address), "", **said)


def _said(now: Channel, key: str) -> _Said:
    """Draw the fields of what a channel is told, as they are now."""
    severity = st.segmented_control(
        "Told from", list(SEVERITIES), default=now.severity, required=True, key=f"{key}-severity"
    )
    known = sorted({project.id for project in state.projects()} | set(now.projects or ()))
    projects = st.multiselect(
        "Projects", known, default=now.projects, key=f"{key}-projects",
        placeholder="All, and the platform itself",
    )  # fmt: skip
    kinds = st.multiselect(
        "Kinds", KINDS, default=now.kinds, key=f"{key}-kinds", placeholder="All kinds of alerts"
    )
    quiet, zone, days = _quiet(now, key)
    escalation = st.checkbox(
        "Only what nobody acknowledged in time", value=now.escalation, key=f"{key}-escalation",
        help="What is critical after 15 minutes, a warning after an hour, info never.",
    )  # fmt: skip
    private = st.checkbox(
        "Its address may be of a private network or this machine", value=now.private,
        key=f"{key}-private",
        help="Otherwise such an address is blocked, whatever name leads to it.",
    )  # fmt: skip
    return {
        "severity": severity, "projects": tuple(projects) or None, "quiet": quiet, "zone": zone,
        "private": private, "escalation": escalation, "kinds": tuple(kinds) or None, "days": days,
    }  # fmt: skip


def _quiet(now: Channel, key: str) -> tuple[str, str, str]:
    """Draw the fields of quiet hours; return hours, time zone, days."""
    held = now.quiet
    with st.container(horizontal=True):
        quiet = st.text_input(
            "Quiet hours", value=hours.span(held) if held else "", key=f"{key}-quiet",
            max_chars=11, placeholder="22:00-07:00",
            help="Then it is told only what is critical; the rest afterwards, if it lasts still.",
        ).strip()  # fmt: skip
        days = st.text_input(
            "On which days", value=hours.written_days(held) if held else "", key=f"{key}-days",
            max_chars=27, placeholder="mon-fri", help="Those on which they begin; empty: on each.",
        ).strip()  # fmt: skip
        zone = st.text_input(
            "Time zone",
            value=held.zone if held else str(state.zone()),
            key=f"{key}-zone",
            max_chars=60,
        ).strip()
    if quiet:
        hours.parse(quiet, zone or "UTC", days)
    return quiet, zone or "UTC", days if quiet else ""


def _service(address: str) -> str:
    """Return the service of an address; asked of Apprise once, which takes a process of its own."""
    held: dict[str, str] = st.session_state["acting"]
    if held.get("channel-asked") != address:
        held["channel-service"] = delivery.service_of(address)
        held["channel-asked"] = address
    return held["channel-service"]


def _hand_over(action: "Action", submit: "Callable[[Action], int]") -> int:
    """Put the address among the secrets, then ask for the channel; refused, it is forgotten."""
    if not isinstance(action, AddChannel):
        return submit(action)
    roles.require(state.actor(), "admin", None, action.title)  # nobody else puts a file there
    home = Home.locate()
    address = str(st.session_state[_ADDRESS])
    secret = channels.new_secret() if action.service == delivery.WEBHOOK else ""
    reference = channels.keep_address(home, address, secret)
    try:
        number = submit(replace(action, reference=reference))
    except MlopsError:
        channels.forget_address(home, reference)
        raise
    st.session_state["acting"].pop("channel-asked", None)
    st.session_state[_MADE] = actions.opened(), secret
    return number


def _show() -> None:
    """Draw the secret of a webhook, once: whoever closes the dialog does not see it again."""
    opened, secret = st.session_state.get(_MADE, ("", ""))
    if not secret or opened != actions.opened():
        return
    st.markdown(
        "**The secret.** What the webhook is sent is signed with it. It is shown only here."
    )
    st.code(secret, language=None, wrap_lines=True)
