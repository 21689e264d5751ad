"""Endpoints with real checks for the tests of their page, and what the page shows."""

import html
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from services.actions.journal import Journal
from services.home import Home
from services.monitoring import courses
from services.monitoring.store import VerdictStore
from services.serving import figures, status
from services.settings import Settings
from tests import deployments_seed, monitoring_seed
from tests.pages.conftest import Open

PARTS = ("Drift", "Quality", "Accuracy", "Evidently")
Laid = Callable[..., Journal]


@pytest.fixture
def laid(home: Home, monitoring_mould: Path, monkeypatch: pytest.MonkeyPatch) -> Laid:
    """Put six endpoints into service, five of them checked."""
    monkeypatch.setenv("MLOPS_SERVING_ENABLED", "1")
    for module in (status, figures):  # nobody beats here, and machines are busy
        monkeypatch.setattr(module, "STALE_S", 120.0)

    def done(*, checks: bool = True, gateway: bool = True) -> Journal:
        journal = Journal.open(Settings())
        deployments_seed.fill(home, journal, minutes=0)
        if not gateway:
            (home.run / "serving" / "figures.json").unlink()
        if checks:
            monitoring_seed.laid(monitoring_mould, home)
        return journal

    return done


def opened(open_page: Open, name: str = "", **given: Any) -> AppTest:
    query = {"deployment": name} if name else {}
    return open_page("monitoring", mirror=given.pop("mirror", "full"), **query, **given)


def drawn(app: AppTest) -> str:
    return "\n".join(str(one.value) for one in app.get("html"))


def row(app: AppTest, name: str, role: str = "") -> str:
    """The matrix' row of a deployment, or of the version that has this role."""
    found = [one for one in re.findall(r"<tr>.*?</tr>", drawn(app)) if f"={name}" in one]
    return next(html.unescape(one).replace("\xa0", " ") for one in found if f">{role}" in one)


def ids(name: str, version: int = 1) -> list[str]:
    project, _, model = name.partition(".")
    store = VerdictStore(Home.locate())
    found = [one.id for one in courses.checks(store, project, model, version)]
    store.close()
    return found
