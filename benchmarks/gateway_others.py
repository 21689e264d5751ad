"""What the gateway is measured beside: the same function behind other servers."""

import contextlib
import json
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
BODY = json.dumps({"columns": {"x": [[1.0, 2.0, 3.0, 4.0]]}}).encode()
RAY = """
import sys, time
import ray
from fastapi import FastAPI, Request
from ray import serve

app = FastAPI()

@serve.deployment(num_replicas=1, max_ongoing_requests=256)
class Model:
    async def __call__(self, rows):
        return [2.0 * sum(row) for row in rows]

@serve.deployment(num_replicas=1, max_ongoing_requests=256)
@serve.ingress(app)
class Ingress:
    def __init__(self, model):
        self.model = model

    @app.post("/predict")
    async def predict(self, request: Request):
        said = await request.json()
        return {"columns": {"y": await self.model.remote(said["columns"]["x"])}}

ray.init(include_dashboard=False, num_cpus=4, _temp_dir=sys.argv[2])
serve.start(http_options={"host": "127.0.0.1", "port": int(sys.argv[1])})
serve.run(Ingress.bind(Model.bind()), route_prefix="/")
print("ready", flush=True)
while True:
    time.sleep(60)
"""
MLFLOW = """
import sys
import mlflow.pyfunc

class Model(mlflow.pyfunc.PythonModel):
    def predict(self, context, model_input, params=None):
        return [2.0 * sum(row) for row in model_input.values.tolist()]

mlflow.pyfunc.save_model(sys.argv[1], python_model=Model())
"""
BENTO = """
import bentoml

@bentoml.service(traffic={"timeout": 30})
class Model:
    @bentoml.api
    def predict(self, columns: dict) -> dict:
        return {"columns": {"y": [2.0 * sum(row) for row in columns["x"]]}}
"""
PROXY = """
import hashlib, hmac, sys
import httpx, uvicorn
from starlette.applications import Starlette
from starlette.responses import Response
from starlette.routing import Route

DIGEST = hashlib.sha256(b"secret").hexdigest()
client = httpx.AsyncClient(base_url=f"http://127.0.0.1:{sys.argv[2]}", trust_env=False, timeout=30)

async def forward(request):
    key = request.headers.get("x-api-key", "").encode()
    if not hmac.compare_digest(hashlib.sha256(key).hexdigest(), DIGEST):
        return Response(status_code=401)
    answer = await client.post(request.url.path, content=await request.body(),
                               headers={"content-type": "application/json"})
    return Response(answer.content, answer.status_code, media_type="application/json")

app = Starlette(routes=[Route("/{path:path}", forward, methods=["POST"])])
uvicorn.run(app, port=int(sys.argv[1]), log_level="error", access_log=False)
"""
Way = tuple[int, str, dict[str, str], bytes]
"""Port, path, headers and body of a request."""


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def ready(port: int, timeout_s: float = 240) -> None:
    end = time.monotonic() + timeout_s
    while time.monotonic() < end:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        time.sleep(0.2)
    raise SystemExit(f"nothing listens at {port}")


@contextlib.contextmanager
def process(*words: str, port: int, env: dict[str, str] | None = None) -> Iterator[None]:
    quiet = subprocess.DEVNULL
    with subprocess.Popen(
        words, cwd=ROOT, env=os.environ | (env or {}), stdout=quiet, stderr=quiet,
        start_new_session=True,
    ) as started:  # fmt: skip
        try:
            ready(port)
            yield
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(started.pid, 15)
            try:
                started.wait(20)
            except subprocess.TimeoutExpired:
                os.killpg(started.pid, 9)


@contextlib.contextmanager
def ray(folder: Path) -> Iterator[Way]:
    port = free_port()
    script = folder / "ray_ingress.py"
    script.write_text(RAY)
    temp = tempfile.mkdtemp(prefix="r", dir="/tmp")
    with process(sys.executable, "-P", str(script), str(port), temp, port=port):
        time.sleep(10)
        yield port, "/predict", {}, BODY


@contextlib.contextmanager
def proxied(folder: Path, inner: int) -> Iterator[int]:
    port = free_port()
    script = folder / "proxy.py"
    script.write_text(PROXY)
    with process(sys.executable, "-P", str(script), str(port), str(inner), port=port):
        yield port


@contextlib.contextmanager
def mlflow(folder: Path) -> Iterator[Way]:
    inner = free_port()
    model = folder / "model"
    subprocess.run([sys.executable, "-c", MLFLOW, str(model)], check=True, capture_output=True)
    words = [sys.executable, "-m", "mlflow", "models", "serve", "-m", str(model), "-p", str(inner),
             "--env-manager", "local"]  # fmt: skip
    table = {"columns": ["a", "b", "c", "d"], "data": [[1.0, 2.0, 3.0, 4.0]]}
    body = json.dumps({"dataframe_split": table}).encode()
    # It starts uvicorn by its name.
    env = {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    with process(*words, port=inner, env=env), proxied(folder, inner) as port:
        yield port, "/invocations", {"X-API-Key": "secret"}, body


@contextlib.contextmanager
def bentoml(folder: Path) -> Iterator[Way]:
    inner = free_port()
    (folder / "service.py").write_text(BENTO)
    words = [sys.executable, "-m", "bentoml", "serve", "service:Model", "--port", str(inner),
             "--working-dir", str(folder)]  # fmt: skip
    env = {"BENTOML_HOME": str(folder / "bentos"), "BENTOML_DO_NOT_TRACK": "true"}
    with process(*words, port=inner, env=env), proxied(folder, inner) as port:
        yield port, "/predict", {"X-API-Key": "secret"}, BODY
