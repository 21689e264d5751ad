"""The demo's last part: one model of each kind is deployed and asked; what goes wrong is told."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from services.commands import demo_serving
from services.engines.mlflow.models import Model, Version
from services.errors import EngineError, PlatformError
from services.mirror.store import Store
from services.serving import store
from services.serving.models import BundleInfo
from tests.services.actions.conftest import Clock, close, fill
from tests.services.actions.serving_lab import CONTRACT, Bench, Lab, made

KINDS = {
    "a": "classifier", "b": "images", "c": "text", "d": "embeddings", "e": "few-shot",
    "f": "classifier", "g": "images",
}  # fmt: skip


class Demo(Bench):
    """Every project has a model of its kind."""

    def package(self, mlflow: Any, folder: Path, project: str, model: str, version: int) -> Any:
        super().package(mlflow, folder, project, model, version)
        kind: Any = KINDS[model]
        return BundleInfo(
            project, model, version, kind, "safetensors", (), (), example={"x": [[1.0]]}
        )


@pytest.fixture
def lab(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setenv("MLOPS_HOME", str(tmp_path / "home"))
    fill(tmp_path)
    lab = made(tmp_path, Clock())
    written = Store(lab.context.mirror.engine)
    (tmp_path / "lora" / "pyproject.toml").write_text(CONTRACT)
    models = [Model(name, "", 0, 0, {"champion": 1}, {}) for name in KINDS]
    versions = [Version(name, 1, "", 0, "READY", "", "", {}) for name in KINDS]
    written.write_registry("lora", [*models, Model("none", "", 0, 0, {}, {})], versions)
    lab.context = replace(
        lab.context, serving=Demo(lab.home, said=lab.bench.said, calls=lab.bench.calls)
    )
    monkeypatch.setattr("services.commands.acting.context", lambda: lab.context)
    yield lab
    close(lab.context)


@pytest.fixture
def asked(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Endpoints that were asked; every rollout is good."""
    found: list[str] = []

    def ask(named: Any, body: Any, key: str, version: Any = None) -> object:
        assert body == {"columns": {"x": [[1.0]]}}
        assert store.key_id_of(key)
        found.append(named.model)
        return {}

    def tell(_: float) -> None:
        for one in store.endpoints(lab.context.journal):
            if one.rollout is not None:
                version = one.rollout.target.version
                store.finish_rollout(lab.context.journal, one.name, version, live=True, said="Up.")

    monkeypatch.setattr("services.commands.predict.ask", ask)
    monkeypatch.setattr("services.commands.rolling.time.sleep", tell)
    return found


def test_one_of_each_kind_is_deployed_and_asked(lab: Lab, asked: list[str]):
    said: list[tuple[str, str]] = []
    served = demo_serving.serve(lambda name, what: said.append((name, what)))
    assert [one.info.model for one in served] == ["a", "b", "c", "d", "e"]
    assert {model: asked.count(model) for model in "abcde"} == dict.fromkeys("abcde", 20)
    names = {one.name for one in store.endpoints(lab.context.journal)}
    assert names == {f"lora.{model}" for model in "abcde"}
    assert any(what.startswith("answered 20 of 20 requests") for _, what in said)
    # A second demo asks what is live already.
    again = demo_serving.serve(lambda name, what: said.append((name, what)))
    assert len(again) == 5
    assert ("lora.a", "is live already") in said


def test_a_text_model_is_asked_texts_once_each(lab: Lab, monkeypatch: pytest.MonkeyPatch):
    texts = [f"text {number}" for number in range(60)]
    data = {"rows": 60, "inputs": {"x": texts}}
    monkeypatch.setattr("services.commands.demo_evaluation.evaluation", lambda *_: data)
    said: list[int] = []
    monkeypatch.setattr("services.predictions.reading.count", lambda *_: 20 * len(said))
    info = BundleInfo("lora", "c", 1, "text", "safetensors", (), (), example={"x": ["text 1"]})
    first = demo_serving._questions(lab.context, info)
    assert all(len(columns["x"]) == 1 for columns in first)
    assert len({columns["x"][0] for columns in first}) == demo_serving.REQUESTS
    said.append(1)
    # The next demo goes on where this one ended.
    again = demo_serving._questions(lab.context, info)
    assert not [columns for columns in again if columns in first]
    texts[:] = ["yes", "no"] * 30
    assert demo_serving._questions(lab.context, info) == [info.example] * demo_serving.REQUESTS


def test_of_a_kind_another_model_is_taken_when_one_fails(
    lab: Lab, asked: list[str], monkeypatch: pytest.MonkeyPatch
):
    def ask(named: Any, *_: Any) -> object:
        if named.model in {"a", "c"}:
            raise EngineError("It answers nothing.")
        return {}

    monkeypatch.setattr("services.commands.predict.ask", ask)
    said: list[tuple[str, str]] = []
    served = demo_serving.serve(lambda name, what: said.append((name, what)))
    assert [one.info.model for one in served] == ["f", "b", "d", "e"]
    assert ("lora.a", "is not served: It answers nothing.") in said


def test_too_few_kinds_is_an_error_that_names_why(
    lab: Lab, asked: list[str], monkeypatch: pytest.MonkeyPatch
):
    def ask(*_: Any) -> object:
        raise EngineError("It answers nothing.")

    monkeypatch.setattr("services.commands.predict.ask", ask)
    with pytest.raises(PlatformError, match=r"serves 0 of at least 4 kinds.*It answers nothing"):
        demo_serving.serve(lambda name, what: None)


def test_an_engine_that_does_not_come_is_an_error(lab: Lab, monkeypatch: pytest.MonkeyPatch):
    lab.engine(at=1.0)
    monkeypatch.setattr(demo_serving, "_READY_S", 0.1)
    with pytest.raises(PlatformError, match="said nothing for a while"):
        demo_serving.serve(lambda name, what: None)
