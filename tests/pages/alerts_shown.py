"""A journal with alerts in every state for the tests of their page, and what the page shows."""

import re
from collections.abc import Callable

import pytest
from streamlit.testing.v1 import AppTest

from dashboard import state
from services.alerting.models import Alert
from services.home import Home
from tests import alerts_seed as seed

_NUMBER = re.compile(r'href="/alerts\?[^"]*alert=(\d+)"')
VIEWS = ("inbox", "timeline", "silences", "channels", "history")
Scene = Callable[..., dict[str, Alert]]


@pytest.fixture
def scene(home: Home, signed_in: Callable[..., str]) -> Scene:
    """Lay alerts of every state into the journal, for a person; return them by key."""

    def laid(role: str = "operator", projects: tuple[str, ...] | None = None) -> dict[str, Alert]:
        signed_in(role, projects)
        return seed.fill(state.journal(), home)

    return laid


def rows(app: AppTest) -> list[str]:
    """The numbers of the alerts of the inbox in order."""
    found = (_NUMBER.search(str(one.value)) for one in app.get("html"))
    return [one[1] for one in found if one]
