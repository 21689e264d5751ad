"""Asking through the gateway, as the try-it form does."""

import json
from collections.abc import Callable

import httpx
import pytest

from services.errors import EngineProtocolError, EngineRefusedError, EngineUnreachableError
from services.serving.models import Field
from services.serving.visiting import Answer, Gateway, Output, body_of

FIELDS = (Field("pixels", "FP32", (-1, 2, 2)), Field("text", "BYTES", (-1,)))
Handler = Callable[[httpx.Request], httpx.Response]


def gateway(handler: Handler) -> Gateway:
    client = httpx.Client(transport=httpx.MockTransport(handler), base_url="http://gateway")
    return Gateway(client, "mlk_key")


def test_columns_become_flat_tensors_row_by_row():
    made = body_of({"pixels": [[[1, 2], [3, 4]]], "text": ["a"]}, FIELDS)
    assert made["inputs"] == [
        {"name": "pixels", "shape": [1, 2, 2], "datatype": "FP32", "data": [1, 2, 3, 4]},
        {"name": "text", "shape": [1], "datatype": "BYTES", "data": ["a"]},
    ]


def test_an_answer_is_read_with_who_gave_it():
    def answer(request: httpx.Request) -> httpx.Response:
        assert request.headers["authorization"] == "Bearer mlk_key"
        assert request.url.path == "/v2/models/p.m/versions/3/infer"
        said = {"outputs": [{"name": "label", "datatype": "INT64", "shape": [2], "data": [[1], 2]}]}
        told = {"x-model-version": "3", "x-backend": "mlx", "x-request-id": "r"}
        return httpx.Response(200, json=said, headers=told)

    found = gateway(answer).infer("p.m", {"text": ["a", "b"]}, FIELDS, 3)
    assert found.outputs == (Output("label", "INT64", (2,), (1, 2)),)
    assert found.outputs[0].rows == ((1,), (2,))
    assert (found.version, found.backend, found.request_id) == (3, "mlx", "r")
    assert found.output("label") is found.outputs[0]
    assert found.output("other") is None


@pytest.mark.parametrize(
    ("status", "said", "told"),
    [
        (400, {"detail": "Three values.", "field": "x"}, "Three values. (field “x”)"),
        (404, {"error": {"message": "No such model.", "param": None}}, "No such model."),
        (503, {}, "The gateway answered 503."),
    ],
)
def test_a_refusal_is_told_as_it_was_said(status: int, said: dict[str, object], told: str):
    with pytest.raises(EngineRefusedError) as caught:
        gateway(lambda _: httpx.Response(status, json=said)).infer("p.m", {"text": ["a"]}, FIELDS)
    assert caught.value.message == told
    assert caught.value.status == status


@pytest.mark.parametrize("body", [b"no json", b"[1]", b'{"outputs": [{"name": "a"}]}', b"{}"])
def test_an_answer_that_is_none_is_a_sentence(body: bytes):
    with pytest.raises(EngineProtocolError):
        gateway(lambda _: httpx.Response(200, content=body)).infer("p.m", {"text": ["a"]}, FIELDS)


@pytest.mark.parametrize("error", [httpx.ConnectError("no"), httpx.ReadTimeout("no")])
def test_silence_is_a_sentence(error: httpx.HTTPError):
    def silent(_: httpx.Request) -> httpx.Response:
        raise error

    with pytest.raises(EngineUnreachableError):
        gateway(silent).infer("p.m", {"text": ["a"]}, FIELDS)
    with pytest.raises(EngineUnreachableError):
        list(gateway(silent).write("p.m", "a", 5))
    with pytest.raises(EngineUnreachableError):
        gateway(silent).feedback("p.m", "r", 1)


def events(*said: object) -> bytes:
    return "".join(f"data: {json.dumps(one)}\n\n" for one in said).encode() + b"data: [DONE]\n\n"


def test_a_text_comes_piece_by_piece_and_then_what_is_told_of_it():
    pieces = events(
        {"choices": [{"text": "a "}]},
        {"choices": [{"text": "b", "finish_reason": "stop"}]},
        {"choices": [], "usage": {"completion_tokens": 2}},
    )

    def answer(request: httpx.Request) -> httpx.Response:
        assert request.headers["x-model-version"] == "2"
        return httpx.Response(200, content=pieces, headers={"x-request-id": "r"})

    first, second, told = list(gateway(answer).write("p.m", "once", 9, 2))
    assert (first, second) == ("a ", "b")
    assert isinstance(told, Answer)
    assert (told.text, told.finish, told.tokens, told.request_id) == ("a b", "stop", 2, "r")
    assert told.first_ms is not None


def test_a_text_that_breaks_off_says_so():
    broken = events({"choices": [{"text": "a"}]}, {"error": {"message": "The model was lost."}})
    writing = gateway(lambda _: httpx.Response(200, content=broken)).write("p.m", "once", 9)
    assert next(writing) == "a"
    with pytest.raises(EngineRefusedError, match=r"The model was lost\."):
        next(writing)


def test_a_stream_that_is_none_is_a_sentence():
    bad = gateway(lambda _: httpx.Response(200, content=b"data: {\n\n")).write("p.m", "once", 9)
    with pytest.raises(EngineProtocolError):
        next(bad)
    with pytest.raises(EngineRefusedError):
        next(gateway(lambda _: httpx.Response(401, json={"detail": "No."})).write("p.m", "a", 9))
