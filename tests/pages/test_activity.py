from collections.abc import Callable

import pytest
from sqlalchemy import update

from dashboard import state
from services.actions import schema
from services.actions.roles import Actor
from services.actions.tag import TagRun
from services.actions.users import ChangeUser
from tests import seed
from tests.pages.conftest import Open, words
from tests.pages.roles import EVERY_ROLE

RUN = seed.run_id(4, 0)  # of clip-finetuning


def act(*, project: str = "clip-finetuning", run_id: str = RUN) -> int:
    actor = Actor("ops", "operator")
    action = TagRun(project, run_id, "note", "<b>hot</b>")
    return state.executor().submit(actor, action, f"{project}-{run_id}").id


@pytest.mark.parametrize("role", EVERY_ROLE)
@pytest.mark.parametrize("mirror", ["full", "empty", "down", "none"])
def test_the_page_draws_for_every_role_whatever_the_engines_do(
    open_page: Open, role: str, mirror: str
):
    for view in ("Actions", "Audit"):
        app = open_page("activity", role=role, mirror=mirror, view=view)

        assert not app.exception
        assert app.title[0].value == "Activity"


def test_when_nothing_was_done_the_page_says_what_would_show(open_page: Open):
    assert "Nothing was done" in words(open_page("activity"))


def test_an_action_is_listed_with_who_what_and_how_it_went(open_page: Open):
    open_page("activity")
    act()

    app = open_page("activity")

    row = app.dataframe[0].value.iloc[0]
    assert row["who"] == "ops"
    assert row["what"] == "Tag note of run 400aaaaa"
    assert row["project"] == "clip-finetuning"
    assert list(row["state"]) == ["◷ pending"]


def test_what_fails_is_told_with_its_sentence_and_hint(
    open_page: Open, carry_out: Callable[[], int]
):
    open_page("activity")
    number = act()
    with state.journal().write() as connection:
        values = {"state": "failed", "error": "MLflow said no.", "hint": "Ask `mlops status`."}
        connection.execute(update(schema.actions).values(**values))
    record = state.executor().record(number)

    app = open_page("activity", how="failed")

    assert record.state == "failed"
    assert len(app.dataframe[0].value) == 1


def test_filters_of_the_address_choose_the_rows(open_page: Open):
    open_page("activity")
    act()

    assert "Nothing was done" in words(open_page("activity", who="nobody"))
    assert "Nothing was done" in words(open_page("activity", how="done"))
    assert "Nothing was done" in words(open_page("activity", before="1"))
    assert len(open_page("activity", who="ops", how="pending").dataframe[0].value) == 1
    assert len(open_page("activity", before="nonsense").dataframe[0].value) == 1


def test_a_scoped_person_sees_what_concerns_their_projects(open_page: Open):
    open_page("activity", projects=("lora-finetuning",))
    act()

    assert "Nothing was done" in words(open_page("activity", projects=("lora-finetuning",)))


def test_the_chain_is_verified_and_an_altered_entry_is_named(open_page: Open):
    app = open_page("activity", view="Audit")
    assert "entries verified" in words(app)

    with state.journal().write() as connection:
        first = schema.audit.c.number == 1
        connection.execute(update(schema.audit).where(first).values(actor="somebody else"))
    app.button(key="audit-whole").click().run()
    assert "chain broken at entry 1" in words(app)

    act()
    assert "chain broken at entry 1" in words(open_page("activity", view="Audit"))


def test_changes_of_accounts_are_in_the_audit(open_page: Open):
    open_page("activity", role="admin")
    admin = Actor("mira", "admin")
    state.executor().submit(admin, ChangeUser("mira"), "end")

    app = open_page("activity", role="admin", view="Audit", what="change-user")

    assert list(app.dataframe[0].value["what"]) == ["change-user.requested"]
    assert app.dataframe[0].value["subject"][0] == "End all sessions of the user mira"
