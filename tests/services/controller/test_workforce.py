"""What the controller makes of the workers: routes, machines, and what it knows after a restart."""

import json
from pathlib import Path
from typing import Any

import httpx
import pytest

from services.controller.workforce import Workforce
from services.engines.airflow.edge import Edge
from services.errors import EngineUnreachableError
from services.projects import discovery
from services.resources.models import GIB, Needs
from services.workflows.routes import EXECUTOR
from tests.services.projects.test_projects import GOOD, make
from tests.services.resources.machines import mac

HUB: dict[str, Any] = {
    "worker_name": "hub", "state": "idle", "jobs_active": 0, "queues": ["mlops@hub"],
    "sysinfo": {"concurrency": 32}, "last_heartbeat": "2026-11-28T12:00:00Z",
}  # fmt: skip
STUDIO = HUB | {
    "worker_name": "studio",
    "queues": ["mlops@studio"],
    "sysinfo": {
        "mlops_projects": '["demo-project"]', "mlops_memory_bytes": 64 * GIB, "mlops_gpu_cores": 40,
    },
}  # fmt: skip


def needs(_project: str) -> Needs:
    return Needs(GIB)


class Engine:
    """Airflow's side."""

    def __init__(self, *workers: dict[str, Any]) -> None:
        self.workers = list(workers)
        self.away = False

    def __call__(self, request: httpx.Request) -> httpx.Response:
        if self.away:
            raise httpx.ConnectError("refused", request=request)
        if request.url.path.endswith("/jobs"):
            return httpx.Response(200, json={"jobs": [], "total_entries": 0})
        return httpx.Response(200, json={"workers": self.workers, "total_entries": 9})

    def edge(self) -> Edge:
        return Edge(httpx.Client(transport=httpx.MockTransport(self), base_url="http://airflow"))


def demo(tmp_path: Path, more: str = "") -> tuple[Any, ...]:
    make(tmp_path / "root", "a", GOOD + more)
    return discovery.found(tmp_path / "root", ())


def test_without_workers_everything_stays_here(tmp_path: Path):
    force = Workforce(None, "hub", tmp_path / "workers.json")
    force.turn()
    assert force.seen == ()
    assert force.routes(demo(tmp_path), needs) == {
        "demo-project": {"pool": "mlops_gpu@hub", "pool_slots": 1}
    }
    assert force.hosts([mac("hub")]) == (mac("hub"),)
    assert force.machines_of("demo-project") == {"hub"}


def test_a_project_goes_to_machines_that_have_it_and_fit(tmp_path: Path):
    engine = Engine(HUB, STUDIO)
    force = Workforce(engine.edge(), "hub", tmp_path / "workers.json")
    projects = demo(tmp_path, "\n[tool.mlops.needs]\ngpu_cores = 16\n")
    # Before the first look: this machine, which does not fit.
    assert force.routes(projects, needs)["demo-project"]["queue"] == "mlops.nowhere"
    force.turn()
    assert force.routes(projects, needs) == {
        "demo-project": {"queue": "mlops@studio", "executor": EXECUTOR}
    }
    assert force.machines_of("demo-project") == {"hub", "studio"}
    assert force.machines_of("other") == {"hub"}
    assert [one.host for one in force.hosts([mac("hub")])] == ["hub", "studio"]


def test_a_machine_is_asked_for_by_memory_too_and_an_unknown_chip_leaves_none_out(tmp_path: Path):
    force = Workforce(Engine(HUB, STUDIO).edge(), "hub", tmp_path / "workers.json")
    force.turn()
    large = demo(tmp_path, "\n[tool.mlops.needs]\nmemory_gb = 48\n")
    assert force.routes(large, needs)["demo-project"]["queue"] == "mlops@studio"
    (tmp_path / "root" / "a" / "pyproject.toml").write_text(
        GOOD + '\n[tool.mlops.needs]\nchip = "68000"\n'
    )
    odd = discovery.found(tmp_path / "root", ())
    assert force.routes(odd, needs)["demo-project"]["queue"] == "mlops@hub"


def test_a_restart_while_airflow_is_away_changes_no_route(tmp_path: Path):
    engine = Engine(HUB, STUDIO)
    first = Workforce(engine.edge(), "hub", tmp_path / "workers.json")
    first.turn()
    engine.away = True
    again = Workforce(engine.edge(), "hub", tmp_path / "workers.json")
    with pytest.raises(EngineUnreachableError):
        again.turn()
    assert again.seen == first.seen
    assert again.machines_of("demo-project") == {"hub", "studio"}


@pytest.mark.parametrize("text", ["", "[]", '{"workers": [{}]}', '{"workers": 3}', "{"])
def test_a_broken_file_is_seen_anew(tmp_path: Path, text: str):
    path = tmp_path / "workers.json"
    path.write_text(text)
    force = Workforce(Engine(HUB).edge(), "hub", path)
    assert force.seen == ()
    force.turn()
    assert [one.host for one in force.seen] == ["hub"]
    assert json.loads(path.read_bytes())["workers"][0]["host"] == "hub"
