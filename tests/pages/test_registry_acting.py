from collections.abc import Callable
from pathlib import Path

import pytest

from dashboard import state
from services.actions import history
from services.actions.action import Context
from services.actions.executor import Executor
from services.engines.mlflow.models import Model, Version
from services.mirror.store import Store
from tests import seed
from tests.pages.conftest import Open, words
from tests.pages.models_shown import AS_IT_IS, FAILING, GOOD, button, moved
from tests.services.actions.conftest import FileEngine

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
