"""Names are words, whatever is in them: to a shell, to markdown, in tooltips."""

import json
import shlex
from collections.abc import Iterator

import pytest
from streamlit.testing.v1 import AppTest

from services.home import Home
from services.mirror import schema
from services.mirror.store import Store
from services.settings import Settings
from tests import hostile_seed
from tests.hostile_seed import METRIC, MODEL, PROJECT, TEXT, run_id
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


IDS = ",".join(run_id(index) for index in range(3))
PLACES = (
    ("experiments", {"project": PROJECT}, ""),
    ("experiments", {"project": PROJECT, "cols": f'metrics."{METRIC}",params."{TEXT}"'}, ""),
    ("experiments", {"project": PROJECT, "q": f'metrics."{METRIC}" > 0'}, ""),
    ("experiments", {"project": PROJECT}, "exp-columns"),
    ("experiments", {"project": PROJECT}, "exp-builder"),
    *(
        ("run", {"run": run_id(0), "part": part}, "")
        for part in ("Curves", "Metrics", "Parameters")
    ),
    *(
        ("compare", {"runs": IDS, "side": side}, "")
        for side in ("Metrics", "Curves", "Parameters", "Parallel", "Techniques")
    ),
    ("model", {"of": PROJECT, "model": MODEL}, ""),
)
SIGNS = ("<img", "<b>", "**strong**", ":red[dyed", ":material/skull:", "$x$", "[link](")


def read_as_markdown(app: AppTest) -> Iterator[str]:
    """Yield the texts the browser reads as markdown, tooltips of columns included."""
    for kind in ("title", "header", "subheader", "markdown", "caption"):
        yield from (str(element.value) for element in getattr(app, kind))
    for kind in ("error", "warning", "info", "success"):
        yield from (str(element.value) for element in getattr(app, kind))
    for kind in ("button", "selectbox", "multiselect", "text_input", "toggle", "metric"):
        for element in getattr(app, kind):
            yield from (str(element.label), str(getattr(element, "help", "")))
    for element in app.dataframe:
        for column in json.loads(element.proto.columns).values():
            yield str((column or {}).get("help") or "")


@pytest.mark.parametrize(("page", "query", "press"), PLACES)
def test_names_of_metrics_and_parameters_are_never_markdown(
    hostile: None, open_page: Open, page: str, query: dict[str, str], press: str
):
    app = open_page(page, mirror="mine", **query)
    if press:
        app.button(key=press).click().run()
    assert not app.exception
    texts = list(read_as_markdown(app))
    assert not [text for text in texts if any(sign in text for sign in SIGNS)]


def test_a_search_finds_a_hostile_name_as_it_is(hostile: None, open_page: Open):
    app = open_page("experiments", mirror="mine", project=PROJECT)
    app.session_state["exp-c-find"] = "<b>loud</b> $x$"
    app.button(key="exp-columns").click().run()
    named = [str(button.key) for button in app.button]
    assert f'exp-c-add-metrics."other {METRIC}"' in named
    app.session_state["exp-b-field"] = f'metrics."{METRIC}"'
    app.button(key="exp-builder").click().run()
    assert app.selectbox(key="exp-b-field").value == f'metrics."{METRIC}"'
