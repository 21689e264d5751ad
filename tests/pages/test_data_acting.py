"""What is done on the page of data and models: by whom, after which warning, and seen by all."""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from dashboard import state
from services.actions.data_push import DataPush
from services.data.service import DataService
from tests.data_seed import CHANGED, GROWN, LISTLESS, NEW
from tests.pages.conftest import Open, words
from tests.pages.roles import EVERY_ROLE, ROLES
from tests.pages.test_data import said, versions
from tests.services.data.conftest import contract, put, write

BUTTONS = {
    "data-add": "operator",
    "data-prune": "operator",
    "data-share": "approver",
    "data-checkout": "operator",
    "data-push": "operator",
    "data-pull": "operator",
}


# Acting


@pytest.mark.parametrize("role", EVERY_ROLE)
def test_who_may_not_act_is_told_why(versioned: DataService, open_page: Open, role: str):
    earlier = versioned.versions(GROWN, "data")[1].revision
    app = open_page("data", role=role, of=GROWN, revision=earlier)
    for key, needed in BUTTONS.items():
        may = ROLES.index(role) >= ROLES.index(needed)
        assert app.button(key=key).disabled is not may, key
        if not may:
            assert f"takes the role {needed}; mira is {role}" in app.button(key=key).help


def test_nothing_is_done_while_the_controller_is_away(versioned: DataService, open_page: Open):
    app = open_page("data", role="admin", mirror="none", of=GROWN)
    assert not app.exception
    for key in BUTTONS:
        assert app.button(key=key).disabled, key


def test_the_version_the_folder_holds_is_not_checked_out(versioned: DataService, open_page: Open):
    app = open_page("data", role="operator", of=GROWN)
    assert "The folder holds this version" in app.button(key="data-checkout").help


def test_what_pruning_frees_is_said_before(
    versioned: DataService, open_page: Open, dialog_open: Callable[[str], None]
):
    dialog_open("data-prune")
    app = open_page("data", role="operator", of=GROWN)
    assert "Of 3 versions earlier" in words(app)
    app.number_input(key="data-keep").set_value(1).run()
    assert "Of 6 versions earlier" in words(app)
    assert "become free" in words(app)
    app.number_input(key="data-keep").set_value(50).run()
    assert "Nothing is to free" in words(app)


def test_a_share_is_asked_for_through_the_dialog(
    versioned: DataService,
    open_page: Open,
    dialog_open: Callable[[str], None],
    carry_out: Callable[[], int],
):
    dialog_open("data-share")
    app = open_page("data", role="approver", of=GROWN)
    assert app.button(key="acting-do").disabled
    app.selectbox(key="data-with").set_value(NEW).run()
    assert f"{NEW} can check out every version of data" in said(app)
    app.button(key="acting-do").click().run()
    carry_out()
    app.run()
    assert "shared" in app.success[0].value
    assert [s.with_project for s in versioned.shares(GROWN)] == [NEW]


def test_a_scoped_person_is_offered_no_project_they_do_not_see(
    versioned: DataService, open_page: Open, dialog_open: Callable[[str], None]
):
    dialog_open("data-share")
    app = open_page("data", role="approver", projects=(GROWN, LISTLESS), of=GROWN)
    assert app.selectbox(key="data-with").options == [LISTLESS]


def test_a_checkout_that_would_lose_files_names_them_and_cannot_be_pressed(
    versioned: DataService, open_page: Open, dialog_open: Callable[[str], None]
):
    dialog_open("data-checkout")
    earlier = versioned.versions(CHANGED, "data")[1].revision
    app = open_page("data", role="operator", of=CHANGED, revision=earlier)
    assert "1 file would be lost" in app.error[0].value
    assert "data/pairs" in app.error[0].value
    assert app.button(key="acting-do").disabled


@pytest.mark.engine
@pytest.mark.usefixtures("home", "patient")
def test_a_version_is_made_checked_out_and_the_bytes_are_back(
    tmp_path: Path,
    open_page: Open,
    dialog_open: Callable[[str], None],
    carry_out: Callable[[], int],
):
    folder = tmp_path / "lora"
    folder.mkdir()
    contract(folder, GROWN, ["data/"], ["models/"])
    put(folder, data__a="first")
    service = DataService.here()
    service.track(folder, "data")
    put(folder, data__a="second")
    dialog_open("data-add")
    app = open_page("data", role="operator", of=GROWN)
    assert "What data hold now becomes a version" in said(app)
    app.button(key="acting-do").click().run()
    assert carry_out() == 1
    app.run()
    assert "data is now" in app.success[0].value
    second, first = (v.revision for v in service.versions(GROWN, "data"))

    dialog_open("data-checkout")
    app = open_page("data", role="operator", mirror="as it is", of=GROWN, revision=first)
    assert "files 0 added, 1 changed, 0 removed" in said(app)
    app.button(key="acting-do").click().run()
    assert carry_out() == 1
    app.run()
    assert (
        state.executor().history()[0].result == f"data is {first}: 1 file placed, 0 files removed"
    )
    assert app.button(key="data-checkout").disabled
    assert (folder / "data" / "a").read_text() == "first"
    assert list(versions(app)["revision"]) == [second, first]


# What is under way


def test_what_is_under_way_is_drawn_whoever_asked_for_it(versioned: DataService, open_page: Open):
    revision = versioned.versions(GROWN, "data")[0].revision
    open_page("data", role="operator", of=GROWN)
    action = DataPush(GROWN, revision)
    state.executor().submit(state.actor(), action, "a key")
    place = versioned.project(GROWN).place
    with place.held():
        told = {"what": "sending", "files": 3, "files_total": 24, "bytes": 1000}
        told |= {"bytes_total": 4000, "at": datetime.now(UTC).isoformat()}
        write(place.progress, json.dumps(told))
        for query in ({}, {"of": GROWN}):  # a page that is opened meanwhile
            app = open_page("data", role="operator", mirror="as it is", **query)
            assert f"Send version {revision} of {GROWN} to the remote" in said(app)
            assert "pending" in said(app)
            (bar,) = (one.proto for one in app.get("progress"))
            assert bar.value == 25
            assert "Sending: 3 of 24 files, 1.00 kB of 4.00 kB" in bar.text.replace("\\", "")
    app = open_page("data", role="operator", mirror="as it is")
    assert not app.get("progress")


def test_a_run_that_tracks_its_data_is_seen_without_an_action(
    versioned: DataService, open_page: Open
):
    place = versioned.project(GROWN).place
    with place.held():
        told = {"what": "reading", "files": 0, "files_total": None, "bytes": 0}
        write(
            place.progress,
            json.dumps(told | {"bytes_total": None, "at": datetime.now(UTC).isoformat()}),
        )
        app = open_page("data")
    assert "a run or a command works on its files" in said(app)
