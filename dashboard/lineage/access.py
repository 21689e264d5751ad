"""What the page reads, limited to what the person may see."""

import streamlit as st

from dashboard import state
from dashboard.lineage.address import FIND, ID, WAY, WIDE
from services.home import Home
from services.lineage.asking import Lineage
from services.lineage.models import Direction, Ref, ref_of
from services.lineage.monitored import Monitored
from services.lineage.walking import LIMITS, Limits
from services.monitoring.periods import is_there

WAYS: dict[str, tuple[Direction, ...]] = {
    "Both ways": ("up", "down"),
    "Came from": ("up",),
    "Came of it": ("down",),
}


SIZES: tuple[Limits, ...] = (
    LIMITS, Limits(depth=48, fan=48, nodes=480), Limits(depth=96, fan=200, nodes=1_000),
)  # fmt: skip
"""How far a walk goes when it is asked for more, and for still more."""


def lineage() -> Lineage:
    """Return what is asked; made anew each time, for it holds what it read of data repositories."""
    context, home = state.context(), Home.locate()
    watched = Monitored(context.journal, lambda: state.verdicts() if is_there(home) else None)
    mine = state.visible_projects()
    return Lineage(home, context.mirror, context.journal, context.data, mine, watched)


def named() -> str:
    """Return the id in the address, empty when there is none."""
    return st.query_params.get(ID, "")


def looked_for() -> str:
    """Return the words in the address."""
    return st.query_params.get(FIND, "").strip()


def ways() -> tuple[Direction, ...]:
    """Return which ways the address asks for."""
    said = st.query_params.get(WAY, "").casefold()
    return next((both for name, both in WAYS.items() if name.casefold() == said), ("up", "down"))


def size() -> int:
    """Return how much the address asks for: a place in ``SIZES``."""
    said = st.query_params.get(WIDE, "")
    return int(said) if said in {str(number) for number in range(len(SIZES))} else 0


def ref() -> Ref | None:
    """Return the thing that the address names, None when it names none."""
    return ref_of(named())
