"""A sign of life of each running run, every 15 seconds: a run without one is shown as lost."""

import threading
import time
from typing import TYPE_CHECKING

from mlflow.exceptions import MlflowException
from mlflow.protos import service_pb2 as api

from mlops_client.tags import run_tags

if TYPE_CHECKING:
    from mlops_client.store import BufferedStore

INTERVAL_S = 15.0
_beating: dict[str, threading.Event] = {}


def start(store: "BufferedStore", run_id: str) -> None:
    """Begin to beat for a run, unless it has a heart already or is no project's."""
    if run_id in _beating or not run_tags():
        return
    ended = _beating[run_id] = threading.Event()
    threading.Thread(
        target=_beat, args=(store, run_id, ended), name="mlops-heartbeat", daemon=True
    ).start()


def stop(run_id: str) -> None:
    """Stop beating for a run."""
    ended = _beating.pop(run_id, None)
    if ended is not None:
        ended.set()


def stop_all() -> None:
    """Stop every heart, at the end of the process."""
    for run_id in list(_beating):
        stop(run_id)


def _beat(store: "BufferedStore", run_id: str, ended: threading.Event) -> None:
    while not ended.wait(INTERVAL_S):
        body = {"run_id": run_id, "key": "mlops.heartbeat", "value": f"{time.time():.0f}"}
        try:
            store.call_now(api.SetTag, body)
        except MlflowException:
            # Not kept: an old sign of life is worth nothing, and the next one follows.
            continue
