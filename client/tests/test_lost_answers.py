"""The server acts and its answer is lost on the way: what was done must not be done again."""

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
import requests
from mlflow import MlflowClient
from toys import WORKSPACE, Server, ToyProject

pytestmark = [pytest.mark.engine, pytest.mark.timeout(400)]

_HOP = {"connection", "transfer-encoding", "content-length", "content-encoding", "host"}


class LosingProxy:
    """Passes everything on; of each path in ``lose`` the first answer is lost."""

    def __init__(self, target: str, lose: set[str]) -> None:
        self.lost: list[str] = []
        proxy = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                headers = {k: v for k, v in self.headers.items() if k.lower() not in _HOP}
                answer = requests.request(
                    self.command, target + self.path, data=body, headers=headers, timeout=30
                )
                found = next((part for part in lose if part in self.path), None)
                if found is not None and self.command != "GET":
                    lose.discard(found)
                    proxy.lost.append(found)
                    self.connection.close()
                    return
                self.send_response(answer.status_code)
                for name, value in answer.headers.items():
                    if name.lower() not in _HOP:
                        self.send_header(name, value)
                self.send_header("Content-Length", str(len(answer.content)))
                self.end_headers()
                self.wfile.write(answer.content)

            do_GET = do_PUT = do_PATCH = do_POST  # noqa: N815 - http.server's names

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.uri = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(0.02,), daemon=True
        )
        self._thread.start()

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


@pytest.fixture
def proxy(server: Server) -> Iterator[LosingProxy]:
    paths = {"runs/create", "runs/log-batch", "model-versions/create", "mlflow-artifacts/artifacts"}
    losing = LosingProxy(server.uri, paths)
    yield losing
    losing.stop()


TRAIN = """
import sys, time
import mlx.core as mx
import numpy as np
import mlflow
from mlflow.models.signature import infer_signature
from mlflow.tracking._tracking_service.utils import _get_store
from mlops_client.mlx import TrainingLogger, log_model

def settle():
    for _ in range(300):
        if not _get_store().is_offline:
            return
        time.sleep(0.1)
    raise SystemExit("still offline")

with mlflow.start_run(tags={"who": "lost answers"}) as run:
    settle()
    with TrainingLogger(log_every=5) as log:
        for step in range(20):
            log.step(loss=float(step))
    settle()
    mlflow.log_dict({"a": 1}, "a.json")
    settle()
    sample = np.zeros((1, 1), np.float32)
    info = log_model(
        name="toy-project", weights={"w": mx.ones((1, 1))}, config={}, entry="json:loads",
        signature=infer_signature(sample, sample), tags={"mlops.technique": "toy"},
    )
    settle()
"""


def test_lost_answers_double_nothing(
    server: Server, project: ToyProject, proxy: LosingProxy, monkeypatch: pytest.MonkeyPatch
):
    project.connect(proxy.uri)
    _, said = project.run(TRAIN)
    assert sorted(proxy.lost) == [
        "mlflow-artifacts/artifacts",
        "model-versions/create",
        "runs/create",
        "runs/log-batch",
    ]
    assert said.count("has been sent") == 4
    monkeypatch.setenv("MLFLOW_WORKSPACE", WORKSPACE)
    client = MlflowClient(server.uri)
    experiment = client.get_experiment_by_name(WORKSPACE)
    assert experiment is not None
    (run,) = client.search_runs([experiment.experiment_id], "tags.who = 'lost answers'")
    steps = [metric.step for metric in client.get_metric_history(run.info.run_id, "loss")]
    assert sorted(steps) == list(range(20))
    assert run.info.status == "FINISHED"
    assert {f.path for f in client.list_artifacts(run.info.run_id)} == {"a.json", "toy-project"}
    (version,) = client.search_model_versions("name = 'toy-project'")
    assert version.run_id == run.info.run_id
    assert version.tags["mlops.format"] == "safetensors"
    assert version.tags["mlops.technique"] == "toy"
    assert version.tags["mlops.project"] == WORKSPACE
