"""Programs that are pasted must run as they are."""

import ast
import json
import shlex

import pytest

from dashboard.deployments import snippets
from services.serving.models import BundleInfo
from tests.deployments_seed import CLIP, LORA, TEXT, infos
from tests.hostile_seed import MODEL, PROJECT

URL = "http://127.0.0.1:8090"
EVERY = [(way, info) for info in infos().values() for way in snippets.ways(info)]


def hostile() -> BundleInfo:
    known = infos()[LORA]
    example = {"text": ['it\'s "quoted" $HOME `ls` \\ ü']}
    return BundleInfo(
        PROJECT, MODEL, 1, "text", "safetensors", known.inputs, known.outputs, example=example
    )


@pytest.mark.parametrize(
    ("way", "info"), [*EVERY, *((way, hostile()) for way in snippets.ways(hostile()))]
)
def test_python_parses_and_the_shell_reads_one_command(way: str, info: BundleInfo):
    ast.parse(snippets.python(way, URL, info))
    words = shlex.split(snippets.curl(way, URL, info).replace("\\\n", " "))
    assert words[0] == "curl"
    assert words[1].startswith(URL)
    assert " " not in words[1]
    body = json.loads(words[words.index("-d") + 1])
    assert body


def test_each_way_asks_where_it_is_answered():
    info = infos()[TEXT]
    assert f"/v2/models/{TEXT}/infer" in snippets.curl(snippets.OIP, URL, info)
    assert "/predict/quantized-optimization/" in snippets.curl(snippets.PLAIN, URL, info)
    assert "/v1/completions" in snippets.curl(snippets.OPENAI, URL, info)
    assert "/v1/embeddings" in snippets.curl(snippets.OPENAI, URL, infos()[CLIP])
    assert snippets.OPENAI not in snippets.ways(infos()[LORA])


def test_the_example_is_the_versions_own_and_else_made_from_its_fields():
    assert snippets.example(infos()[LORA]) == {"text": ["my card was declined"]}
    made = snippets.example(infos()[CLIP])
    assert made == {"text": ["a red square"]}, "one of those that may be left out"


def test_text_in_a_body_reaches_the_model_as_it_is():
    words = shlex.split(snippets.curl(snippets.PLAIN, URL, hostile()).replace("\\\n", " "))
    body = json.loads(words[words.index("-d") + 1])
    assert body == {"rows": [{"text": 'it\'s "quoted" $HOME `ls` \\ ü'}]}
