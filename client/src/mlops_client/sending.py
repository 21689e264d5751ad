"""Sending what was kept, in order, each call until the server has it."""

import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlflow.exceptions import MlflowException
from mlflow.protos import service_pb2 as api

from mlops_client.project import spool_folder
from mlops_client.spool import Record, Spool, waiting

if TYPE_CHECKING:
    from mlops_client.store import BufferedStore

_LOCAL_ID = "mlops.local_id"
_OFFLINE_EXPERIMENT = "offline:"


def send(store: "BufferedStore", spool: Spool) -> None:
    """Send everything that waits in a file.

    Raises:
        MlflowException: The server went away again, or refuses a call; what was sent is remembered.
    """
    for record, offset in spool.pending():
        _send_one(store, spool, record)
        spool.sent(offset)


def _send_one(store: "BufferedStore", spool: Spool, record: Record) -> None:
    name, body = record["api"], _with_real_runs(record["body"], spool.progress.runs)
    if name == "CreateRun":
        _create_run(store, spool, body)
    elif name == "Artifact":
        from mlops_client.artifacts import upload

        upload(store, body["run_id"], Path(body["file"]), body["artifact_path"])
    elif name == "Register":
        from mlops_client.registering import register_now

        register_now(store, body)
    else:
        store.call_now(getattr(api, name), body)


def _create_run(store: "BufferedStore", spool: Spool, body: dict[str, Any]) -> None:
    local_id = next(tag["value"] for tag in body["tags"] if tag["key"] == _LOCAL_ID)
    experiment = _experiment(store, body["experiment_id"])
    # The answer to an earlier try may have been lost: the run may be there already.
    query = {"experiment_ids": [experiment], "filter": f"tags.`{_LOCAL_ID}` = '{local_id}'"}
    found = store.call_now(api.SearchRuns, query)
    if found.runs:
        run_id = found.runs[0].info.run_id
    else:
        run_id = store.call_now(api.CreateRun, body | {"experiment_id": experiment}).run.info.run_id
    spool.progress.runs[local_id] = run_id


def _experiment(store: "BufferedStore", experiment_id: str) -> str:
    """Return a real experiment for one that was only known by name while offline."""
    if not experiment_id.startswith(_OFFLINE_EXPERIMENT):
        return experiment_id
    name = experiment_id.removeprefix(_OFFLINE_EXPERIMENT)
    try:
        found = store.call_now(api.GetExperimentByName, {"experiment_name": name})
        return str(found.experiment.experiment_id)
    except MlflowException as error:
        if error.error_code != "RESOURCE_DOES_NOT_EXIST":
            raise
    return str(store.call_now(api.CreateExperiment, {"name": name}).experiment_id)


def _with_real_runs(body: dict[str, Any], runs: dict[str, str]) -> dict[str, Any]:
    changed = dict(body)
    for key in ("run_id", "run_uuid"):
        if key in changed:
            changed[key] = runs.get(changed[key], changed[key])
    return changed


def _is_ours(store: "BufferedStore", spool: Spool) -> bool:
    """Return whether a file's calls belong in this process's workspace."""
    first = next(spool.pending(), None)
    return first is None or first[0]["workspace"] == store.workspace


def send_orphans(store: "BufferedStore", folder: Path | None = None) -> tuple[int, int]:
    """Send the files of processes that are gone; return (sent, still waiting)."""
    sent = left = 0
    for path in waiting(folder or spool_folder()):
        spool = Spool.adopt(path)
        if spool is None:
            left += 1
        elif _is_ours(store, spool):
            _send_and_remove(store, spool)
            sent += 1
        else:
            spool.close()
            left += 1
    return sent, left


def _send_and_remove(store: "BufferedStore", spool: Spool) -> None:
    try:
        send(store, spool)
    except BaseException:
        spool.close()  # another process may try
        raise
    spool.remove()


def send_orphans_in_background(store: "BufferedStore") -> None:
    """Send what earlier processes of this project left, without holding this one up."""
    if not waiting(spool_folder()):
        return

    def work() -> None:
        from mlops_client.store import warn

        if not store.answers():
            return
        try:
            sent, _ = send_orphans(store)
        except (MlflowException, OSError) as error:
            warn(f"what earlier runs left could not be sent yet: {error}")
            return
        if sent:
            warn(f"sent what {sent} earlier run{'s' if sent > 1 else ''} could not.")

    threading.Thread(target=work, name="mlops-orphans", daemon=True).start()
