"""Airflow, as far as the platform needs it, over its REST API (3.3, ``/api/v2``)."""

import time
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Literal, TypeVar
from urllib.parse import quote

import httpx
from pydantic import BaseModel

from services.engines.airflow.events import all_events
from services.engines.airflow.log import LogWire
from services.engines.airflow.models import (
    Asset,
    AssetEvent,
    AssetEvents,
    Dag,
    DagDetail,
    DagRun,
    Health,
    ImportFault,
    Json,
    Launch,
    LogPage,
    Pool,
    RunPage,
    RunState,
    Task,
    TaskInstance,
)
from services.engines.airflow.run_wire import (
    ClearedWire,
    RunsWire,
    RunWire,
    TaskInstancesWire,
    TaskInstanceWire,
    XComWire,
)
from services.engines.airflow.shared_wire import (
    AssetEventsWire,
    AssetEventWire,
    AssetsWire,
    PoolsWire,
    PoolWire,
)
from services.engines.airflow.wire import (
    DagDetailWire,
    DagsWire,
    DagWire,
    HealthWire,
    ImportErrorsWire,
    TasksWire,
    VersionWire,
)
from services.engines.http import Json as Body
from services.engines.http import ask
from services.engines.parse import parse
from services.errors import EngineRefusedError

M = TypeVar("M", bound=BaseModel)
Params = dict[str, str | int | list[str]]
_API = "/api/v2"
_ALL = "~"
_PAGE = 100
_PAUSES_S = (0.05, 0.15, 0.45, 1.35)
_BUSY = "Database error"
"""Airflow's word when a statement failed; what it had done of the request is rolled back."""
_CONFLICT = 409
_NOT_FOUND = 404


def _path(*segments: str | int) -> str:
    """Return a path; an id may hold what means something in a URL (``:``, ``+``, ``/``)."""
    return "/".join([_API, *(quote(str(segment), safe="~") for segment in segments)])


class Airflow:
    """Workflows and their runs, by a client that carries ``Access``. All raise ``EngineError``."""

    name = "Airflow"

    def __init__(self, client: httpx.Client) -> None:
        self._client = client

    def _get(self, shape: type[M], path: str, **params: str | int | list[str]) -> M:
        content = ask(self._client, self.name, "GET", path, params=params)
        return parse(self.name, shape, content)

    def _send(self, shape: type[M], method: str, path: str, body: Body) -> M:
        """Write; once more when another write was under way: Airflow then took ours back.

        On SQLite one write waits for no other that began in between, it is refused.
        """
        for pause_s in _PAUSES_S:
            try:
                return self._send_once(shape, method, path, body)
            except EngineRefusedError as error:
                if error.code != _BUSY:
                    raise
                time.sleep(pause_s)
        return self._send_once(shape, method, path, body)

    def _send_once(self, shape: type[M], method: str, path: str, body: Body) -> M:
        return parse(self.name, shape, ask(self._client, self.name, method, path, body=body))

    # Airflow itself

    def health(self) -> Health:
        """Return how Airflow's parts are, as the API server knows it."""
        return self._get(HealthWire, _path("monitor", "health")).to_model()

    def version(self) -> str:
        """Return the server's version."""
        return self._get(VersionWire, _path("version")).version

    # Workflows

    def dags(self) -> tuple[Dag, ...]:
        """Return all workflows whose files still make them, paused ones too."""
        found: list[Dag] = []
        while True:
            page = self._get(
                DagsWire, _path("dags"), limit=_PAGE, offset=len(found), order_by="dag_id"
            )
            found += (dag.to_model() for dag in page.dags)
            if not page.dags or len(found) >= page.total_entries:
                return tuple(found)

    def dag(self, dag_id: str) -> DagDetail:
        """Return one workflow with its parameters."""
        return self._get(DagDetailWire, _path("dags", dag_id, "details")).to_detail()

    def tasks(self, dag_id: str) -> tuple[Task, ...]:
        """Return the tasks of a workflow as its file says, with what follows each."""
        return self._get(TasksWire, _path("dags", dag_id, "tasks")).to_models()

    def import_errors(self) -> tuple[ImportFault, ...]:
        """Return the files that cannot be made into workflows."""
        found: list[ImportFault] = []
        while True:
            page = self._get(
                ImportErrorsWire, _path("importErrors"), limit=_PAGE, offset=len(found)
            )
            found += page.to_models()
            if not page.import_errors or len(found) >= page.total_entries:
                return tuple(found)

    def set_paused(self, dag_id: str, *, paused: bool) -> Dag:
        """Pause a workflow, or let it go on; what runs already goes on in any case."""
        body: Body = {"is_paused": paused}
        return self._send(DagWire, "PATCH", _path("dags", dag_id), body).to_model()

    # Runs

    def dag_runs(
        self,
        dag_id: str | None = None,
        *,
        changed_since: datetime | None = None,
        states: Sequence[RunState] = (),
        page: str = "",
        limit: int = _PAGE,
    ) -> RunPage:
        """Return one page of runs, of one workflow or all, those changed longest ago first.

        A run counts as changed when its state, dates or note did; a change of its tasks alone is
        told by ``task_instances``.
        """
        params: Params = {"limit": limit, "order_by": "updated_at", "cursor": page}
        if changed_since is not None:
            params["updated_at_gte"] = changed_since.isoformat()
        if states:
            params["state"] = list(states)
        return self._get(RunsWire, _path("dags", dag_id or _ALL, "dagRuns"), **params).to_model()

    def dag_runs_since(self, changed_since: datetime | None) -> Iterator[DagRun]:
        """Yield every run that changed since a moment, over all workflows and pages."""
        page: str | None = ""
        while page is not None:
            found = self.dag_runs(changed_since=changed_since, page=page)
            yield from found.runs
            page = found.next_page

    def dag_run(self, dag_id: str, run_id: str) -> DagRun:
        """Return one run."""
        return self._get(RunWire, _path("dags", dag_id, "dagRuns", run_id)).to_model()

    def trigger(
        self, dag_id: str, run_id: str, conf: Mapping[str, Json] | None = None, *, note: str = ""
    ) -> Launch:
        """Start a run under an id of ours; one that is there already is returned and left alone.

        Raises:
            EngineRefusedError: There is no such workflow, it is broken, or a parameter is wrong.
        """
        body: Body = {"dag_run_id": run_id, "logical_date": None, "conf": dict(conf or {})}
        if note:
            body["note"] = note
        path = _path("dags", dag_id, "dagRuns")
        try:
            made = self._send(RunWire, "POST", path, body)
        except EngineRefusedError as error:
            if error.status != _CONFLICT:
                raise
            return Launch(self.dag_run(dag_id, run_id), created=False)
        return Launch(made.to_model(), created=True)

    def set_run_state(
        self, dag_id: str, run_id: str, state: Literal["queued", "success", "failed"]
    ) -> DagRun:
        """End a run (its running tasks are stopped), or queue it again."""
        path = _path("dags", dag_id, "dagRuns", run_id)
        return self._send(RunWire, "PATCH", path, {"state": state}).to_model()

    def set_run_note(self, dag_id: str, run_id: str, note: str) -> DagRun:
        """Write a note on a run (at most 1,000 characters)."""
        path = _path("dags", dag_id, "dagRuns", run_id)
        return self._send(RunWire, "PATCH", path, {"note": note}).to_model()

    # Tasks of runs

    def task_instances(
        self,
        dag_id: str | None = None,
        run_id: str | None = None,
        *,
        changed_since: datetime | None = None,
        states: Sequence[str] = (),
    ) -> Iterator[TaskInstance]:
        """Yield the tasks of one run, of all runs of a workflow, or of all."""
        params: Params = {"limit": _PAGE}
        if changed_since is not None:
            params["updated_at_gte"] = changed_since.isoformat()
        if states:
            params["state"] = list(states)
        path = _path("dags", dag_id or _ALL, "dagRuns", run_id or _ALL, "taskInstances")
        page: str | None = ""
        while page is not None:
            found = self._get(TaskInstancesWire, path, **(params | {"cursor": page}))
            yield from found.to_models()
            page = found.next_cursor

    def task_instance(
        self, dag_id: str, run_id: str, task_id: str, map_index: int = -1
    ) -> TaskInstance:
        """Return one task of a run."""
        path = _path("dags", dag_id, "dagRuns", run_id, "taskInstances", task_id, map_index)
        return self._get(TaskInstanceWire, path).to_model()

    def tries(
        self, dag_id: str, run_id: str, task_id: str, map_index: int = -1
    ) -> tuple[TaskInstance, ...]:
        """Return every try of a task, the first first."""
        segments: list[str | int] = ["dags", dag_id, "dagRuns", run_id, "taskInstances", task_id]
        path = _path(*segments, *([map_index] if map_index >= 0 else []), "tries")
        return self._get(TaskInstancesWire, path).to_models()

    def clear(
        self,
        dag_id: str,
        run_id: str,
        tasks: Sequence[str | tuple[str, int]] = (),
        *,
        only_failed: bool = False,
        downstream: bool = False,
        dry_run: bool = False,
    ) -> tuple[tuple[str, int], ...]:
        """Have tasks of a run done again; return (task, map index) of each, -1 for not mapped.

        Without ``tasks`` all of the run's. A run that had ended goes on.
        """
        body: Body = {
            "dag_run_id": run_id,
            "dry_run": dry_run,
            "only_failed": only_failed,
            "include_downstream": downstream,
            "reset_dag_runs": True,
        }
        if tasks:
            body["task_ids"] = [one if isinstance(one, str) else list(one) for one in tasks]
        path = _path("dags", dag_id, "clearTaskInstances")
        return self._send(ClearedWire, "POST", path, body).to_pairs()

    def set_task_state(
        self,
        dag_id: str,
        run_id: str,
        task_id: str,
        state: Literal["success", "failed", "skipped"],
        map_index: int = -1,
    ) -> None:
        """Say how a task ended; one that runs is stopped."""
        segments: list[str | int] = ["dags", dag_id, "dagRuns", run_id, "taskInstances", task_id]
        path = _path(*segments, *([map_index] if map_index >= 0 else []))
        self._send(TaskInstancesWire, "PATCH", path, {"new_state": state})

    def log(
        self,
        dag_id: str,
        run_id: str,
        task_id: str,
        attempt: int,
        *,
        map_index: int = -1,
        page: str | None = None,
    ) -> LogPage:
        """Return a task's log of one try, or what came since the page before.

        A running task's log has a next page as long as it runs: asked again, it tells what is new.
        """
        params: Params = {"map_index": map_index}
        if page:
            params["token"] = page
        segments = ("dags", dag_id, "dagRuns", run_id, "taskInstances", task_id, "logs", attempt)
        return self._get(LogWire, _path(*segments), **params).to_model()

    def xcom(
        self, dag_id: str, run_id: str, task_id: str, key: str = "return_value", map_index: int = -1
    ) -> Json:
        """Return what a task handed on, None when it handed on nothing."""
        segments = ("dags", dag_id, "dagRuns", run_id, "taskInstances", task_id, "xcomEntries", key)
        try:
            return self._get(XComWire, _path(*segments), map_index=map_index).to_json()
        except EngineRefusedError as error:
            if error.status == _NOT_FOUND:
                return None
            raise

    # Pools

    def pools(self) -> tuple[Pool, ...]:
        """Return all pools with what is taken of each."""
        found: list[Pool] = []
        while True:
            page = self._get(PoolsWire, _path("pools"), limit=_PAGE, offset=len(found))
            found += (pool.to_model() for pool in page.pools)
            if not page.pools or len(found) >= page.total_entries:
                return tuple(found)

    def pool(self, name: str) -> Pool:
        """Return one pool."""
        return self._get(PoolWire, _path("pools", name)).to_model()

    def set_pool(
        self, name: str, slots: int, description: str = "", *, counts_deferred: bool = False
    ) -> Pool:
        """Give a pool its slots (0 closes it, -1 is no limit), and make it when there is none.

        Raises:
            EngineRefusedError: Fewer than -1.
        """
        body: Body = {
            "slots": slots,
            "description": description,
            "include_deferred": counts_deferred,
        }
        try:
            changed = self._send(PoolWire, "PATCH", _path("pools", name), body | {"pool": name})
        except EngineRefusedError as error:
            if error.status != _NOT_FOUND:
                raise
            changed = self._send(PoolWire, "POST", _path("pools"), body | {"name": name})
        return changed.to_model()

    # Assets

    def assets(self) -> tuple[Asset, ...]:
        """Return the assets workflows make or wait for."""
        found: list[Asset] = []
        while True:
            page = self._get(AssetsWire, _path("assets"), limit=_PAGE, offset=len(found))
            found += page.to_models()
            if not page.assets or len(found) >= page.total_entries:
                return tuple(found)

    def asset_events(self, since: datetime | None = None) -> AssetEvents:
        """Return when assets were made, since a moment, the first first."""
        params: Params = {"order_by": "timestamp"}
        if since is not None:
            params["timestamp_gte"] = since.isoformat()

        def page(offset: int, limit: int) -> AssetEventsWire:
            asked = params | {"offset": offset, "limit": limit}
            content = ask(
                self._client, self.name, "GET", _path("assets", "events"), params=asked,
                # After the HTTP 500 of this route Airflow drops the connection without a word.
                headers={"Connection": "close"},
            )  # fmt: skip
            return parse(self.name, AssetEventsWire, content)

        return all_events(page)

    def emit(self, asset_id: int, extra: Mapping[str, Json] | None = None) -> AssetEvent:
        """Say that an asset was made outside Airflow: what waits for it starts."""
        body: Body = {"asset_id": asset_id, "extra": dict(extra or {})}
        # Not once more by itself: two events would start everything twice.
        path = _path("assets", "events")
        return self._send_once(AssetEventWire, "POST", path, body).to_model()
