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

Answer = tuple[int, dict[str, Any] | bytes]
_STORED = "/api/2.0/mlflow-artifacts/artifacts"


def _value(value: float) -> float | str:
    return value if math.isfinite(value) else "NaN"  # as MLflow writes it


@dataclass
class SmallMLflow:
    """Runs by id (status and metrics), and registered versions."""

    runs: dict[str, tuple[str, dict[str, float]]] = field(default_factory=dict)
    versions: list[dict[str, Any]] = field(default_factory=list)
    files: dict[str, bytes] = field(default_factory=dict)
    """What the server keeps, by path."""
    fetched: list[str] = field(default_factory=list)

    def add(self, run_id: str, status: str = "FINISHED", **metrics: float) -> None:
        self.runs[run_id] = (status, metrics)

    def register(self, run_id: str, version: int, model: str = "net", **files: bytes | str) -> None:
        """Register a version; files by name, ``__`` for a dot and ``_in_`` for a slash."""
        folder = f"workspaces/toy/1/{run_id}/artifacts/{model}"
        tags = [{"key": "mlops.format", "value": "safetensors"}] if files else []
        made = {"name": model, "version": str(version), "run_id": run_id, "tags": tags}
        made |= {"source": f"mlflow-artifacts:/{folder}", "creation_timestamp": version * 1000}
        self.versions.append(made)
        for name, content in files.items():
            path = name.replace("_in_", "/").replace("__", ".")
            self.files[f"{folder}/{path}"] = (
                content.encode() if isinstance(content, str) else content
            )

    def answer(self, path: str, query: dict[str, str]) -> Answer:
        if path.endswith("/model-versions/search"):
            return 200, {"model_versions": self.versions}
        if path.endswith("/runs/get"):
            return self._run(query["run_id"])
        if path.endswith(("/model-versions/get", "/model-versions/get-download-uri")):
            return self._version(query["name"], query["version"], whole=path.endswith("/get"))
        if path == _STORED:
            return self._listing(query["path"])
        if path.startswith(_STORED):
            self.fetched.append(path.removeprefix(f"{_STORED}/"))
            return 200, self.files[self.fetched[-1]]
        return 404, {"error_code": "RESOURCE_DOES_NOT_EXIST", "message": path}

    def _run(self, run_id: str) -> Answer:
        if run_id not in self.runs:
            return 404, {"error_code": "RESOURCE_DOES_NOT_EXIST", "message": f"no {run_id}"}
        status, metrics = self.runs[run_id]
        info = {"run_id": run_id, "experiment_id": "1", "run_name": run_id, "status": status}
        points = [{"key": k, "value": _value(v), "timestamp": 1} for k, v in metrics.items()]
        return 200, {"run": {"info": info, "data": {"metrics": points}}}

    def _version(self, name: str, version: str, *, whole: bool) -> Answer:
        wanted = (name, version)
        found = next((v for v in self.versions if (v["name"], v["version"]) == wanted), None)
        if found is None:
            return 404, {"error_code": "RESOURCE_DOES_NOT_EXIST", "message": f"no {name}"}
        return 200, {"model_version": found} if whole else {"artifact_uri": found["source"]}

    def _listing(self, folder: str) -> Answer:
        inner = {path.removeprefix(f"{folder}/"): len(data) for path, data in self.files.items()
                 if path.startswith(f"{folder}/")}  # fmt: skip
        files = [
            {"path": n, "is_dir": False, "file_size": s} for n, s in inner.items() if "/" not in n
        ]
        folders = {name.partition("/")[0] for name in inner if "/" in name}
        return 200, {"files": [*files, *({"path": n, "is_dir": True} for n in sorted(folders))]}

    def adapter(self) -> MLflow:
        def handle(request: httpx.Request) -> httpx.Response:
            status, body = self.answer(request.url.path, dict(request.url.params))
            if isinstance(body, bytes):
                return httpx.Response(status, content=body)
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
                self.wfile.write(body if isinstance(body, bytes) else json.dumps(body).encode())

            def log_message(self, *_args: object) -> None: ...

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
            server.server_close()
            thread.join()
