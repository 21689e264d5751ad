"""What a machine offers to jobs: the dialog in which an administrator says it.

The only module of the page that knows the action.
"""

from datetime import UTC, datetime

import streamlit as st

from dashboard import state
from dashboard.components import actions
from dashboard.components.actions import Proposal
from dashboard.numbers import moment
from dashboard.queue.access import Queue
from dashboard.text import plain
from services.actions import machine_room
from services.actions.machine_offer import OfferMachine
from services.actions.machine_room import Standing
from services.resources.models import GIB, gib
from services.resources.offers import MOST_SLOTS

_KEY = "queue-offer"
_HELP = "For jobs and endpoints together, in GB as memory is sold. Empty: as measured."


def button(queue: Queue, off: str | None) -> None:
    """Draw the button; off, with the reason, for who may not, or while nobody decides."""
    if not queue.decided.hosts:
        return
    hosts = [str(one["host"]) for one in queue.decided.hosts]
    here = next((str(one["host"]) for one in queue.decided.hosts if one.get("here")), hosts[0])
    proposal = Proposal(
        "What a machine offers to jobs",
        lambda: _asked(hosts, here),
        "Offer it",
        "mlops queue --machine HOST --slots N --memory-gb X --power-w X",
    )
    with st.container(horizontal=True, horizontal_alignment="right"):
        actions.button(
            "Change what it offers" if len(hosts) == 1 else "Change what a machine offers",
            proposal,
            key=_KEY,
            icon="tune",
            off=actions.why_not(OfferMachine, off=off),
            kind="tertiary",
        )


def _asked(hosts: list[str], here: str) -> OfferMachine | None:
    host = here
    if len(hosts) > 1:
        host = st.selectbox("Machine", hosts, index=hosts.index(here), key=f"{_KEY}-host")
    now = machine_room.standing(state.context(), host)
    st.caption(plain(present(now), 400))
    measured = now.offer is not None and st.toggle(
        "As measured", key=f"{_KEY}-measured-{host}", help="Takes away all that was said of it."
    )
    wanted = OfferMachine(host) if measured else _fields(now)
    if wanted.offer().rule == (now.offer.rule if now.offer else OfferMachine(host).offer().rule):
        st.caption("That is what it offers.")
        return None
    return wanted


def present(now: Standing) -> str:
    """Return what a machine offers now, and what was measured, in sentences."""
    own = now.measured
    if own.memory_bytes is None:
        memory = "nobody knows how much memory it has"
    else:
        memory = f"{gib(own.memory_bytes)} of memory: {own.said}"
    told = f"As measured it offers one heavy job at a time and {memory}; power is not limited."
    if now.offer is None:
        return told
    at = moment(datetime.fromtimestamp(now.offer.at, UTC), state.zone())
    return f"{now.present.given[:-1]} ({now.offer.by}, {at}). {told}"


def _fields(now: Standing) -> OfferMachine:
    said, own, host = now.offer, now.measured, now.host
    memory = "Not known" if own.memory_bytes is None else f"{own.memory_bytes / GIB:.1f}"
    given = None if said is None or said.memory_bytes is None else said.memory_bytes / GIB
    columns = st.columns(3)
    with columns[0]:
        slots = st.number_input(
            "Heavy jobs at a time",
            0,
            MOST_SLOTS,
            value=None if said is None else said.gpu_slots,
            step=1,
            placeholder=str(own.gpu_slots),
            key=f"{_KEY}-slots-{host}",
            help="0 keeps heavy jobs away. Empty: as measured.",
        )
    with columns[1]:
        memory_gb = st.number_input(
            "Memory for jobs, GB",
            0.0,
            value=given,
            step=1.0,
            format="%g",
            placeholder=memory,
            key=f"{_KEY}-memory-{host}",
            help=_HELP,
        )
    with columns[2]:
        power_w = st.number_input(
            "Power of all jobs, W",
            0.0,
            value=None if said is None else said.power_w,
            step=5.0,
            format="%g",
            placeholder="No limit",
            key=f"{_KEY}-power-{host}",
            help="Counted from what earlier runs drew. Empty: not limited.",
        )
    return OfferMachine(host, slots, memory_gb, power_w)
