from datetime import UTC, datetime, timedelta

import pytest
from streamlit.testing.v1 import AppTest

from dashboard import navigation, state
from services.home import Home
from services.mirror.models import Freshness
from tests.pages.conftest import APP, Open, words


def test_nobody_sees_a_page_before_signing_in(home: Home, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(state, "who", lambda: None)
    app = AppTest.from_file(str(APP), default_timeout=20)
    app.query_params["project"] = "clip-finetuning"
    app.run()

    assert not app.exception
    assert app.title[0].value == "EfficientAI MLOps"
    assert [field.label for field in app.text_input] == ["User name", "Password"]
    assert not app.sidebar.selectbox
    assert app.query_params["project"] == "clip-finetuning"


def test_a_project_that_is_not_there_is_named_and_all_are_shown(open_page: Open):
    app = open_page("projects", project="../../etc")

    said = words(app)
    assert "There is no project “../../etc”" in said.replace("\\", "")
    assert "8 connected" in said


def test_a_project_outside_a_persons_scope_is_neither_offered_nor_shown(open_page: Open):
    mine = ("clip-finetuning", "cpu-compression")
    app = open_page("projects", projects=mine, project="lora-finetuning")

    assert tuple(app.sidebar.selectbox(key="project").options) == ("cpu-compression", mine[0])
    said = words(app)
    assert "There is no project “lora" in said
    assert "LoRA" not in said


def test_the_scope_in_the_address_narrows_the_page(open_page: Open):
    app = open_page("projects", project="clip-finetuning", range="7d")

    assert app.sidebar.selectbox(key="project").value == "clip-finetuning"
    assert "1 connected" in words(app)


def test_a_range_that_does_not_exist_is_everything(open_page: Open):
    app = open_page("projects", range="century")

    assert not app.exception
    assert app.session_state["range"] == "all"


def test_an_engine_that_is_down_says_since_when_why_and_what_to_do(open_page: Open):
    app = open_page("projects", mirror="down")

    assert "MLflow down" in words(app)


def test_without_a_mirror_the_frame_stands_and_says_what_is_missing(open_page: Open):
    app = open_page("projects", mirror="none")

    said = words(app)
    assert not app.exception
    assert "The mirror cannot be read" in said
    assert "mlops status" in said


@pytest.mark.parametrize(("age_s", "shown"), [(5, "live"), (60, "stale")])
def test_a_picture_nobody_follows_is_stale_whatever_it_says(age_s: int, shown: str):
    now = datetime.now(UTC)
    engine = Freshness("mlflow", "MLflow", "live", now, now - timedelta(seconds=age_s), "", "")

    found = state._aged(engine, now)

    assert found.state == shown
    assert bool(found.hint) == (shown == "stale")


def test_every_page_on_disk_is_in_the_navigation():
    files = {path.stem for path in navigation.ENTRIES[0].path.parent.glob("*.py")} - {
        "__init__",
        "nowhere",
    }

    assert files <= {entry.name for entry in navigation.ENTRIES}
