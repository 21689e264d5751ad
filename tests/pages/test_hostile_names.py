"""Commands people copy hold names that a shell takes as one word each."""

import shlex

import pytest

from services.home import Home
from services.mirror import schema
from services.mirror.store import Store
from services.settings import Settings
from tests import hostile_seed
from tests.hostile_seed import MODEL, PROJECT, run_id
from tests.pages.conftest import Open


@pytest.fixture
def hostile(home: Home) -> None:
    engine, _ = schema.prepare(Settings().mirror_url)
    store = Store(engine)
    store.write_engine("controller", "Controller", "live")
    store.write_engine("mlflow", "MLflow", "live")
    hostile_seed.fill(store)


def commands(app) -> list[list[str]]:
    lines = [line for block in app.code for line in str(block.value).splitlines()]
    return [shlex.split(line) for line in lines if line.startswith("mlops ")]


def test_a_models_commands_name_it_as_one_word(hostile: None, open_page: Open):
    app = open_page("model", mirror="mine", role="admin", of=PROJECT, model=MODEL)
    assert not app.exception
    found = commands(app)
    assert ["mlops", "models", "show", MODEL] in found
    assert ["mlops", "models", "rollback", MODEL] in found


def test_a_projects_commands_name_it_as_one_word(hostile: None, open_page: Open):
    app = open_page("project", mirror="mine", role="admin", id="broken:hostile")
    assert not app.exception
    assert ["mlops", "projects", "show", "broken:hostile"] in commands(app)


def test_a_value_on_a_tile_is_text_and_a_figure_stays_as_it_is(hostile: None, open_page: Open):
    app = open_page("run", mirror="mine", run=run_id(0))
    values = [metric.value for metric in app.metric]
    assert "0.5000" in values
    assert not any("<img" in value for value in values)
