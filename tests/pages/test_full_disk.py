"""The pages over a disk that is full, for real: what is known is drawn, and acting says why not."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from dashboard import state
from dashboard.alerts import acting
from dashboard.components import actions
from services.alerting import store
from services.home import Home
from tests import alerts_seed as seed
from tests.alerts_seed import DRIFT
from tests.pages.conftest import Open, forget, said
from tests.small_disk import SmallDisk, mounted


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[SmallDisk]:
    with mounted(tmp_path / "small", "24m") as small:
        yield small


@pytest.fixture
def home(disk: SmallDisk, monkeypatch: pytest.MonkeyPatch) -> Iterator[Home]:
    monkeypatch.setenv("MLOPS_HOME", str(disk.path))
    found = Home.locate()
    found.create()
    forget()
    yield found
    forget()


def test_alerts_are_read_and_acknowledging_says_that_the_disk_is_full(
    disk: SmallDisk,
    home: Home,
    signed_in: Callable[..., str],
    open_page: Open,
    carry_out: Callable[[], int],
    monkeypatch: pytest.MonkeyPatch,
):
    signed_in("operator", None)
    alert = seed.fill(state.journal(), home)[DRIFT]
    monkeypatch.setattr(acting, "wished", lambda: ("ack", (alert.id,)))
    monkeypatch.setattr(actions, "confirm", lambda proposal, **_: actions._dialog(proposal))
    app = open_page("alerts", role="operator", mirror="empty")
    disk.fill()
    app.run()
    assert not app.exception
    assert "The inputs of lora-finetuning drifted" in said(app)
    app.button(key="acting-do").click().run()
    assert not app.exception
    (error,) = [one.value for one in app.error if "journal" in one.value]
    assert "The disk is full or failing: free space, then try again" in error
    assert store.alert(state.journal(), alert.id).owner is None
    disk.free()
    app.button(key="acting-do").click().run()
    assert not app.exception
    assert carry_out() == 1
    assert store.alert(state.journal(), alert.id).owner == "mira"
