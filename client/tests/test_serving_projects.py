"""Every project's model, with initial weights, in a model server: asked through its interface."""

import json
from pathlib import Path
from types import ModuleType
from typing import Any

import mlx.core as mx
import numpy as np
import pytest
from mlops_client.serving.asking import AskError
from mlx.utils import tree_flatten
from serving_bundles import PROJECTS, TEXT, column, imported, told, written
from serving_process import serving

LABELS = [column("label", "INT64"), column("seed", "INT64", optional=True)]
IMAGES = [column("image", "FP32", 8, 8)]
DIGITS = [column("label", "INT64"), column("confidence", "FP32")]
Made = tuple[dict[str, mx.array], dict[str, Any], dict[str, Any]]
"""Weights, configuration, and what the bundle says."""


def part(package: str, name: str) -> ModuleType:
    import importlib

    return importlib.import_module(f"{package}.{name}")


def lora() -> Made:
    encoder, classifier = (
        part("lora", "encoder").MiniLM(),
        part("lora", "classifier").Classifier([]),
    )
    vocabulary = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "read", "##er"]
    config = {"vocabulary": vocabulary, "labels": [str(n) for n in range(8)], "longest": 32}
    weights = part("lora", "serving").stored(encoder, classifier)
    said = {"inputs": [column("text", "BYTES")], "interface": "classifier",
            "outputs": [column("label", "BYTES"), column("confidence", "FP64")],
            "example": {"text": ["reader", "read"]}}  # fmt: skip
    return weights, config, said


def diffusion() -> Made:
    model = part("diffusion", "network").Denoiser(16, 2)
    sampler = {"steps": 4, "eta": 0.0, "guidance": 0.0}
    config = {"width": 16, "blocks": 2, "timesteps": 40, "sampler": sampler}
    return dict(tree_flatten(model.parameters())), config, images()


def images() -> dict[str, Any]:
    return {"inputs": LABELS, "outputs": IMAGES, "interface": "images",
            "example": {"label": [1, 2, 3], "seed": [7, 8, 9]}}  # fmt: skip


def compression() -> Made:
    network, storage = part("compression", "network"), part("compression", "storage")
    model = network.Classifier(network.STUDENT)
    config = part("compression", "serving").configuration(model, network.STUDENT)
    said = {"inputs": [column("pixels", "FP32", 64)], "outputs": DIGITS, "interface": "classifier"}
    return storage.to_tensors(model), config, said


def twotower() -> Made:
    known = part("twotower", "captions").vocabulary()
    model = part("twotower", "towers").TwoTowers(len(known) + 2)
    said = {"inputs": [column("image", "FP64", 64, optional=True),
                       column("text", "BYTES", optional=True)],
            "outputs": [column("embedding", "FP32", 48)], "interface": "embeddings",
            "example": {"text": ["a bold three", "zebra"]}}  # fmt: skip
    return dict(tree_flatten(model.parameters())), {"vocabulary": known}, said


def federated() -> Made:
    weights = part("federated", "model").initial_weights(4, seed=0)
    said = {"inputs": [column("image", "FP32", 64)], "interface": "classifier",
            "outputs": [column("label", "INT64"), column("confidence", "FP64")]}  # fmt: skip
    return {name: mx.array(array) for name, array in weights.items()}, {}, said


def adaptive() -> Made:
    model = part("adaptive", "network").Denoiser(16, 2)
    config = {"width": 16, "blocks": 2, "path": [[0.9, 0.1], [0.4, 0.6]]}
    return dict(tree_flatten(model.parameters())), config, images()


def meta() -> Made:
    serving_, network = part("meta", "serving"), part("meta", "network")
    inner = part("meta", "learning").Inner(lora=False, steps=2, learning_rate=0.1, alpha=8.0)
    weights = network.initial()
    pixels = np.random.default_rng(0).random((12, 64)).tolist()
    said = {"inputs": [column("pixels", "FP32", 64), column("label", "INT64")], "outputs": DIGITS,
            "interface": "few-shot", "batchable": False,
            "example": {"pixels": pixels, "label": [*range(10), -1, -1]}}  # fmt: skip
    return weights, serving_.configuration(inner, steps=2), said


def selfimprove() -> Made:
    model = part("selfimprove", "network").Denoiser(16, 2)
    config = {"width": 16, "blocks": 2, "sampling_steps": 4}
    return dict(tree_flatten(model.parameters())), config, images()


MADE = {
    "01_LoRA_Finetuning_MLX": lora,
    "02_Stable_Diffusion": diffusion,
    "04_CPU_Compression": compression,
    "05_CLIP_Finetuning": twotower,
    "06_Federated_Learning": federated,
    "07_Adaptive_Diffusion": adaptive,
    "08_Meta_Learning_PEFT": meta,
    "09_Self_Improving_Diffusion": selfimprove,
}  # 03 is asked in test_serving_server.py
TORCH = ("02_Stable_Diffusion", "04_CPU_Compression", "06_Federated_Learning")


def bundle(folder: Path, project: str) -> tuple[Path, dict[str, Any]]:
    with imported(PROJECTS / project):
        mx.random.seed(0)
        weights, config, said = MADE[project]()
    entry = f"{MADE[project].__name__}.serving:predictor"
    whole = told(**{"entry": entry, "fixed_batches": [1, 8], **said})
    return written(folder / "b", weights, config, whole), whole


@pytest.mark.engine
@pytest.mark.parametrize("project", MADE)
def test_a_projects_model_is_served(tmp_path: Path, project: str):
    folder, said = bundle(tmp_path, project)
    with serving(folder, PROJECTS / project) as one:
        assert one.first["event"] == "ready", one.first
        asked = {
            field["name"]: np.array(
                said["example"][field["name"]],
                dtype={"BYTES": object, "FP32": "f4", "FP64": "f8", "INT64": "i8"}[
                    field["datatype"]
                ],
            )
            for field in said["inputs"]
            if field["name"] in said.get("example", {})
        } or {said["inputs"][0]["name"]: np.full((3, 64), 0.5, np.float32)}
        rows = len(next(iter(asked.values())))
        answer = one.caller().infer(asked)
    assert list(answer) == [field["name"] for field in said["outputs"]]
    for field in said["outputs"]:
        assert answer[field["name"]].shape == (rows, *field["shape"][1:])


@pytest.mark.engine
def test_what_a_project_does_not_take_is_an_input_error(tmp_path: Path):
    folder, _ = bundle(tmp_path, "07_Adaptive_Diffusion")
    with serving(folder, PROJECTS / "07_Adaptive_Diffusion") as one:
        with pytest.raises(AskError, match="from 0 to 9") as caught:
            one.caller().infer({"label": np.array([11])})
        assert caught.value.kind == "input"
        mixed = one.caller()
        seeds = {"label": np.array([1, 2]), "seed": np.array([3, 4])}
        first = mixed.infer(seeds)["image"]
        assert np.array_equal(mixed.infer(seeds)["image"], first)
        assert mixed.infer({"label": np.array([1, 2])})["image"].shape == (2, 8, 8)


@pytest.mark.parametrize(
    "project",
    ["02_Stable_Diffusion", "04_CPU_Compression", "06_Federated_Learning", "07_Adaptive_Diffusion",
     "09_Self_Improving_Diffusion"],
)  # fmt: skip
@pytest.mark.slow
def test_a_compiled_model_answers_the_same(project: str, monkeypatch: pytest.MonkeyPatch):
    with imported(PROJECTS / project):
        weights, config, said = MADE[project]()
        package = MADE[project].__name__
        if project not in ("04_CPU_Compression", "06_Federated_Learning"):
            # On Linux the product goes through NumPy, which nothing compiles.
            monkeypatch.setattr(part(package, "numerics"), "THROUGH_NUMPY", False)
        build = part(package, "serving").predictor
        x = np.random.default_rng(0).random((5, 64), np.float32)
        asked = {"label": [1, 2], "seed": [3, 4]} if said["interface"] == "images" else x
        plain, compiled = build(weights, config)(asked), build(weights, config, mx.compile)(asked)
    for name, values in plain.items():
        np.testing.assert_allclose(compiled[name], values, rtol=1e-3, atol=1e-5)


@pytest.mark.engine
def test_text_asked_together_is_answered_as_alone(tmp_path: Path):
    from serving_bundles import text

    folder = text(tmp_path / "b")
    asked = np.array([f"import {n}" for n in range(8)], dtype=object)
    with serving(folder, TEXT) as one:
        caller = one.caller()
        together = caller.infer({"text": asked})["continuation"]
        alone = [caller.infer({"text": asked[n : n + 1]})["continuation"][0] for n in range(8)]
    assert together.tolist() == alone


@pytest.mark.engine
@pytest.mark.parametrize("project", TORCH)
def test_a_projects_model_answers_the_same_on_torch(tmp_path: Path, project: str):
    reason = "torch is not in this environment (on Linux by choice)"
    pytest.importorskip("torch", reason=reason)
    folder, said = bundle(tmp_path, project)
    entry = f"{MADE[project].__name__}.serving_torch:predictor"
    (folder / "serving.json").write_text(json.dumps(said | {"torch_entry": entry}))
    asked = (
        {"label": np.arange(9), "seed": np.arange(9)}
        if said["interface"] == "images"
        else {said["inputs"][0]["name"]: np.random.default_rng(0).random((9, 64), np.float32)}
    )
    answers = []
    for backend in ("auto", "cpu"):
        with serving(folder, PROJECTS / project, "--backend", backend) as one:
            assert one.first["event"] == "ready", one.first
            assert one.first["backend"] == {"auto": "mlx", "cpu": "cpu"}[backend]
            answers.append(one.caller().infer(asked))
            assert (one.stats()["mlx_peak_bytes"] is None) == (backend == "cpu")
    on_mlx, on_torch = answers
    assert list(on_mlx) == list(on_torch)
    for name, values in on_mlx.items():
        np.testing.assert_allclose(on_torch[name], values, rtol=1e-3, atol=1e-4)
