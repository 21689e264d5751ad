"""MLflow's REST store with a buffer: what the server cannot take now is kept and sent later.

Every call of the store passes ``_call_endpoint(api, body)``. Writes that fail because nobody
answers are kept as (name of the api, body); the store answers the caller itself, and a thread sends
what was kept, in order, once the server is back. Sending twice is harmless: metrics, parameters and tags are
idempotent in MLflow, and a run is looked up by a tag of ours before it is created.
"""

import atexit
import json
import os
import socket
import sys
import threading
import time
import urllib.request
import uuid
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from mlflow.entities import LifecycleStage, RunStatus
from mlflow.exceptions import MlflowException, RestException
from mlflow.protos import service_pb2 as api
from mlflow.store.tracking.rest_store import RestStore
from mlflow.utils.proto_json_utils import parse_dict

from mlops_client import heartbeat, sending
from mlops_client.project import spool_folder
from mlops_client.spool import Record, Spool
from mlops_client.tags import run_tags

LOCAL_ID = "mlops.local_id"
OFFLINE_EXPERIMENT = "offline:"
_RETRY_S = 2.0
_EXIT_WAIT_S = 5.0
_BUFFERED = {
    message.__name__: message
    for message in (
        api.CreateRun,
        api.UpdateRun,
        api.LogMetric,
        api.LogParam,
        api.LogBatch,
        api.SetTag,
        api.DeleteTag,
        api.LogModel,
        api.LogInputs,
    )
}


def is_unreachable(error: MlflowException) -> bool:
    """Return whether an error means that nobody answered, rather than that the answer was no."""
    if isinstance(error, RestException):
        return False
    said = str(error)
    gone = "failed with exception" in said
    return gone or any(f"failed with error code {code}" in said for code in (502, 503, 504))


class BufferedStore(RestStore):
    """One a tracking server and process."""

    def __init__(self, get_host_creds: Any) -> None:  # noqa: ANN401 - MLflow's own callable
        super().__init__(get_host_creds)
        self._lock = threading.RLock()
        self._spool: Spool | None = None
        self._runs: dict[str, str] = {}  # buffered run → run of the server
        self._local: dict[str, Any] = {}  # buffered run → its proto
        self.workspace = os.environ.get("MLFLOW_WORKSPACE", "")
        self._sender: threading.Thread | None = None
        atexit.register(self._at_exit)
        sending.send_orphans_in_background(self)

    # The one seam

    def _call_endpoint(self, message: Any, json_body: str, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401
        name = message.__name__
        if message is api.CreateRun:
            json_body = _with_tags(json_body)
        with self._lock:
            if self._spool is not None and name in _BUFFERED:
                return self._keep(name, json_body)
            json_body = self._translated(json_body)
        try:
            answer = super()._call_endpoint(message, json_body, *args, **kwargs)
        except MlflowException as error:
            if not is_unreachable(error):
                raise
            return self._offline(message, json_body, error)
        self._learn(message, json_body, answer)
        return answer

    def call_now(self, message: Any, body: dict[str, Any]) -> Any:  # noqa: ANN401 - a proto
        """Ask the server without the buffer.

        Raises:
            MlflowException: It did not answer, or refused.
        """
        return RestStore._call_endpoint(self, message, json.dumps(body))  # noqa: SLF001 - our base

    def _offline(self, message: Any, json_body: str, error: MlflowException) -> Any:  # noqa: ANN401
        name = message.__name__
        with self._lock:
            if name in _BUFFERED:
                self._go_offline(error)
                return self._keep(name, json_body)
        body = json.loads(json_body)
        if message is api.GetExperimentByName:
            return self._known_experiment(body["experiment_name"], error)
        if message is api.GetRun and body.get("run_id") in self._local:
            return api.GetRun.Response(run=self._local[body["run_id"]])
        raise error

    def _learn(self, message: Any, json_body: str, answer: Any) -> None:  # noqa: ANN401 - protos
        if message is api.CreateRun:
            info = answer.run.info
            note_run(info.run_id, info.experiment_id)
            heartbeat.start(self, info.run_id)
        elif message is api.UpdateRun:
            self._maybe_ended(json.loads(json_body))
        elif message is api.GetExperimentByName:
            _remember_experiment(self.workspace, answer.experiment)

    def _maybe_ended(self, body: dict[str, Any]) -> None:
        if body.get("end_time") and body.get("status") not in {None, "RUNNING", RunStatus.RUNNING}:
            heartbeat.stop(body.get("run_id", ""))

    # Keeping

    def _go_offline(self, error: MlflowException) -> None:
        if self._spool is not None:
            return
        self._spool = Spool.create(spool_folder())
        warn(
            f"the shared MLflow does not answer ({str(error).splitlines()[0][:160]}). Training "
            f"goes on; what it logs is kept in {self._spool.path.parent} and sent when it is back."
        )
        self._sender = threading.Thread(target=self._send_loop, name="mlops-sender", daemon=True)
        self._sender.start()

    def _keep(self, name: str, json_body: str) -> Any:  # noqa: ANN401 - a proto of MLflow's
        assert self._spool is not None  # noqa: S101 - the callers went offline first
        body = json.loads(json_body)
        local_id = ""
        if name == "CreateRun":
            local_id = uuid.uuid4().hex
            body.setdefault("tags", []).append({"key": LOCAL_ID, "value": local_id})
        self._spool.append(self._record(name, body))
        if name == "CreateRun":
            return self._create_local(local_id, body)
        if name == "UpdateRun":
            self._maybe_ended(body)
            return self._update_local(body)
        return _BUFFERED[name].Response()

    def keep(self, name: str, body: dict[str, Any], error: Exception | None = None) -> None:
        """Keep a call of our own (an artifact, a registration), going offline if need be."""
        with self._lock:
            if self._spool is None:
                self._go_offline(MlflowException(str(error)))
            assert self._spool is not None  # noqa: S101 - just made
            self._spool.append(self._record(name, body))

    @property
    def spool(self) -> Spool | None:
        """The file that waits to be sent; None while the server answers."""
        return self._spool

    def _record(self, name: str, body: dict[str, Any]) -> Record:
        uri = self.get_host_creds().host
        return {"api": name, "body": body, "uri": uri, "workspace": self.workspace}

    def _create_local(self, local_id: str, body: dict[str, Any]) -> Any:  # noqa: ANN401 - a proto
        run = api.Run()
        info = run.info
        info.run_id = info.run_uuid = local_id
        info.experiment_id = str(body.get("experiment_id", ""))
        info.run_name = body.get("run_name") or f"offline-{local_id[:6]}"
        info.user_id = body.get("user_id", "")
        info.status = api.RUNNING
        info.start_time = int(body.get("start_time") or time.time() * 1000)
        info.lifecycle_stage = LifecycleStage.ACTIVE
        info.artifact_uri = f"mlops-spool:/{local_id}"
        for tag in body.get("tags", []):
            run.data.tags.add(key=tag["key"], value=tag.get("value", ""))
        self._local[local_id] = run
        note_run(local_id, info.experiment_id)
        return api.CreateRun.Response(run=run)

    def _update_local(self, body: dict[str, Any]) -> Any:  # noqa: ANN401 - a proto
        answer = api.UpdateRun.Response()
        run = self._local.get(body.get("run_id", ""))
        if run is not None:
            answer.run_info.CopyFrom(run.info)
        else:
            answer.run_info.run_id = body.get("run_id", "")
            answer.run_info.lifecycle_stage = LifecycleStage.ACTIVE
        changed = {k: body[k] for k in ("status", "end_time") if body.get(k) is not None}
        parse_dict(changed, answer.run_info)
        return answer

    def _known_experiment(self, name: str, error: MlflowException) -> Any:  # noqa: ANN401 - a proto
        answer = api.GetExperimentByName.Response()
        with self._lock:
            self._go_offline(error)
        known = _remembered_experiment(self.workspace, name)
        parse_dict(known or {"experiment_id": OFFLINE_EXPERIMENT + name}, answer.experiment)
        answer.experiment.name = name
        answer.experiment.lifecycle_stage = LifecycleStage.ACTIVE
        return answer

    def _translated(self, json_body: str) -> str:
        for local, real in self._runs.items():
            json_body = json_body.replace(f'"{local}"', f'"{real}"')
        return json_body

    def real_run(self, run_id: str) -> str:
        """Return the server's id of a run that may have begun in the buffer."""
        return self._runs.get(run_id, run_id)

    # Sending

    def _send_loop(self) -> None:
        while self._spool is not None:
            time.sleep(_RETRY_S)
            self.try_send()

    def try_send(self) -> bool:
        """Send what waits; True when nothing waits any more."""
        if self._spool is None:
            return True
        spool = self._spool
        if not self.answers():
            return False
        try:
            sending.send(self, spool)
            with self._lock:
                # Whoever logs now waits for the lock: what came in meanwhile goes first.
                sending.send(self, spool)
                self._runs.update(spool.progress.runs)
                for local_id, real in spool.progress.runs.items():
                    if local_id in self._local and not _ended(self._local[local_id]):
                        heartbeat.start(self, real)
                self._spool = None
                spool.remove()
        except (MlflowException, OSError) as error:
            if isinstance(error, MlflowException) and is_unreachable(error):
                return False
            warn(f"what was kept in {spool.path} could not be sent: {error}")
            return False
        warn("the shared MLflow is back; everything that was kept has been sent.")
        return True

    def answers(self) -> bool:
        """Return whether the server's health route answers."""
        parts = urlsplit(self.get_host_creds().host)
        url = f"{parts.scheme}://{parts.netloc}/health"
        try:
            with urllib.request.urlopen(url, timeout=2) as answer:  # noqa: S310 - http of the store
                return bool(answer.status == 200)
        except OSError:
            return False

    def _at_exit(self) -> None:
        heartbeat.stop_all()
        end = time.monotonic() + _EXIT_WAIT_S
        while self._spool is not None and time.monotonic() < end:
            if self.try_send():
                return
            time.sleep(0.5)
        if self._spool is not None:
            warn(
                f"the shared MLflow is still away. What was logged waits in {self._spool.path}; "
                "the next run of this project sends it, or `python -m mlops_client flush`."
            )


def _ended(run: Any) -> bool:  # noqa: ANN401 - a proto
    return run.info.status not in {api.RUNNING, api.SCHEDULED}


def _with_tags(json_body: str) -> str:
    """Add our tags to a run that MLflow's context provider did not see (created by a client)."""
    body = json.loads(json_body)
    given = {tag["key"] for tag in body.get("tags", [])}
    more = run_tags() | {"mlops.heartbeat": f"{time.time():.0f}"} if run_tags() else {}
    body["tags"] = body.get("tags", []) + [
        {"key": key, "value": value} for key, value in more.items() if key not in given
    ]
    return json.dumps(body)


def note_run(run_id: str, experiment_id: str) -> None:
    """Tell whoever started this process which run it made."""
    path = os.environ.get("MLOPS_RUN_FILE")
    if not path:
        return
    project = run_tags().get("mlops.project", "")
    line = json.dumps({"run_id": run_id, "project": project, "experiment_id": experiment_id})
    file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    try:
        os.write(file, line.encode() + b"\n")
    finally:
        os.close(file)


def _experiments_file() -> Path:
    return spool_folder() / "experiments.json"


def _remember_experiment(workspace: str, experiment: Any) -> None:  # noqa: ANN401 - a proto
    """Keep an experiment's id: a run that begins while the server is away needs it."""
    if not experiment.experiment_id:
        return
    path = _experiments_file()
    known = _all_experiments()
    key = f"{workspace}/{experiment.name}"
    if known.get(key) == experiment.experiment_id:
        return
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        new = path.with_suffix(f".{os.getpid()}.new")
        new.write_text(json.dumps(known | {key: experiment.experiment_id}), encoding="utf-8")
        new.replace(path)
    except OSError as error:
        warn(f"the experiment's id could not be kept in {path}: {error}")


def _all_experiments() -> dict[str, str]:
    try:
        known = json.loads(_experiments_file().read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return known if isinstance(known, dict) else {}


def _remembered_experiment(workspace: str, name: str) -> dict[str, str] | None:
    known = _all_experiments().get(f"{workspace}/{name}")
    return {"experiment_id": known} if known else None


def warn(sentence: str) -> None:
    """Say something on stderr, where training output does not drown it."""
    print(f"mlops ({socket.gethostname()}): {sentence}", file=sys.stderr, flush=True)  # noqa: T201
