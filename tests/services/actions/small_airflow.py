"""As much of Airflow's REST API as actions ask, kept in a file, so that killed processes share it.

Answers have the shape of recorded ones (Airflow 3.3.2).
"""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx

from services.engines.airflow.adapter import Airflow

if TYPE_CHECKING:
    from collections.abc import Callable

FIXTURES = Path(__file__).parents[1] / "engines" / "airflow" / "fixtures"


def recorded(name: str) -> Any:
    return json.loads((FIXTURES / f"{name}-3.3.2.json").read_bytes())


class SmallAirflow:
    """Workflows, runs and tasks; ``point`` is called before and after each write."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.point: Callable[[], None] = lambda: None
        self.silent = False
        """It does not answer."""
        self.deaf_after = ""
        """The method whose answer is lost, though it was done."""
        if not path.exists():
            self._save({"dags": {}, "runs": {}, "tasks": {}, "logs": {}, "writes": []})

    def adapter(self) -> Airflow:
        transport = httpx.MockTransport(self._answer)
        return Airflow(httpx.Client(transport=transport, base_url="http://airflow.test"))

    # What a test says

    def add_dag(self, dag_id: str, **fields: Any) -> None:
        made = recorded("dag-details") | {"dag_id": dag_id, "dag_display_name": dag_id} | fields
        self._change("dags", dag_id, made)

    def add_run(self, dag_id: str, run_id: str, state: str = "running") -> None:
        made = recorded("dag-run") | {"dag_id": dag_id, "dag_run_id": run_id, "state": state}
        self._change("runs", f"{dag_id}/{run_id}", made)

    def add_task(
        self, dag_id: str, run_id: str, task_id: str, state: str, tries: int = 1, index: int = -1
    ) -> None:
        made = recorded("task-instances")["task_instances"][0] | {
            "dag_id": dag_id, "dag_run_id": run_id, "task_id": task_id, "state": state,
            "try_number": tries, "map_index": index,
        }  # fmt: skip
        self._change("tasks", f"{dag_id}/{run_id}/{task_id}/{index}", made)

    def add_log(
        self, dag_id: str, run_id: str, task_id: str, *lines: Any, attempt: int = 1, index: int = -1
    ) -> None:
        """Have a task say lines: texts, or whole recorded lines."""
        key = f"{dag_id}/{run_id}/{task_id}/{index}/{attempt}"
        said = [one if isinstance(one, dict) else {"event": one} for one in lines]
        self._change("logs", key, [*self.state["logs"].get(key, []), *said])

    @property
    def state(self) -> dict[str, Any]:
        return dict(json.loads(self._path.read_text()))

    @property
    def writes(self) -> list[str]:
        return list(self.state["writes"])

    def run(self, dag_id: str, run_id: str) -> dict[str, Any]:
        return dict(self.state["runs"][f"{dag_id}/{run_id}"])

    # What it answers

    def _save(self, state: dict[str, Any]) -> None:
        new = self._path.with_suffix(".new")
        new.write_text(json.dumps(state))
        new.replace(self._path)

    def _change(self, table: str, key: str, value: Any, write: str = "") -> Any:
        state = self.state
        state[table][key] = value
        if write:
            self.point()
            state["writes"].append(write)
        self._save(state)
        if write:
            self.point()
        return value

    def _answer(self, request: httpx.Request) -> httpx.Response:
        if self.silent:
            raise httpx.ConnectError("nobody listens", request=request)
        parts = request.url.path.removeprefix("/api/v2/").split("/")
        body = json.loads(request.content) if request.content else {}
        found = self._log(request, parts) or self._found(request.method, parts, body)
        if request.method == self.deaf_after:
            raise httpx.ReadError("the connection was lost", request=request)
        if found is None:
            return httpx.Response(404, json={"detail": "it was not found"})
        status = 409 if found == "there" else 200
        return httpx.Response(status, json={"detail": found} if status == 409 else found)

    def _found(self, method: str, parts: list[str], body: dict[str, Any]) -> Any:
        state = self.state
        match parts:
            case ["dags", dag_id, "details"]:
                return state["dags"].get(dag_id)
            case ["dags", dag_id] if method == "PATCH":
                dag = state["dags"][dag_id] | body
                return self._change("dags", dag_id, dag, f"paused={body['is_paused']}")
            case ["dags", dag_id, "dagRuns"] if method == "POST":
                return self._trigger(dag_id, body)
            case ["dags", dag_id, "dagRuns", run_id]:
                key = f"{dag_id}/{run_id}"
                run = state["runs"].get(key)
                if method == "PATCH" and run:
                    return self._change("runs", key, run | body, f"{run_id} {body['state']}")
                return run
            case ["dags", dag_id, "dagRuns", run_id, "taskInstances"]:
                of_run = f"{dag_id}/{run_id}/"
                found = [t for key, t in state["tasks"].items() if key.startswith(of_run)]
                return {"task_instances": found, "next_cursor": None}
            case ["dags", dag_id, "clearTaskInstances"]:
                return self._clear(dag_id, body)
        return None

    def _log(self, request: httpx.Request, parts: list[str]) -> Any:
        """Return the lines from where the token says; a task that has not ended has a next page."""
        match parts:
            case ["dags", dag_id, "dagRuns", run_id, "taskInstances", task_id, "logs", attempt]:
                state, index = self.state, request.url.params["map_index"]
                lines = state["logs"].get(f"{dag_id}/{run_id}/{task_id}/{index}/{attempt}", [])
                task = state["tasks"][f"{dag_id}/{run_id}/{task_id}/{index}"]
                begin = int(request.url.params.get("token", 0))
                ended = task["state"] in {"success", "failed"} or task["try_number"] > int(attempt)
                token = None if ended else str(len(lines))
                return {"content": lines[begin:], "continuation_token": token}
        return None

    def _trigger(self, dag_id: str, body: dict[str, Any]) -> Any:
        key = f"{dag_id}/{body['dag_run_id']}"
        if key in self.state["runs"]:
            return "there"
        made = recorded("dag-run") | body | {"dag_id": dag_id, "state": "queued"}
        return self._change("runs", key, made, "launched")

    def _clear(self, dag_id: str, body: dict[str, Any]) -> Any:
        cleared = []
        state = self.state
        for one in body["task_ids"]:
            task_id, index = one if isinstance(one, list) else (one, -1)
            key = f"{dag_id}/{body['dag_run_id']}/{task_id}/{index}"
            state["tasks"][key]["state"] = None
            cleared.append(state["tasks"][key])
        self.point()
        state["writes"].append(f"cleared {len(cleared)}")
        self._save(state)
        self.point()
        return {"task_instances": cleared}
