"""Runs of 5,000 metric names: every chooser stays small and reaches every name."""

import pytest
from streamlit.runtime.forward_msg_queue import ForwardMsgQueue
from streamlit.testing.v1 import AppTest

from services.engines.mlflow.models import Model, Version
from services.home import Home
from services.mirror import schema
from services.mirror.store import Store
from services.settings import Settings
from tests.experiments_seed import WIDE as PROJECT
from tests.experiments_seed import run_id
from tests.pages.conftest import Open, words
from tests.pages.moulds import Moulds

WANTED = "layer_3210_norm"
_BYTES = 150_000
_OFFERED = 160


@pytest.fixture
def wide(home: Home, moulds: Moulds) -> str:
    """Lay a mirror with two such runs; the ids as the address of a comparison names them."""
    moulds.mirror("wide", home)
    return ",".join(run_id(6, index) for index in range(2))


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The bytes of each message to the browser."""
    sizes: list[int] = []
    enqueue = ForwardMsgQueue.enqueue

    def counted(self: ForwardMsgQueue, message: object) -> None:
        sizes.append(message.ByteSize())  # type: ignore[attr-defined]  # a protobuf message
        enqueue(self, message)  # type: ignore[arg-type]  # passed on as given

    monkeypatch.setattr(ForwardMsgQueue, "enqueue", counted)
    return sizes


def small(app: AppTest, sent: list[int]) -> AppTest:
    assert not app.exception
    assert 0 < sum(sent) < _BYTES
    for chooser in (*app.selectbox, *app.multiselect):
        assert len(chooser.options) < _OFFERED, chooser.key
    sent.clear()
    return app


def searching(app: AppTest, key: str, text: str) -> AppTest:
    """Type into a search field of a dialog and open it: AppTest reruns no dialog alone."""
    app.session_state[key] = text
    return app


@pytest.mark.full
def test_the_column_chooser_finds_any_of_them(wide: str, open_page: Open, sent: list[int]):
    app = small(open_page("experiments", mirror="mine", project=PROJECT), sent)
    small(app.button(key="exp-columns").click().run(), sent)
    assert "Add one of 5,3" in words(app)
    assert "more: type a part of the name" in words(app)
    searching(app, "exp-c-find", "3210 norm").button(key="exp-columns").click().run()
    assert f"exp-c-add-metrics.{WANTED}" in [button.key for button in small(app, sent).button]
    assert "more: type" not in words(app)


@pytest.mark.full
def test_the_small_curve_of_a_row_can_be_any_of_them(wide: str, open_page: Open, sent: list[int]):
    app = open_page("experiments", mirror="mine", project=PROJECT)
    app.button(key="exp-columns").click().run()
    assert "4,905 more match" in words(app)
    searching(app, "exp-c-curve-find", "3210").button(key="exp-columns").click().run()
    assert app.selectbox(key="exp-c-curve").options[-1] == WANTED


@pytest.mark.full
def test_the_filter_builder_finds_any_of_them(wide: str, open_page: Open, sent: list[int]):
    app = open_page("experiments", mirror="mine", project=PROJECT)
    sent.clear()
    small(app.button(key="exp-builder").click().run(), sent)
    assert "the first 150 are offered" in words(app)
    searching(app, "exp-b-find", "3210 norm").button(key="exp-builder").click().run()
    (_, found) = app.selectbox(key="exp-b-field").options
    assert found.startswith(WANTED)
    searching(app, "exp-b-find", "nowhere").button(key="exp-builder").click().run()
    assert "No field has that name" in words(app)


@pytest.mark.parametrize("part", ["Curves", "Metrics", "Parameters", "Environment"])
def test_the_page_of_such_a_run_is_small(wide: str, open_page: Open, sent: list[int], part: str):
    small(open_page("run", mirror="mine", run=wide[:32], part=part), sent)


@pytest.mark.full
@pytest.mark.parametrize("side", ["Metrics", "Curves", "Parameters", "Parallel", "Techniques"])
def test_the_comparison_of_such_runs_is_small(
    wide: str, open_page: Open, sent: list[int], side: str
):
    small(open_page("compare", mirror="mine", runs=wide, side=side), sent)


@pytest.mark.full
@pytest.mark.parametrize(
    ("side", "key"), [("Parallel", "cmp-parallel"), ("Techniques", f"board-metric-{PROJECT}")]
)
def test_any_metric_can_be_compared_and_stays_chosen_whatever_is_searched(
    wide: str, open_page: Open, side: str, key: str
):
    app = open_page("compare", mirror="mine", runs=wide, side=side)
    assert WANTED not in app.selectbox(key=key).options
    assert "more match: type a part of the name" in words(app)
    app.text_input(key=f"{key}-find").set_value("3210").run()
    app.selectbox(key=key).set_value(WANTED).run()
    assert WANTED in "".join(chart.proto.spec for chart in app.get("plotly_chart"))
    app.text_input(key=f"{key}-find").set_value("no such name").run()
    assert app.selectbox(key=key).value == WANTED
    assert "Nothing has that name" in words(app)


def test_any_metric_of_the_versions_can_stand_beside_the_others(
    wide: str, open_page: Open, sent: list[int]
):
    store = Store(schema.open_engine(Settings().mirror_url))
    versions = [
        Version("m", n, run, n, "READY", "", "", {}) for n, run in enumerate(wide.split(","), 1)
    ]
    store.write_registry(PROJECT, [Model("m", "", 0, 0, {}, {})], versions)
    store.engine.dispose()
    app = small(open_page("model", mirror="mine", of=PROJECT, model="m"), sent)
    assert "more match: type a part of the name" in words(app)
    assert app.multiselect(key="metrics").value[0] == "recall_at_1"
    app.text_input(key="versions-find").set_value("3210").run()
    app.multiselect(key="metrics").set_value([WANTED]).run()
    app.text_input(key="versions-find").set_value("").run()
    assert app.multiselect(key="metrics").value == [WANTED]
    assert list(app.dataframe[0].value[f"m:{WANTED}"]) == [3210.1, 3210.0]


def test_the_parallel_axes_left_out_are_counted(wide: str, open_page: Open):
    app = open_page("compare", mirror="mine", runs=wide, side="Parallel")
    assert "7 of 30" in words(app)
    assert "parameters that differ are drawn" in words(app)


@pytest.mark.full
def test_a_search_that_finds_nothing_in_a_comparison_does_not_call_the_runs_alike(
    wide: str, open_page: Open
):
    app = open_page("compare", mirror="mine", runs=wide)
    app.text_input(key="cmp-find-metric").set_value("norm 3210").run()
    assert list(app.dataframe[0].value["metric"]) == [f"{WANTED} ↑"]
    app.text_input(key="cmp-find-metric").set_value("no such name").run()
    assert "Nothing has that name" in words(app)
    assert "alike" not in words(app)
    assert not app.dataframe
