from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import update
from streamlit.testing.v1 import AppTest

from dashboard import state
from dashboard.registry.timeline import nothing_known
from services.actions import history, schema
from services.actions.action import Context
from services.actions.executor import Executor
from services.actions.history import OBSERVED, AliasEvent
from services.engines.mlflow.models import Model, Version
from services.mirror.store import Store
from tests import seed
from tests.pages.conftest import Open, words
from tests.pages.roles import EVERY_ROLE, ROLES
from tests.services.actions.conftest import FileEngine

GOOD = {"of": "clip-finetuning", "model": "clip-finetuning"}
FAILING = {"of": "self-improving-diffusion", "model": "self-improving-diffusion"}
AS_IT_IS = "as it is"
Dialog = Callable[[str], None]


@pytest.fixture
def engine(tmp_path: Path) -> FileEngine:
    return FileEngine(tmp_path / "engine.json")


@pytest.fixture
def carry_out(engine: FileEngine) -> Callable[[], None]:
    """Execute what was asked for, against a registry in a file."""

    def executed() -> None:
        context = Context(state.journal(), state.mirror(), engine, engine)
        Executor(context).execute_pending()

    return executed


def moved(version: int | None, actor: str, action_id: int | None, days_ago: float, why: str = ""):
    """Let the champion have moved some days ago."""
    where = ("clip-finetuning", "clip-finetuning", "champion")
    history.record(state.journal(), AliasEvent(*where, version, actor, action_id, why))
    at = datetime.now(UTC) - timedelta(days=days_ago)
    table = schema.registry_events
    newest = max(s.since for s in history.alias_spans(state.journal(), *where))
    with state.journal().write() as connection:
        moment = int(newest.timestamp() * 1000)
        chosen = update(table).where(table.c.at_ms >= moment - 1)
        connection.execute(chosen.values(at_ms=int(at.timestamp() * 1000)))


def button(app: AppTest, key: str):
    return app.button(key=key)


# The table


@pytest.mark.parametrize("role", EVERY_ROLE)
@pytest.mark.parametrize("mirror", ["full", "empty", "down", "none"])
def test_the_registry_draws_for_every_role_whatever_the_engines_do(
    open_page: Open, role: str, mirror: str
):
    app = open_page("registry", role=role, mirror=mirror)

    assert not app.exception
    assert app.title[0].value == "Registry"


def test_all_models_are_listed_with_project_format_and_gates(open_page: Open):
    app = open_page("registry")
    table = app.dataframe[0].value

    assert len(table) == 9
    row = table[table["name"] == "self-improving-diffusion"].iloc[0]
    assert row["project"] == "self-improving-diffusion"
    assert row["format"] == "safetensors"
    assert row["champion"] == "version 1"
    assert row["value"] == "val_loss 0.4000"
    assert list(row["gates"]) == ["✕ failed"]
    assert list(row["change"]) == ["▲ −0.0200 better"]
    assert "8 have a better version" in words(app)


@pytest.mark.parametrize(
    ("query", "rows"),
    [
        ({"project": "clip-finetuning"}, 1),
        ({"text": "diffusion"}, 3),
        ({"format": "safetensors"}, 9),
        ({"alias": "champion"}, 9),
    ],
)
def test_the_filters_of_the_address_hold(open_page: Open, query: dict[str, str], rows: int):
    assert len(open_page("registry", **query).dataframe[0].value) == rows


def test_a_filter_nothing_matches_is_taken_away_by_a_button(open_page: Open):
    app = open_page("registry", text="no such model")
    assert "No model matches" in words(app)

    app.button(key="clear").click().run()

    assert len(app.dataframe[0].value) == 9


def test_a_scoped_person_sees_their_models_only(open_page: Open):
    app = open_page("registry", projects=("clip-finetuning",))

    assert list(app.dataframe[0].value["name"]) == ["clip-finetuning"]


def test_an_empty_registry_says_the_command_that_fills_it(open_page: Open):
    assert "./mlops up --demo" in words(open_page("registry", mirror="empty"))


# One model


@pytest.mark.parametrize("role", EVERY_ROLE)
@pytest.mark.parametrize("mirror", ["full", "down"])
def test_the_model_draws_for_every_role(open_page: Open, role: str, mirror: str):
    app = open_page("model", role=role, mirror=mirror, **GOOD)

    assert not app.exception
    assert app.title[0].value == r"clip\-finetuning"


@pytest.mark.parametrize("query", [{}, {"of": "x", "model": "y"}, {"model": "<b>x</b>" * 90}])
def test_an_unknown_model_is_said_to_be(open_page: Open, query: dict[str, str]):
    app = open_page("model", **query)

    assert not app.exception
    assert "model" in app.error[0].value
    assert "<b>" not in app.error[0].value


def test_a_model_outside_the_scope_is_unknown(open_page: Open):
    app = open_page("model", projects=("stable-diffusion",), **GOOD)

    assert "There is no model" in app.error[0].value


def test_versions_stand_side_by_side_with_their_metrics(open_page: Open):
    table = open_page("model", **GOOD).dataframe[0].value

    assert list(table["version"]) == [2, 1]
    assert list(table["m:recall_at_1"]) == pytest.approx([0.812, 0.792])
    assert list(table["aliases"].iloc[1]) == ["★ champion"]
    assert list(table["change"].iloc[0]) == ["▲ +0.0200 better"]


def test_the_address_names_the_version_that_is_looked_at(open_page: Open):
    assert "Version 2" in [s.value for s in open_page("model", **GOOD).subheader]

    named = open_page("model", version="1", **GOOD)

    assert "Version 1" in [s.value for s in named.subheader]


@pytest.mark.parametrize("wanted", ["99", "0", "latest"])
def test_a_version_that_is_not_there_is_named_and_the_newest_shown(open_page: Open, wanted: str):
    app = open_page("model", version=wanted, **GOOD)

    assert f"Version {wanted} of" in app.info[0].value
    assert "does not exist: this is version 2" in app.info[0].value
    assert "Version 2" in [s.value for s in app.subheader]


def test_the_metrics_and_the_moment_follow_the_address(open_page: Open):
    open_page("model", **GOOD)
    moved(1, OBSERVED, None, 20)
    asked = {"metrics": "loss", "at": "2020-01-01T10:30"}
    app = open_page("model", mirror=AS_IT_IS, **asked, **GOOD)

    assert app.multiselect(key="metrics").value == ["loss"]
    assert app.datetime_input(key="at").value == datetime(2020, 1, 1, 10, 30)  # noqa: DTZ001 - the reader's own clock
    app.multiselect(key="metrics").set_value([]).run()
    assert app.multiselect(key="metrics").value == []
    assert app.query_params["metrics"] == ""
    app.datetime_input(key="at").set_value(None).run()
    assert "at" not in app.query_params


@pytest.mark.parametrize("at", ["yesterday", "2020-13-01T00:00", "<b>"])
def test_a_moment_that_is_none_is_now(open_page: Open, at: str):
    open_page("model", **GOOD)
    moved(1, OBSERVED, None, 20)
    app = open_page("model", mirror=AS_IT_IS, at=at, **GOOD)

    assert app.datetime_input(key="at").value is None
    assert "version 1 was champion" in app.success[0].value


def test_a_failing_gate_names_value_and_bound(open_page: Open):
    said = words(open_page("model", **FAILING))

    assert r"val\_loss **0\.3800** :gray[wants &lt;\= 0\.3]" in said


# Acting


@pytest.mark.parametrize(("role", "may"), list(zip(ROLES, (False, False, True, True), strict=True)))
def test_only_approvers_promote(open_page: Open, role: str, may: bool):
    app = open_page("model", role=role, **GOOD)

    assert button(app, "promote").disabled is not may
    if not may:
        assert f"takes the role approver; mira is {role}" in button(app, "promote").help


@pytest.mark.parametrize(("role", "may"), list(zip(ROLES, (False, True, True, True), strict=True)))
def test_operators_tag_and_archive(open_page: Open, role: str, may: bool):
    app = open_page("model", role=role, **GOOD)

    assert button(app, "version-tag").disabled is not may
    assert button(app, "version-archive").disabled is not may


def test_nothing_is_done_while_mlflow_is_down(open_page: Open):
    app = open_page("model", role="admin", mirror="down", **GOOD)

    for key in ("promote", "version-tag", "version-archive"):
        assert button(app, key).disabled
        assert "has not answered" in button(app, key).help


def test_a_version_is_promoted_through_the_dialog(
    open_page: Open, dialog_open: Dialog, carry_out: Callable[[], None], engine: FileEngine
):
    dialog_open("promote")
    app = open_page("model", role="approver", **GOOD)
    assert "champion moves from version 1 to version 2" in words(app)
    assert r"recall\_at\_1 0\.7920 → **0\.8120** :green[\+0\.0200 better]" in words(app)

    app.button(key="acting-do").click().run()
    carry_out()
    app.run()

    assert "Promote clip\\-finetuning version 2 to champion" in app.success[0].value
    assert engine.alias("", "", "champion") == 2
    span = history.alias_spans(state.journal(), "clip-finetuning", "clip-finetuning", "champion")[0]
    assert (span.version, span.actor) == (2, "mira")


def test_a_failing_gate_is_set_aside_only_with_a_reason(
    open_page: Open, dialog_open: Dialog, carry_out: Callable[[], None], engine: FileEngine
):
    dialog_open("promote")
    app = open_page("model", role="approver", **FAILING)
    assert app.button(key="acting-do").disabled

    app.text_input(key="promote-reason").set_value("   ").run()
    assert app.button(key="acting-do").disabled
    app.text_input(key="promote-reason").set_value("the bound is out of date").run()
    app.button(key="acting-do").click().run()
    carry_out()

    assert engine.alias("", "", "champion") == 2
    where = ("self-improving-diffusion", "self-improving-diffusion", "champion")
    assert history.alias_spans(state.journal(), *where)[0].reason == "the bound is out of date"
    assert state.executor().history()[0].params["override"] == "the bound is out of date"


def test_a_reason_where_all_gates_pass_sets_none_aside(
    open_page: Open, dialog_open: Dialog, carry_out: Callable[[], None]
):
    dialog_open("promote")
    app = open_page("model", role="approver", **GOOD)
    app.text_input(key="promote-reason").set_value("better on small images").run()
    app.button(key="acting-do").click().run()
    carry_out()

    params = state.executor().history()[0].params
    assert (params["override"], params["reason"]) == ("", "better on small images")


def test_the_champion_is_rolled_back_to_the_version_before(
    open_page: Open, dialog_open: Dialog, carry_out: Callable[[], None], engine: FileEngine
):
    engine.set_alias("", "", "champion", 1)
    dialog_open("rollback")
    open_page("model", role="approver", **GOOD)
    moved(2, "ana", 1, 3)
    moved(1, "bo", 2, 1)
    app = open_page("model", role="approver", mirror=AS_IT_IS, version="1", **GOOD)
    assert "back to version 2" in words(app)

    app.text_input(key="rollback-reason").set_value("too slow").run()
    app.button(key="acting-do").click().run()
    carry_out()

    assert engine.alias("", "", "champion") == 2


def test_without_an_earlier_champion_there_is_nothing_to_roll_back_to(open_page: Open):
    app = open_page("model", role="approver", version="1", **GOOD)

    assert button(app, "rollback").disabled
    assert "No earlier champion is known" in button(app, "rollback").help


def test_a_champion_is_not_archived(open_page: Open):
    app = open_page("model", role="approver", version="1", **GOOD)

    assert "It is champion" in button(app, "version-archive").help


def test_a_version_is_archived_through_the_dialog(
    open_page: Open, dialog_open: Dialog, carry_out: Callable[[], None], engine: FileEngine
):
    dialog_open("version-archive")
    app = open_page("model", role="operator", **GOOD)
    assert "no longer proposed for promotion" in words(app)

    app.button(key="acting-do").click().run()
    carry_out()

    assert engine._load()["tags"] == {"mlops.archived": "true"}


def test_archived_versions_are_folded_away_and_not_promoted(open_page: Open):
    open_page("model", role="approver", **GOOD)
    archive(2)

    app = open_page("model", role="approver", mirror=AS_IT_IS, **GOOD)
    assert list(app.dataframe[0].value["version"]) == [1]

    app = open_page("model", role="approver", mirror=AS_IT_IS, archived="true", version="2", **GOOD)
    assert list(app.dataframe[0].value["version"]) == [2, 1]
    assert "restore it first" in button(app, "promote").help


def archive(number: int) -> None:
    """Let MLflow say that a version of the good model is archived."""
    project = GOOD["of"]
    versions = [
        Version(project, v, seed.run_id(4, v - 1), 0, "READY", "", "", tags)
        for v in (1, 2)
        for tags in [{"mlops.archived": "true"} if v == number else {}]
    ]
    model = Model(project, "", 0, 0, {"champion": 1}, {})
    Store(state.mirror().engine).write_registry(project, [model], versions)


# Who promoted what when


def test_a_champion_nobody_saw_promoted_is_said_to_be_so(open_page: Open):
    assert "Who made it so and when was not seen" in words(open_page("model", **GOOD))


def test_the_history_begins_with_the_first_promotion():
    assert nothing_known(None, "champion").startswith("No version was ever champion")


def test_the_timeline_names_who_when_and_why(open_page: Open):
    open_page("model", **GOOD)
    moved(1, OBSERVED, None, 20)
    moved(2, "ana", 7, 10, "better recall")

    app = open_page("model", mirror=AS_IT_IS, **GOOD)
    spans = app.dataframe[1].value

    assert list(spans["version"]) == ["version 2", "version 1"]
    assert list(spans["who"]) == ["ana", "outside this platform"]
    assert list(spans["why"]) == ["better recall", "none given"]
    assert "version 2 was champion" in app.success[0].value


def test_the_champion_at_a_moment_is_answered(open_page: Open):
    open_page("model", **GOOD)
    moved(1, OBSERVED, None, 20)
    moved(2, "ana", 7, 10)
    app = open_page("model", mirror=AS_IT_IS, **GOOD)

    at = datetime.now(UTC).replace(tzinfo=None, second=0, microsecond=0) - timedelta(days=15)
    app.datetime_input(key="at").set_value(at).run()

    assert not app.exception
    assert "version 1 was champion" in app.success[0].value


def test_before_everything_the_answer_is_that_nobody_knows(open_page: Open):
    open_page("model", **GOOD)
    moved(1, OBSERVED, None, 2)
    app = open_page("model", mirror=AS_IT_IS, **GOOD)

    at = datetime.now(UTC).replace(tzinfo=None, second=0, microsecond=0) - timedelta(days=15)
    app.datetime_input(key="at").set_value(at).run()

    assert "Nothing is known of champion" in app.info[0].value


def test_a_clicked_name_shows_the_gist_of_its_model(open_page: Open):
    app = open_page("registry", project="clip-finetuning")

    app.session_state["registry:peek"] = ("clip-finetuning", "clip-finetuning")
    app.run()

    assert not app.exception
    assert "**Champion** version 1" in words(app)
    assert r"recall\_at\_1 0\.7920 → **0\.8120**" in words(app)


def test_a_filter_goes_into_the_address_and_out_of_it(open_page: Open):
    app = open_page("registry")

    app.text_input(key="registry:text").set_value("diffusion").run()
    assert "diffusion" in app.query_params["text"]
    assert len(app.dataframe[0].value) == 3
    app.text_input(key="registry:text").set_value("").run()

    assert "text" not in app.query_params
    assert len(app.dataframe[0].value) == 9


def test_a_format_there_is_none_of_matches_nothing(open_page: Open):
    app = open_page("registry", format="pickle")

    assert not app.exception
    assert "No model matches" in words(app)
