"""MLflow's REST store with a buffer: what the server cannot take now is kept and sent later.

Every call of the store passes ``_call_endpoint(api, body)``. A write that nobody answers is kept as
(name of the api, body) and the store answers the caller itself. From then on all writes are kept,
so that their order holds, until a thread has sent everything and the store is online again.
"""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from mlflow.entities import RunStatus
from mlflow.exceptions import MlflowException
from mlflow.protos import service_pb2 as api
from mlflow.store.tracking.rest_store import RestStore
from mlflow.utils.rest_utils import MlflowHostCreds
from mlflow.utils.workspace_context import get_request_workspace

from mlops_client import local, presence, registering, wire
from mlops_client.buffer import Buffer
from mlops_client.heartbeat import TAG, Heart, now
from mlops_client.lifetime import Runs, end_with_child
from mlops_client.local import Known
from mlops_client.presence import Presence
from mlops_client.project import configured_uri, current
from mlops_client.run_file import VARIABLE, note_run
from mlops_client.sending import ensure_experiment, learned
from mlops_client.spool import Record
from mlops_client.tags import new_run_tags, run_tags
from mlops_client.wire import Body, Proto, UnansweredError

_KEPT = (
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
_ANSWERED_HERE = (api.GetRun, api.GetExperiment, api.GetExperimentByName)
_ANSWERED_ODDLY = "TEMPORARILY_UNAVAILABLE"
_ENDED = frozenset({"FINISHED", "FAILED", "KILLED"})


class BufferedStore(RestStore):
    """One a tracking server and process."""

    def __init__(self, get_host_creds: Callable[[], MlflowHostCreds]) -> None:
        super().__init__(get_host_creds)
        self.known = Known()
        self.buffer = Buffer(self.get_host_creds, self._whose(), self._on_sent)
        self._live()
        self._experiments: dict[str, str] = {}  # ids made here → the server's
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(after_in_child=self._after_fork)

    def _after_fork(self) -> None:
        """Forget what belongs to the parent: its file, its threads, its heart."""
        self.buffer.after_fork()
        self._live()

    def _live(self) -> None:
        self._runs = Runs(current(), Presence(self._known_id))
        self._heart = Heart(self._beat, presence=self._runs.presence)
        self._ends_with_child = False

    def _whose(self) -> Record:
        project = current()
        uri = str(self.get_host_creds().host).rstrip("/")
        return {
            "project": project.id if project else "",
            "uri": uri,
            "configured": uri == configured_uri(),
        }

    @property
    def is_offline(self) -> bool:
        """Whether writes are kept now."""
        return self.buffer.is_open

    # The seam

    def _call_endpoint(
        self,
        message: Proto,
        json_body: str | None = None,
        *args: Any,  # noqa: ANN401 - passed on
        **kwargs: Any,  # noqa: ANN401 - passed on
    ) -> Proto:
        if json_body and message in _KEPT:
            return self._write(message, json_body)
        if json_body and message in _ANSWERED_HERE:
            return self._read(message, json_body)
        if json_body and local.mentions_local(json_body):
            json_body = local.translated(json_body, self._real_id)
        return super()._call_endpoint(message, json_body, *args, **kwargs)

    def _write(self, message: Proto, text: str) -> Proto:
        presence.look_at_mlx()
        name, body = message.__name__, json.loads(text)
        if message is api.CreateRun:
            body["tags"] = _dressed(body.get("tags", []))
        if self.buffer.is_open and self.buffer.keep(self._record(name, body)):
            return self._answer_kept(message, body)
        try:
            answer = self._ask(message, self._real(body, text))
        except UnansweredError as error:
            self.buffer.open_and_keep(self._record(name, body), str(error))
            return self._answer_kept(message, body)
        self._learn(message, body, answer)
        return answer

    def _read(self, message: Proto, text: str) -> Proto:
        body = json.loads(text)
        if self.buffer.is_open:
            answer = self._answer_here(message, body)
            if answer is not None:
                return answer
        try:
            answer = self._ask(message, self._real(body, text))
        except UnansweredError as error:
            found = self._answer_here(message, body, error)
            if found is None:
                raise
            return found
        self._learn(message, body, answer)
        return answer

    def _ask(self, message: Proto, body: Body) -> Proto:
        try:
            self._validate_workspace_support_if_specified()
        except MlflowException as error:
            if not wire.is_unanswered(error):
                raise
            if error.error_code != _ANSWERED_ODDLY:
                raise UnansweredError(str(error)) from error
            # Somebody answered, and not as MLflow does: what the call itself is told says why.
        return wire.ask(self.get_host_creds(), message, body)

    # Ids made here

    def _real(self, body: Body, text: str) -> Body:
        if not local.mentions_local(text):
            return body
        real: Body = json.loads(local.translated(json.dumps(body), self._real_id))
        return real

    def _real_id(self, local_id: str) -> str:
        """Return the server's id for one made here.

        Raises:
            UnansweredError: It has none yet.
        """
        if local_id in self._experiments:
            return self._experiments[local_id]
        name = self.known.experiment_name(local_id)
        if name is not None:
            found = ensure_experiment(self.get_host_creds(), name, get_request_workspace())
            return self._experiments.setdefault(local_id, found)
        run_id = learned(self.buffer.folder, local_id)
        if run_id is None:
            raise UnansweredError(f"run {local_id} waits to be sent")
        return run_id

    def _known_id(self, run_id: str) -> str:
        """Return the server's id of a run, the one made here while there is none; ask nobody."""
        if not local.mentions_local(run_id):
            return run_id
        return learned(self.buffer.folder, run_id) or run_id

    # Answers of our own

    def _answer_here(
        self,
        message: Proto,
        body: Body,
        error: UnansweredError | None = None,
    ) -> Proto | None:
        if message is api.GetRun:
            run = self.known.run(body.get("run_id", ""))
            return api.GetRun.Response(run=run) if run is not None else None
        workspace = get_request_workspace() or ""
        if message is api.GetExperiment:
            name = self.known.experiment_name(body.get("experiment_id", ""))
        else:
            name = body["experiment_name"]
        if name is None:
            return None
        self.buffer.open(str(error) if error else "")
        return message.Response(experiment=self.known.experiment(workspace, name))

    def _answer_kept(self, message: Proto, body: Body) -> Proto:
        if message is api.CreateRun:
            run_id = local.local_run_id(_key_of(body))
            run = self.known.begin_run(run_id, body)
            self._begin(run_id, body)
            return api.CreateRun.Response(run=run)
        self.known.note(message.__name__, body)
        if message is not api.UpdateRun:
            return message.Response()
        self._note_state(body)
        run = self.known.run(body.get("run_id", ""))
        answer = api.UpdateRun.Response()
        if run is not None:
            answer.run_info.CopyFrom(run.info)
        else:
            answer.run_info.run_id = body.get("run_id", "")
        return answer

    def _learn(self, message: Proto, body: Body, answer: Proto) -> None:
        if message is api.CreateRun:
            info = answer.run.info
            self.known.remember_run(answer.run)
            note_run(
                os.environ.get(VARIABLE),
                info.run_id,
                info.experiment_id,
                run_tags().get("mlops.project", ""),
            )
            self._begin(info.run_id, body)
            self._heart.start(info.run_id)
        elif message is api.UpdateRun:
            self._note_state(body)
        elif message is api.GetRun:
            self.known.remember_run(answer.run)
        elif message in _ANSWERED_HERE:
            found = answer.experiment
            self.known.remember_experiment(found.experiment_id, found.name)

    # Signs of life

    def _note_state(self, body: Body) -> None:
        run_id, status = body.get("run_id", ""), body.get("status")
        if isinstance(status, int):
            status = RunStatus.to_string(status)
        if status in _ENDED:
            self._runs.ended(run_id)
            self._heart.stop(run_id)
        elif status == "RUNNING":
            self._begin(run_id)
            self._heart.start(run_id)

    def _begin(self, run_id: str, made: Body | None = None) -> None:
        if not self._ends_with_child:
            self._ends_with_child = True
            end_with_child(self.at_exit)
        if made is None:
            self._runs.continued(run_id)
        else:
            self._runs.made(run_id, made)

    def _beat(self, run_id: str, value: str) -> None:
        if self.buffer.is_open:
            return  # not kept: an old sign of life is worth nothing, and the next one follows
        try:
            body = {"run_id": run_id, "key": TAG, "value": value}
            wire.ask(self.get_host_creds(), api.SetTag, self._real(body, run_id))
        except MlflowException:
            return

    def _on_sent(self, runs: dict[str, str]) -> None:
        """Begin to beat for the runs that began in the buffer and still live."""
        for local_id in runs:
            run = self.known.run(local_id)
            if run is not None and run.info.status == api.RUNNING:
                self._heart.start(local_id)

    # Records

    def _record(self, name: str, body: Body) -> Record:
        record: Record = {"api": name, "body": body, "workspace": get_request_workspace()}
        if name == "CreateRun":
            record["experiment"] = self.known.experiment_name(str(body.get("experiment_id", "")))
            record["project"] = run_tags().get("mlops.project", "")
            record["run_file"] = os.environ.get(VARIABLE)
        return record

    def put_file(self, run_id: str, uri: str | None, file: Path, artifact_path: str | None) -> None:
        """Upload a file to a run's artifacts, or keep a copy of it."""
        reason = ""
        if not self.buffer.is_open:
            try:
                if uri is None:
                    uri = str(self.get_run(run_id).info.artifact_uri)
                if not uri.startswith(local.SCHEME):
                    wire.put_file(self.get_host_creds(), uri, file, artifact_path)
                    return
            except UnansweredError as error:
                reason = str(error)
        body = {"run_id": run_id, "file": str(file), "artifact_path": artifact_path}
        self.buffer.keep_file(self._record("Artifact", body), reason)

    def register(self, wanted: Body) -> int | None:
        """Register a model version; None when the server is away and it is kept for later."""
        record = self._record("Register", wanted)
        if self.buffer.is_open and self.buffer.keep(record):
            return None
        try:
            return registering.register_now(
                self.get_host_creds(), self._real(wanted, wanted["run_id"])
            )
        except UnansweredError as error:
            self.buffer.open_and_keep(record, str(error))
            return None

    def tag_versions(self, wanted: Body) -> None:
        """Tag the versions registered from runs, now or when the server is back."""
        record = self._record("VersionTags", wanted)
        if self.buffer.is_open and self.buffer.keep(record):
            return
        try:
            real = self._real(wanted, json.dumps(wanted))
            registering.tag_versions(self.get_host_creds(), real)
        except UnansweredError as error:
            self.buffer.open_and_keep(record, str(error))

    def at_exit(self) -> None:
        """Stop the signs of life, record what the runs left and send what can be sent."""
        self._heart.stop_all()
        try:
            self._runs.at_exit(self)
        finally:
            self.buffer.at_exit()


def _dressed(tags: list[Body]) -> list[Body]:
    """Add our tags to a run, also to one that MLflow's context providers did not see."""
    given = {tag["key"] for tag in tags}
    more = new_run_tags() | {TAG: now(), local.LOCAL_ID: local.new_key()}
    return tags + [{"key": k, "value": v} for k, v in more.items() if k not in given]


def _key_of(body: Body) -> str:
    return str(next(tag["value"] for tag in body["tags"] if tag["key"] == local.LOCAL_ID))
