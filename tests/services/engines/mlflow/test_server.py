"""The gate before MLflow, driven as ASGI with a small app behind it."""

import asyncio
import base64
import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from services.engines.mlflow.feed import FeedReader, FeedWriter, Position
from services.engines.mlflow.server import Gate, Tokens, kind_of, touched_runs

RUN = "0123456789abcdef" * 2


class Behind:
    """Stands for MLflow: remembers what reached it."""

    def __init__(self, status: int = 200, answer: bytes = b"{}") -> None:
        self.status, self.answer = status, answer
        self.scopes: list[dict[str, Any]] = []

    async def __call__(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
        self.scopes.append(scope)
        await receive()
        await send({"type": "http.response.start", "status": self.status, "headers": []})
        await send({"type": "http.response.body", "body": self.answer})


@pytest.fixture
def tokens(tmp_path: Path) -> Tokens:
    path = tmp_path / "tokens.json"
    known = {
        hashlib.sha256(b"all").hexdigest(): {"name": "platform", "workspace": None},
        hashlib.sha256(b"one").hexdigest(): {"name": "p1", "workspace": "p1"},
    }
    path.write_text(json.dumps(known))
    return Tokens(path)


def call(
    gate: Gate,
    path: str,
    token: str | None,
    *,
    method: str = "POST",
    body: bytes = b"",
    workspace: str | None = None,
    basic: bool = False,
) -> int:
    headers = []
    if token is not None:
        value = f"Bearer {token}"
        if basic:
            value = "Basic " + base64.b64encode(f"anyone:{token}".encode()).decode()
        headers.append((b"authorization", value.encode()))
    if workspace is not None:
        headers.append((b"x-mlflow-workspace", workspace.encode()))
    path, _, query = path.partition("?")
    scope = {
        "type": "http",
        "path": path,
        "query_string": query.encode(),
        "method": method,
        "headers": headers,
    }
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    asyncio.run(gate(scope, receive, send))
    return int(sent[0]["status"])


def notes(folder: Path) -> list[tuple[str, str, tuple[str, ...]]]:
    found = FeedReader(folder / "feed").since(Position())
    assert found is not None
    return [(note.workspace, note.kind, note.runs) for note in found[0]]


@pytest.mark.parametrize("path", ["/", "/api/2.0/mlflow/runs/search", "/get-artifact", "/static/x"])
def test_everything_wants_a_token(tmp_path: Path, tokens: Tokens, path: str):
    behind = Behind()
    gate = Gate(behind, tokens, FeedWriter(tmp_path / "feed"))
    assert call(gate, path, None, method="GET") == 401
    assert call(gate, path, "wrong", method="GET") == 401
    assert call(gate, path, "", method="GET") == 401
    assert not behind.scopes
    assert call(gate, path, "all", method="GET") == 200
    assert call(gate, path, "all", method="GET", basic=True) == 200


def test_health_needs_none(tmp_path: Path, tokens: Tokens):
    gate = Gate(Behind(), tokens, FeedWriter(tmp_path / "feed"))
    assert call(gate, "/health", None, method="GET") == 200


def test_a_project_token_stays_in_its_workspace(tmp_path: Path, tokens: Tokens):
    behind = Behind()
    gate = Gate(behind, tokens, FeedWriter(tmp_path / "feed"))
    path = "/api/2.0/mlflow/runs/set-tag"
    assert call(gate, path, "one", workspace="p2") == 403
    assert call(gate, "/api/3.0/mlflow/workspaces", "one") == 403
    artifact = "/api/2.0/mlflow-artifacts/artifacts/workspaces/{}/1/x"
    assert call(gate, artifact.format("p2"), "one", method="GET") == 403
    assert call(gate, "/api/2.0/mlflow-artifacts/artifacts/1/x", "one", method="GET") == 403
    assert not behind.scopes
    assert call(gate, artifact.format("p1"), "one", method="GET") == 200
    assert call(gate, path, "one") == 200
    assert dict(behind.scopes[-1]["headers"])[b"x-mlflow-workspace"] == b"p1"


def test_a_project_token_lists_the_artifacts_of_its_workspace_alone(tmp_path: Path, tokens: Tokens):
    gate = Gate(Behind(), tokens, FeedWriter(tmp_path / "feed"))
    listing = "/api/2.0/mlflow-artifacts/artifacts?path="
    own, others = "workspaces%2Fp1%2F1%2Fx", "workspaces%2Fp2%2F1%2Fx"
    assert call(gate, listing + own, "one", method="GET") == 200
    assert call(gate, f"{listing}workspaces/p1", "one", method="GET") == 200
    for asked in (
        others,
        "",
        f"{own}&path={others}",
        "workspaces%2Fp1%2F..%2Fp2",
        "x%2Fartifacts%2Fworkspaces%2Fp1%2Fx",
    ):
        assert call(gate, listing + asked, "one", method="GET") == 403, asked
    assert call(gate, "/api/2.0/mlflow-artifacts/artifacts", "one", method="GET") == 403
    assert call(gate, "/api/2.0/mlflow-artifacts/artifacts", "all", method="GET") == 200


def test_a_write_is_noted_with_its_run(tmp_path: Path, tokens: Tokens):
    gate = Gate(Behind(), tokens, FeedWriter(tmp_path / "feed"))
    body = json.dumps({"run_id": RUN, "key": "a", "value": "b"}).encode()
    call(gate, "/api/2.0/mlflow/runs/set-tag", "one", body=body)
    call(gate, "/api/2.0/mlflow/runs/search", "one", body=body)
    call(gate, "/api/2.0/mlflow/registered-models/alias", "all", workspace="p9")
    assert notes(tmp_path) == [("p1", "run", (RUN,)), ("p9", "registry", ())]


def test_a_new_run_is_noted_from_the_answer(tmp_path: Path, tokens: Tokens):
    answer = json.dumps({"run": {"info": {"run_id": RUN}}}).encode()
    gate = Gate(Behind(answer=answer), tokens, FeedWriter(tmp_path / "feed"))
    call(gate, "/api/2.0/mlflow/runs/create", "one", body=b"{}")
    assert notes(tmp_path) == [("p1", "run", (RUN,))]


def test_a_refused_write_is_not_noted(tmp_path: Path, tokens: Tokens):
    gate = Gate(Behind(status=400), tokens, FeedWriter(tmp_path / "feed"))
    call(gate, "/api/2.0/mlflow/runs/set-tag", "one", body=b'{"run_id": "%s"}' % RUN.encode())
    assert notes(tmp_path) == []


def test_a_new_token_works_at_once(tmp_path: Path, tokens: Tokens):
    gate = Gate(Behind(), tokens, FeedWriter(tmp_path / "feed"))
    assert call(gate, "/x", "late", method="GET") == 401
    path = tmp_path / "tokens.json"
    known = json.loads(path.read_text())
    known[hashlib.sha256(b"late").hexdigest()] = {"name": "late", "workspace": None}
    (tmp_path / "new").write_text(json.dumps(known))
    (tmp_path / "new").replace(path)
    assert call(gate, "/x", "late", method="GET") == 200


def test_artifact_paths_name_their_run():
    path = f"/api/2.0/mlflow-artifacts/artifacts/workspaces/p1/1/{RUN}/artifacts/x.txt"
    assert touched_runs(path, b"", b"") == [RUN]
    assert kind_of(path) == "run"
    assert kind_of("/api/2.0/mlflow/experiments/create") == "workspace"
