"""The OpenAPI document: valid, complete, and what schemathesis makes of it is never a 5xx."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import psutil
import pytest

from services.gateway import routing
from services.gateway.openapi import document
from tests.services.gateway import lab as labs

NAMES = {
    "name": ["lab.rows", "lab.classify", "lab.images", "lab.none"],
    "model": ["rows", "classify", "images", "embed"],
    "project": ["lab"],
    "version": ["1", "2"],
}


def references(said: Any) -> set[str]:
    if isinstance(said, dict):
        found = {said["$ref"]} if "$ref" in said else set()
        return found.union(*map(references, said.values()))
    return set().union(*map(references, said)) if isinstance(said, list) else set()


def test_every_route_is_told_and_every_reference_leads_somewhere():
    said = document()
    told = {(method.upper(), path) for path, one in said["paths"].items() for method in one}
    assert told == {(spec.method, spec.path) for spec in routing.SPECS}
    ids = [one["operationId"] for path in said["paths"].values() for one in path.values()]
    assert len(set(ids)) == len(ids)
    for reference in references(said):
        at: Any = said
        for part in reference.removeprefix("#/").split("/"):
            at = at[part]


def test_it_is_an_openapi_document():
    validator = pytest.importorskip("jsonschema")
    for schema in document()["components"]["schemas"].values():
        validator.Draft202012Validator.check_schema(schema)


def narrowed(said: dict[str, Any]) -> dict[str, Any]:
    """Return the document with names that exist, so that requests reach models."""
    for path in said["paths"].values():
        for operation in path.values():
            for parameter in operation["parameters"]:
                if parameter["name"] == "X-Deadline-Ms":
                    parameter["schema"]["minimum"] = 10_000  # else a 504 is right
                if parameter["in"] == "path" and parameter["name"] in NAMES:
                    parameter["schema"] = {"enum": NAMES[parameter["name"]]}
    schemas = said["components"]["schemas"]
    for name, models in (
        ("ChatRequest", ["lab.text", "lab.rows"]),
        ("CompletionRequest", ["lab.text@1", "lab.text"]),
        ("EmbeddingsRequest", ["lab.embed"]),
    ):
        schemas[name]["properties"]["model"] = {"enum": models}
    columns = {"x": {"type": "array"}, "text": {"type": "array", "items": {"type": "string"}}}
    schemas["PredictRequest"]["properties"]["columns"]["properties"] = columns
    tensor = schemas["InferRequest"]["properties"]["inputs"]["items"]["properties"]
    tensor["name"] = {"enum": ["x", "text", "label"]}
    return said


def attacked(
    folder: Path, examples: int, seed: int = 7
) -> tuple[subprocess.CompletedProcess[str], int]:
    """Let schemathesis loose; return what it says and how many bytes the gateway grew by."""
    with labs.running(folder, "rows", "classify", "text", "embed", "images") as lab:
        assert lab.gateway is not None
        process = psutil.Process(lab.gateway.pid)
        before = process.memory_info().rss
        file = folder / "openapi.json"
        file.write_text(json.dumps(narrowed(document())))
        done = subprocess.run(
            [
                sys.executable, "-P", "-m", "schemathesis.cli", "run", str(file), "--url", lab.url,
                "-H", f"Authorization: Bearer {lab.key}", "--max-examples", str(examples),
                "--seed", str(seed), "--suppress-health-check", "all", "--continue-on-failure",
                # What fits the generic schema may not fit the model's own, and a header that
                # nobody knows is no fault of a request.
                "--exclude-checks", "positive_data_acceptance,negative_data_rejection",
                "--no-color",
            ],
            cwd=folder, capture_output=True, text=True, check=False,
        )  # fmt: skip
        with lab.client() as client:
            assert client.get("/healthz").status_code == 200
        return done, process.memory_info().rss - before


@pytest.mark.engine
@pytest.mark.slow
@pytest.mark.timeout(600)
def test_schemathesis_finds_no_fault(tmp_path: Path):
    pytest.importorskip("schemathesis")
    done, grown = attacked(tmp_path, 15)
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
    assert grown < 64 << 20


if __name__ == "__main__":  # python -m tests.services.gateway.test_openapi FOLDER EXAMPLES
    said, growth = attacked(Path(sys.argv[1]), int(sys.argv[2]))
    print(said.stdout[-8000:], said.stderr[-1000:], f"grew by {growth / 1e6:.1f} MB")  # noqa: T201
