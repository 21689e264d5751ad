"""OpenAI's routes, by hand and through OpenAI's own client."""

import base64
import json

import numpy as np
import pytest

from tests.services.gateway.lab import Lab

pytestmark = pytest.mark.engine

CHAT = {"model": "lab.text", "messages": [{"role": "user", "content": "tell me"}]}


def events(text: str) -> list[dict]:
    lines = [line.removeprefix("data: ") for line in text.split("\n\n") if line]
    assert lines[-1] == "[DONE]"
    return [json.loads(line) for line in lines[:-1]]


def test_a_chat_is_answered(lab: Lab):
    with lab.client() as client:
        answer = client.post("/v1/chat/completions", json={**CHAT, "max_tokens": 4})
    said = answer.json()
    assert answer.status_code == 200, said
    assert said["object"] == "chat.completion"
    assert said["choices"][0]["message"]["content"] == " me once upon a"
    assert said["choices"][0]["finish_reason"] == "length"
    assert said["usage"] == {"prompt_tokens": 2, "completion_tokens": 4, "total_tokens": 6}
    assert answer.headers["x-model-version"] == "1"


def test_a_chat_is_streamed(lab: Lab):
    asked = {**CHAT, "max_tokens": 4, "stream": True, "stream_options": {"include_usage": True}}
    with lab.client() as client:
        answer = client.post("/v1/chat/completions", json=asked)
    assert answer.headers["content-type"].startswith("text/event-stream")
    found = events(answer.text)
    deltas = [one["choices"][0]["delta"] for one in found[:-1]]
    assert deltas[0] == {"role": "assistant", "content": ""}
    assert "".join(one.get("content", "") for one in deltas) == " me once upon a"
    assert found[-2]["choices"][0]["finish_reason"] == "length"
    assert found[-1]["choices"] == []
    assert found[-1]["usage"]["total_tokens"] == 6


def test_a_completion_goes_on_with_its_prompt(lab: Lab):
    asked = {"model": "lab.text@1", "prompt": "it was", "max_tokens": 2}
    with lab.client() as client:
        whole = client.post("/v1/completions", json=asked).json()
        streamed = client.post("/v1/completions", json={**asked, "stream": True})
    assert whole["choices"][0]["text"] == " was once"
    assert "".join(one["choices"][0]["text"] for one in events(streamed.text)) == " was once"


def test_embeddings_are_floats_or_base64(lab: Lab):
    asked = {"model": "lab.embed", "input": ["one", "three"]}
    with lab.client() as client:
        floats = client.post("/v1/embeddings", json=asked).json()
        packed = client.post("/v1/embeddings", json={**asked, "encoding_format": "base64"}).json()
    found = [one["embedding"] for one in floats["data"]]
    assert found[1][:3] == [5.0, 7.0, 9.0]
    raw = base64.b64decode(packed["data"][1]["embedding"])
    assert np.frombuffer(raw, "<f4").tolist() == found[1]
    assert floats["usage"] == {"prompt_tokens": None, "total_tokens": None}  # nobody counted


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"model": "lab.nothing"}, "model"),
        ({"model": None}, "model"),
        ({"model": "lab.text@x"}, "model"),
        ({"model": "lab.text@9"}, "model"),
        ({"model": "lab.rows"}, "model"),
        ({"messages": []}, "messages"),
        ({"messages": [{"role": "tool", "content": "a"}]}, "messages[0]"),
        ({"messages": [{"role": "user", "content": [{"type": "image_url"}]}]},
         "messages[0].content"),
        ({"temperature": 3}, "temperature"),
        ({"max_tokens": 0}, "max_tokens"),
        ({"max_tokens": True}, "max_tokens"),
        ({"seed": -1}, "seed"),
        ({"stop": [1]}, "stop"),
        ({"n": 2}, "n"),
        ({"tools": [{"type": "function"}]}, "tools"),
        ({"top_p": 0.5}, "top_p"),
        ({"stream": "yes"}, "stream"),
        ({"response_format": {"type": "json_object"}}, "response_format"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_named_as_openai_does(lab: Lab, change: dict, field: str):
    with lab.client() as client:
        answer = client.post("/v1/chat/completions", json={**CHAT, **change})
    error = answer.json()["error"]
    assert answer.status_code in (400, 404)
    assert error["param"] == field, error
    assert error["type"] == "invalid_request_error"


def test_errors_without_a_key_have_openais_form(lab: Lab):
    with lab.client("mlk_nothing") as client:
        answer = client.get("/v1/models")
    assert answer.status_code == 401
    assert answer.json()["error"]["type"] == "authentication_error"


def test_openais_client_works_as_it_is(lab: Lab):
    openai = pytest.importorskip("openai")
    import httpx

    plain = httpx.Client(trust_env=False)
    with openai.OpenAI(base_url=f"{lab.url}/v1", api_key=lab.key, http_client=plain) as client:
        assert "lab.text" in {one.id for one in client.models.list()}
        assert client.models.retrieve("lab.text").owned_by == "lab"
        said = client.chat.completions.create(**CHAT, max_tokens=3)
        assert said.choices[0].message.content == " me once upon"
        assert said.usage is not None
        assert said.usage.total_tokens == 5
        text = ""
        for chunk in client.chat.completions.create(**CHAT, max_tokens=3, stream=True):
            text += chunk.choices[0].delta.content or ""
        assert text == " me once upon"
        made = client.completions.create(model="lab.text", prompt="a b", max_tokens=2)
        assert made.choices[0].text == " b once"
        vectors = client.embeddings.create(model="lab.embed", input=["one", "three"])
        assert vectors.data[1].embedding[:2] == [5.0, 7.0]
        with pytest.raises(openai.BadRequestError) as refused:
            client.chat.completions.create(**CHAT, temperature=5)
        assert refused.value.param == "temperature"
        with pytest.raises(openai.NotFoundError):
            client.chat.completions.create(**{**CHAT, "model": "other.text"})
