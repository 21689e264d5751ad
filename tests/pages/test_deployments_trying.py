"""The try-it form: made from what a version takes, asked through the gateway, answered as drawn."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from dashboard import state
from dashboard.deployments import few_shot
from services.actions import own_keys
from services.home import Home
from services.serving import routes, store
from services.serving.models import BundleInfo, Field
from services.serving.routes import Replica, Route, Routes, VersionRoute
from tests import gateway_double
from tests.deployments_seed import CLIP, FEW, IMAGES, LORA, PIXELS, TEXT, infos
from tests.gateway_double import Asked
from tests.pages.conftest import Open, said
from tests.pages.test_deployments import Laid, drawn, laid, opened

__all__ = ["laid"]
Tried = Callable[..., AppTest]


@pytest.fixture
def gateway(laid: Laid, home: Home) -> Iterator[Asked]:
    """A gateway that knows the journal's keys."""
    journal = laid()
    with gateway_double.standing_in(home, journal) as asked:
        yield asked


@pytest.fixture
def tried(gateway: Asked, open_page: Open) -> Tried:
    def done(name: str, role: str = "operator") -> AppTest:
        app = opened(open_page, name, role=role, part="Try it")
        assert not app.exception
        return app

    return done


def ask(app: AppTest) -> AppTest:
    app.button(key="try-ask").click().run()
    assert not app.exception
    return app


def test_a_classifier_answers_with_a_label_and_how_sure_it_is(tried: Tried, gateway: Asked):
    app = tried(LORA)
    text = app.text_area[0]
    assert text.value == "my card was declined", "the version's own example"
    text.set_value("where is my parcel").run()
    told = drawn(ask(app))
    assert "&lt;b&gt;card&lt;/b&gt; problem" in told
    assert "87.3 %" in told
    (path, body), *_ = gateway.bodies
    assert path == f"/v2/models/{LORA}/infer"
    wanted = {"name": "text", "shape": [1], "datatype": "BYTES", "data": ["where is my parcel"]}
    assert body == {"inputs": [wanted]}
    assert "version 1 · mlx" in said(app)
    assert "0192f3a4b5c67d8e9fa0b1c2d3e4f506" in [str(one.value) for one in app.code]


def test_the_answer_is_told_right_or_wrong_once(tried: Tried, gateway: Asked):
    app = ask(tried(LORA))
    app.text_input(key="try-truth").set_value("refund").run()
    app.button(key="try-wrong").click().run()
    path, body = gateway.bodies[-1]
    assert path == "/feedback/0192f3a4b5c67d8e9fa0b1c2d3e4f506"
    assert body == {"label": "refund", "model": LORA}
    assert "Kept: it should be refund" in said(app)
    assert "try-right" not in [one.key for one in app.button]


def test_what_is_right_is_what_it_said(tried: Tried, gateway: Asked):
    app = ask(tried(LORA))
    app.button(key="try-right").click().run()
    assert gateway.bodies[-1][1] == {"label": "<b>card</b> problem", "model": LORA}


def test_a_generator_takes_a_choice_and_answers_a_picture(tried: Tried, gateway: Asked):
    app = tried(IMAGES)
    assert app.selectbox[0].value == 3
    app.selectbox[0].set_value(7).run()
    app.number_input[0].set_value(42).run()
    ask(app)
    (_, body), *_ = gateway.bodies
    assert [one["data"] for one in body["inputs"]] == [[7], [42]]
    assert "image: 16 by 16 pixels" in said(app)


def test_what_may_be_left_out_is_left_out(tried: Tried, gateway: Asked):
    ask(tried(IMAGES))
    (_, body), *_ = gateway.bodies
    assert [one["name"] for one in body["inputs"]] == ["label"]


def test_an_embedding_is_told_in_short(tried: Tried, gateway: Asked):
    app = ask(tried(CLIP))
    assert "embedding: 1 vector of 32 numbers" in said(app).replace("*", "")
    (_, body), *_ = gateway.bodies
    assert [one["name"] for one in body["inputs"]] == ["text"], "nothing was drawn"
    assert len(app.get("echarts_chart")) == 1


def test_a_text_is_written_piece_by_piece_and_read_letter_by_letter(tried: Tried, gateway: Asked):
    app = ask(tried(TEXT))
    told = drawn(app)
    assert "The north wind" in told
    assert "&lt;b&gt;ever&lt;/b&gt; before" in told
    (path, body), *_ = gateway.bodies
    assert path == "/v1/completions"
    assert (body["model"], body["stream"], body["max_tokens"]) == (TEXT, True, 120)
    assert "6 tokens" in said(app)
    assert "first text after" in said(app)


def test_an_empty_picture_is_not_asked_about(tried: Tried):
    app = tried(PIXELS)
    assert app.button(key="try-ask").disabled
    assert "Give A digit to ask." in said(app)


def test_the_version_that_is_asked_is_chosen(tried: Tried, gateway: Asked):
    app = tried(TEXT)
    group = next(one for one in app.get("button_group") if one.label == "Ask")
    group.set_value("version 1").run()
    ask(app)
    assert gateway.bodies[-1][0] == "/v1/completions"


def test_a_refusal_names_the_field(tried: Tried, gateway: Asked):
    gateway.fault = (400, {"detail": "It has 3 values.", "field": "text"})
    app = ask(tried(LORA))
    assert "It has 3 values. (field “text”)" in app.error[0].value.replace("\\", "")


def test_a_gateway_that_broke_is_a_sentence(tried: Tried, gateway: Asked):
    gateway.fault = (429, {"detail": "Too many at once."})
    app = ask(tried(LORA))
    assert "ask again in a moment" in app.error[0].value


def test_it_is_asked_in_the_name_of_the_person_with_one_key(tried: Tried, gateway: Asked):
    app = ask(ask(tried(LORA)))
    assert not app.error
    (made,) = [one for one in store.keys(state.journal()) if own_keys.is_own(one)]
    (said,) = state.executor().history(kinds=["api-key-own"])
    assert (said.actor, said.project, said.state) == (made.created_by, made.project, "done")


def test_a_viewer_reads_and_does_not_ask(tried: Tried):
    app = tried(LORA, role="viewer")
    assert app.button(key="try-ask").disabled
    assert "operator" in app.button(key="try-ask").help


# Those that learn from a question

WORDY = replace(
    infos()[FEW],
    inputs=(Field("x", "FP32", (-1,)), Field("label", "BYTES", (-1,), choices=("?", "hot", "ice"))),
    outputs=(Field("label", "BYTES", (-1,), choices=("hot", "ice")),),
    example={"x": [1.0, 2.0, 1.5], "label": ["hot", "ice", "?"]},
)


@pytest.fixture
def taught(gateway: Asked, open_page: Open, home: Home) -> Callable[[BundleInfo], AppTest]:
    """Open the form of a few-shot model that answers."""

    def done(info: BundleInfo) -> AppTest:
        found = routes.read(home)
        assert found is not None
        at = VersionRoute(1, info, "mlx", "", (Replica("one", "unix:/nowhere"),))
        way = Route(FEW, info.project, info.model, 1, {1: 1.0}, {1: at})
        routes.write(home, Routes(8, {**found.endpoints, FEW: way}))
        app = opened(open_page, FEW, role="operator", part="Try it")
        assert not app.exception
        return app

    return done


def press(app: AppTest, label: str) -> AppTest:
    next(one for one in app.button if one.label == label).click().run()
    assert not app.exception
    return app


def test_example_data_is_filled_in_and_only_what_was_asked_is_answered(
    taught: Callable[[BundleInfo], AppTest], gateway: Asked
):
    app = taught(infos()[FEW])
    assert app.button(key="try-ask").disabled
    assert "Add an example first" in said(app)
    app = press(app, "Fill in example data")
    assert "10 examples of 10 classes." in said(app)
    told = drawn(ask(app))
    (_, body), *_ = gateway.bodies
    pixels, label = body["inputs"]
    assert (pixels["shape"], label["data"]) == ([11, 64], [*range(10), -1])
    assert told.count("87.3 %") == 1, "an example is not answered"


def test_what_has_no_example_is_told(taught: Callable[[BundleInfo], AppTest]):
    app = press(taught(infos()[FEW]), "Fill in example data")
    app = press(press(app, "Take the last back"), "Take the last back")
    assert "8 examples of 8 classes. None yet of 8, 9" in said(app)
    app = press(app, "Clear")
    assert app.button(key="try-ask").disabled


def test_examples_that_are_no_pictures_are_given_one_by_one(
    taught: Callable[[BundleInfo], AppTest], gateway: Asked
):
    app = taught(WORDY)
    add = next(one for one in app.button if one.label == "Add this example")
    assert add.disabled, "nothing was given"
    for value, wanted in ((1.0, "hot"), (2.0, "ice")):
        label = next(one for one in app.get("button_group") if one.label == "label")
        assert label.value == wanted, "the next class without an example"
        app.number_input[0].set_value(value).run()
        app = press(app, "Add this example")
    assert "2 examples of 2 classes." in said(app)
    app.number_input[1].set_value(1.7).run()
    ask(app)
    (_, body), *_ = gateway.bodies
    assert {one["name"]: one["data"] for one in body["inputs"]} == {
        "x": [1.0, 2.0, 1.7], "label": ["hot", "ice", "?"],
    }  # fmt: skip


@pytest.mark.parametrize(
    ("changed", "asked"),
    [
        ({}, "?"),
        ({"outputs": (Field("label", "BYTES", (-1,)),)}, "?"),  # as its example says
        ({"outputs": (Field("label", "BYTES", (-1,)),), "example": {}}, None),
        ({"outputs": (Field("word", "BYTES", (-1,)),)}, None),
        ({"interface": "rows"}, None),
    ],
)
def test_how_a_model_is_taught_is_told_by_its_schema(changed: dict[str, Any], asked: object):
    found = few_shot.lesson(replace(WORDY, **changed))
    assert (found and found.asked) == asked
    if found is not None:
        assert found.classes == ("hot", "ice")


def test_one_whose_schema_does_not_tell_is_asked_row_by_row(
    taught: Callable[[BundleInfo], AppTest],
):
    app = taught(replace(WORDY, outputs=(Field("word", "BYTES", (-1,)),)))
    assert "All rows of one question belong together" in said(app)


def test_what_does_not_answer_yet_has_no_form(tried: Tried):
    app = tried(FEW)
    assert "It cannot be asked yet" in said(app)
    assert "try-ask" not in [one.key for one in app.button]
