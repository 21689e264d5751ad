"""As much of MLflow's REST API as the steps ask, with the runs and versions a test gives."""

import json
import math
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx

from services.engines.mlflow.adapter import MLflow

Answer = tuple[int, dict[str, Any]]


def _value(value: float) -> float | str:
    return value if math.isfinite(value) else "NaN"  # as MLflow writes it


@dataclass
class SmallMLflow:
    """Runs by id (status and metrics), and registered versions."""

    runs: dict[str, tuple[str, dict[str, float]]] = field(default_factory=dict)
    versions: list[dict[str, Any]] = field(default_factory=list)

    def add(self, run_id: str, status: str = "FINISHED", **metrics: float) -> None:
        self.runs[run_id] = (status, metrics)

    def register(self, run_id: str, version: int, model: str = "net") -> None:
        made = {"name": model, "version": str(version), "run_id": run_id}
        self.versions.append(made | {"creation_timestamp": version * 1000})

    def answer(self, path: str, query: dict[str, str]) -> Answer:
        if path.endswith("/model-versions/search"):
            return 200, {"model_versions": self.versions}
        if path.endswith("/runs/get"):
            return self._run(query["run_id"])
        return 404, {"error_code": "RESOURCE_DOES_NOT_EXIST", "message": path}

    def _run(self, run_id: str) -> Answer:
        if run_id not in self.runs:
            return 404, {"error_code": "RESOURCE_DOES_NOT_EXIST", "message": f"no {run_id}"}
        status, metrics = self.runs[run_id]
        info = {"run_id": run_id, "experiment_id": "1", "run_name": run_id, "status": status}
        points = [{"key": k, "value": _value(v), "timestamp": 1} for k, v in metrics.items()]
        return 200, {"run": {"info": info, "data": {"metrics": points}}}

    def adapter(self) -> MLflow:
        def handle(request: httpx.Request) -> httpx.Response:
            status, body = self.answer(request.url.path, dict(request.url.params))
            return httpx.Response(status, json=body)

        return MLflow(httpx.Client(transport=httpx.MockTransport(handle), base_url="http://m"))

    @contextmanager
    def served(self) -> Iterator[str]:
        """Answer over HTTP, for processes that are not ours; give the address."""
        known = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                parts = urlsplit(self.path)
                query = {name: values[0] for name, values in parse_qs(parts.query).items()}
                status, body = known.answer(parts.path, query)
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.end_headers()
                self.wfile.write(json.dumps(body).encode())

            def log_message(self, *_args: object) -> None: ...

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
            server.server_close()
            thread.join()
