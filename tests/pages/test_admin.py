from collections.abc import Callable
from pathlib import Path

import pytest

from dashboard import state
from services.access import store
from services.home import Home
from tests.pages.conftest import Open, words

Dialog = Callable[[str], None]


@pytest.mark.parametrize("role", ["viewer", "operator", "approver"])
def test_others_are_refused_though_they_know_the_address(open_page: Open, role: str):
    app = open_page("admin", role=role)

    assert not app.exception
    assert "takes the role admin" in app.error[0].value
    assert not app.dataframe


def test_a_scoped_admin_is_no_admin_of_the_platform(open_page: Open):
    app = open_page("admin", role="admin", projects=("clip-finetuning",))

    assert "whole platform" in app.error[0].value


@pytest.mark.parametrize("view", ["People", "Sessions", "Platform"])
@pytest.mark.parametrize("mirror", ["full", "empty", "down", "none"])
def test_the_page_draws_whatever_the_engines_do(open_page: Open, view: str, mirror: str):
    app = open_page("admin", role="admin", mirror=mirror, view=view)

    assert not app.exception
    assert app.dataframe


def test_a_person_is_added_through_the_dialog(
    open_page: Open, carry_out: Callable[[], int], dialog_open: Dialog
):
    dialog_open("add-user")
    app = open_page("admin", role="admin")
    assert app.button(key="acting-do").disabled

    app.text_input(key="new-name").set_value("bob").run()
    assert "bob can sign in as viewer" in words(app)
    password = app.session_state["acting"]["password"]
    app.button(key="acting-do").click().run()
    assert "controller takes it up" in words(app)
    carry_out()
    app.run()

    assert "Add the user bob as viewer" in app.success[0].value
    assert state.access().sign_in("bob", password, "127.0.0.1").value
    assert password in words(app)


def test_a_name_that_is_taken_is_refused_in_the_dialog(open_page: Open, dialog_open: Dialog):
    dialog_open("add-user")
    app = open_page("admin", role="admin")
    app.text_input(key="new-name").set_value("mira").run()
    app.button(key="acting-do").click().run()

    assert "There is a user mira already" in app.error[0].value
    assert not state.executor().history()


def test_the_password_reaches_neither_journal_nor_audit(
    open_page: Open, home: Home, dialog_open: Dialog
):
    dialog_open("add-user")
    app = open_page("admin", role="admin")
    app.text_input(key="new-name").set_value("bob").run()
    password = app.session_state["acting"]["password"]
    app.button(key="acting-do").click().run()

    assert password.encode() not in (home.databases / "journal.sqlite").read_bytes()


def test_without_the_controller_nothing_can_be_asked_for(open_page: Open):
    app = open_page("admin", role="admin", mirror="none")

    assert app.button(key="add-user").disabled
    assert "mlops status" in words(app)


def test_the_platform_view_names_what_the_doctor_found(open_page: Open):
    said = words(open_page("admin", role="admin", view="Platform"))

    assert "Doctor" in said
    assert "checks hold" in said or "SQLite" in said


def test_a_project_is_registered_by_its_folder(
    open_page: Open, carry_out: Callable[[], int], dialog_open: Dialog, tmp_path: Path
):
    dialog_open("register-project")
    folder = tmp_path / "outside"
    folder.mkdir()
    (folder / "train.py").write_text("")
    (folder / "pyproject.toml").write_text(
        '[tool.mlops]\nid = "outside"\ntitle = "Outside"\ntrain = "python train.py"\n'
        'primary_metric = { name = "accuracy", goal = "max" }\n'
    )
    app = open_page("projects", role="admin")
    app.text_input(key="register-path").set_value(str(folder)).run()
    app.button(key="acting-do").click().run()
    carry_out()

    assert state.journal().project_paths() == (folder,)


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ("relative/path", "no absolute path"),
        ("/does/not/exist", "no pyproject.toml"),
        ("/" + "x" * 900, "cannot be read"),
    ],
)
def test_a_folder_that_is_no_project_cannot_be_registered(
    open_page: Open, dialog_open: Dialog, typed: str, said: str
):
    dialog_open("register-project")
    app = open_page("projects", role="admin")
    app.text_input(key="register-path").set_value(typed).run()

    assert not app.exception
    assert said in words(app).replace("\\", "")
    assert app.button(key="acting-do").disabled


def test_only_an_admin_may_register(open_page: Open):
    app = open_page("projects", role="approver")

    assert app.button(key="register-project").disabled


def test_a_new_role_counts_at_the_next_click(open_page: Open):
    app = open_page("admin", role="admin")
    assert not app.error
    store.insert(state.journal(), "other", "x", "admin", None)

    with state.journal().write() as connection:
        connection.exec_driver_sql("UPDATE users SET role = 'viewer' WHERE name = 'mira'")
    app.run()

    assert "takes the role admin" in app.error[0].value
