"""Parts of a page that are drawn again and again by themselves."""

import functools
from collections.abc import Callable
from typing import ParamSpec

import streamlit as st

from dashboard.components import notices
from services.errors import MlopsError

P = ParamSpec("P")


def live(draw: Callable[P, object], every_s: float | None) -> Callable[P, None]:
    """Return what draws it now and every so often: a fragment, so that it closes no dialog.

    Args:
        draw: Draws it.
        every_s: None: it is drawn again only when somebody touches something in it.
    """

    @functools.wraps(draw)
    def told(*args: P.args, **kwargs: P.kwargs) -> None:
        try:
            draw(*args, **kwargs)
        except MlopsError as error:  # out of a fragment no error reaches the frame that tells them
            notices.problem(error)

    return st.fragment(told, run_every=every_s)
