"""Airflow's workers on other machines, over the API of its provider edge3 (5.1)."""

from typing import TypeVar
from urllib.parse import quote

import httpx
from pydantic import BaseModel

from services.engines.airflow.edge_wire import EdgeJobsWire, EdgeWorkersWire
from services.engines.airflow.models import EdgeJob, EdgeWorker
from services.engines.http import Json, ask
from services.engines.parse import parse

M = TypeVar("M", bound=BaseModel)
_UI = "/edge_worker/ui"


class Edge:
    """Workers and what they were given, by a client that carries ``Access``.

    All raise ``EngineError``; where workers are off (``airflow_workers``) there is nothing to ask.
    """

    name = "Airflow"

    def __init__(self, client: httpx.Client) -> None:
        self._client = client

    def workers(self) -> tuple[EdgeWorker, ...]:
        """Return all workers by name, those that left too."""
        return self._get(EdgeWorkersWire, f"{_UI}/worker").to_models()

    def jobs(self) -> tuple[EdgeJob, ...]:
        """Return the tries that were given to workers, the first first."""
        return self._get(EdgeJobsWire, f"{_UI}/jobs").to_models()

    def drain(self, worker: str, why: str) -> None:
        """Have a worker take no more tasks; those it runs go on.

        Raises:
            EngineRefusedError: There is no such worker, or no reason was given.
        """
        self._send("POST", worker, "/maintenance", {"maintenance_comment": why})

    def resume(self, worker: str) -> None:
        """Have a drained worker take tasks again."""
        self._send("DELETE", worker, "/maintenance")

    def shut_down(self, worker: str) -> None:
        """Have a worker end once its tasks have."""
        self._send("POST", worker, "/shutdown")

    def remove(self, worker: str) -> None:
        """Forget a worker that is gone.

        Raises:
            EngineRefusedError: It still works.
        """
        self._send("DELETE", worker)

    def _get(self, shape: type[M], path: str) -> M:
        return parse(self.name, shape, ask(self._client, self.name, "GET", path))

    def _send(self, method: str, worker: str, what: str = "", body: Json | None = None) -> None:
        path = f"{_UI}/worker/{quote(worker, safe='')}{what}"
        ask(self._client, self.name, method, path, body=body)
