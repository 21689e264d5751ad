"""Sending what was kept, in order, each call until the server has it.

Again is harmless: MLflow stores a metric of the same key, step, time and value once, parameters and
tags are set to what they are, and before a run or a version is created it is looked up by a tag of
ours. So a crash between the server's answer and our note of it costs one call sent twice.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from mlflow.exceptions import MlflowException
from mlflow.protos import service_pb2 as api

from mlops_client import registering, wire
from mlops_client.local import LOCAL_ID, local_run_id, translated
from mlops_client.run_file import note_run
from mlops_client.spool import Record, Spool, waiting
from mlops_client.wire import Body, UnansweredError

if TYPE_CHECKING:
    from collections.abc import Callable

    from mlflow.utils.rest_utils import MlflowHostCreds

_METRICS_A_BATCH = 1000
# A server that is well and says "internal error" so many times: it is the call.
_INTERNAL_ERROR = 500
_TRIES = 8
_PROBE = "mlops.delivery"


class UnresolvedError(UnansweredError):
    """A call is for a run that another process keeps and has not sent yet."""


class Sender:
    """Sends one file."""

    def __init__(self, credentials: "Callable[[], MlflowHostCreds]", spool: Spool) -> None:
        self._credentials = credentials
        self.spool = spool
        self._experiments: dict[tuple[str, str], str] = {}
        self.refused = 0

    def send(self, stop: "Callable[[], bool]") -> bool:
        """Send everything that waits now; False when ``stop`` says so before the end.

        Raises:
            UnansweredError: The server went away again; what was sent is remembered.
        """
        for records, offset in _batches(self.spool.pending()):
            if stop():
                return False
            self._send_batch(records)
            self.spool.sent(offset)
        return True

    def _send_batch(self, records: list[Record]) -> None:
        try:
            self._send_one(_merged(records))
        except UnansweredError as error:
            self._give_up_on(error, records)
        except MlflowException as error:
            self._refuse(records, str(error))

    def _give_up_on(self, error: UnansweredError, records: list[Record]) -> None:
        if not is_about_one_call(error) or self.spool.failed() < _TRIES:
            raise error
        if error.status == _INTERNAL_ERROR and not self._can_write(records[0]):
            raise error  # it chokes on everything: a full disk, a locked database
        self._refuse(records, str(error))

    def _can_write(self, record: Record) -> bool:
        """Return whether the server takes another, harmless write to the same run."""
        if record["api"] == "CreateRun":
            return False
        try:
            body = {"run_id": record["body"]["run_id"], "key": _PROBE, "value": "sent late"}
            self._send_one({**record, "api": "SetTag", "body": body})
        except MlflowException:
            return False
        return True

    def _refuse(self, records: list[Record], reason: str) -> None:
        if len(records) == 1:
            self.spool.set_aside(records[0], reason)
            self.refused += 1
            return
        for record in records:  # one of them is at fault: the others go
            try:
                self._send_one(record)
            except UnansweredError as error:
                # A batch given up on because of this one; else the server is away.
                if not is_about_one_call(error):
                    raise
                self._refuse([record], str(error))
            except MlflowException as error:
                self._refuse([record], str(error))

    def _send_one(self, record: Record) -> None:
        name, workspace = record["api"], record.get("workspace")
        body: Body = record["body"]
        if name == "CreateRun":
            body = {**body, "experiment_id": self._experiment(record, workspace)}
        body = json.loads(translated(json.dumps(body), self.real_run))
        if name == "CreateRun":
            self._create_run(body, record, workspace)
        elif name == "Artifact":
            self._upload(body, workspace)
        elif name == "Register":
            registering.register_now(self._credentials(), body, workspace)
        elif name == "VersionTags":
            registering.tag_versions(self._credentials(), body, workspace)
        else:
            wire.ask(self._credentials(), getattr(api, name), body, workspace)

    def _create_run(self, body: Body, record: Record, workspace: str | None) -> None:
        key = next(tag["value"] for tag in body["tags"] if tag["key"] == LOCAL_ID)
        # The answer to an earlier try may have been lost: the run may be there already.
        query = {
            "experiment_ids": [body["experiment_id"]],
            "filter": f"tags.`{LOCAL_ID}` = '{key}'",
        }
        found = wire.ask(self._credentials(), api.SearchRuns, query, workspace).runs
        if found:
            info = found[0].info
        else:
            info = wire.ask(self._credentials(), api.CreateRun, body, workspace).run.info
        self._learn(local_run_id(key), info.run_id)
        note_run(record.get("run_file"), info.run_id, info.experiment_id, record.get("project", ""))

    def _learn(self, local_id: str, run_id: str) -> None:
        """Note what a run became, for this file and for other processes that log to it."""
        self.spool.progress.runs[local_id] = run_id
        runs = self.spool.path.parent / "runs"
        runs.mkdir(exist_ok=True, mode=0o700)
        new = runs / f"{local_id}.new"
        new.write_text(run_id, encoding="utf-8")
        new.replace(runs / local_id)

    def real_run(self, local_id: str) -> str:
        """Return the server's id of a run that began in a buffer."""
        known = self.spool.progress.runs.get(local_id) or learned(self.spool.path.parent, local_id)
        if known:
            return known
        raise UnresolvedError(f"{local_id} waits in another process's buffer")

    def _experiment(self, record: Record, workspace: str | None) -> str:
        """Return a run's experiment: by name, which outlives a server that was set up anew."""
        name = record.get("experiment")
        if not name:
            return str(record["body"]["experiment_id"])
        known = self._experiments.get((workspace or "", name))
        if known is None:
            known = ensure_experiment(self._credentials(), name, workspace)
            self._experiments[workspace or "", name] = known
        return known

    def _upload(self, body: Body, workspace: str | None) -> None:
        run_id = body["run_id"]
        run = wire.ask(self._credentials(), api.GetRun, {"run_id": run_id}, workspace).run
        wire.put_file(
            self._credentials(),
            run.info.artifact_uri,
            Path(body["file"]),
            body["artifact_path"],
            workspace,
        )


def is_about_one_call(error: UnansweredError) -> bool:
    """Return whether other calls may get through: it is not the server that is away."""
    return isinstance(error, UnresolvedError) or error.status == _INTERNAL_ERROR


def learned(folder: Path, local_id: str) -> str | None:
    """Return what a run that any process kept in ``folder`` became on the server."""
    try:
        return (folder / "runs" / local_id).read_text(encoding="utf-8") or None
    except OSError:
        return None


def ensure_experiment(credentials: "MlflowHostCreds", name: str, workspace: str | None) -> str:
    """Return the id of an experiment by name; make it when it is not there."""
    try:
        found = wire.ask(credentials, api.GetExperimentByName, {"experiment_name": name}, workspace)
        return str(found.experiment.experiment_id)
    except MlflowException as error:
        if error.error_code != "RESOURCE_DOES_NOT_EXIST":
            raise
    made = wire.ask(credentials, api.CreateExperiment, {"name": name}, workspace)
    return str(made.experiment_id)


def _batches(pending: Iterator[tuple[Record, int]]) -> Iterator[tuple[list[Record], int]]:
    """Group neighbours that are metrics of one run: one request of 1,000 instead of 1,000."""
    group: list[Record] = []
    size, end = 0, 0
    for record, offset in pending:
        count = len(_metrics(record))
        fits = group and count and size + count <= _METRICS_A_BATCH
        if group and not (fits and _metrics(group[-1]) and _same_place(group[-1], record)):
            yield group, end
            group, size = [], 0
        group.append(record)
        size, end = size + count, offset
    if group:
        yield group, end


def _metrics(record: Record) -> list[Body]:
    """Return the metrics of a record that holds metrics and nothing else."""
    body = record["body"]
    if record["api"] == "LogMetric":
        return [{k: v for k, v in body.items() if k not in {"run_id", "run_uuid"}}]
    if record["api"] == "LogBatch" and not body.get("params") and not body.get("tags"):
        return list(body.get("metrics", []))
    return []


def _same_place(one: Record, other: Record) -> bool:
    return (one["body"].get("run_id"), one.get("workspace")) == (
        other["body"].get("run_id"),
        other.get("workspace"),
    )


def _merged(records: list[Record]) -> Record:
    if len(records) == 1:
        return records[0]
    metrics = [metric for record in records for metric in _metrics(record)]
    body = {"run_id": records[0]["body"]["run_id"], "metrics": metrics}
    return {**records[0], "api": "LogBatch", "body": body}


def orphans(folder: Path, is_ours: "Callable[[Record], bool]") -> Iterator[Spool]:
    """Yield the files that processes of this project left, each taken over."""
    for path in waiting(folder):
        spool = Spool.adopt(path)
        if spool is None:
            continue
        if is_ours(spool.begin()):
            yield spool
        else:
            spool.close()
