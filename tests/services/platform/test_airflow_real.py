"""A real Airflow under the real supervisor: killed, stopped, on Postgres, and what it lets out."""

import contextlib
import os
import signal
import stat
import time
import uuid
from pathlib import Path

import httpx
import psutil
import pytest

from services.platform import processes
from services.platform.engines import PARTS
from tests import airflow_lab
from tests.airflow_lab import Lab
from tests.live import eventually
from tests.postgres import PASSWORD, Cluster

pytestmark = [
    pytest.mark.airflow, pytest.mark.engine, pytest.mark.slow, pytest.mark.timeout(600),
]  # fmt: skip

TRAIN = "drill.train"
ALL = ("airflow", *PARTS)


@pytest.fixture
def lab(airflow_lab_shared: Lab) -> Lab:
    eventually(airflow_lab_shared.well, 120)
    return airflow_lab_shared


@pytest.fixture
def run_id() -> str:
    return f"fault__{uuid.uuid4().hex[:12]}"


def started(lab: Lab, run_id: str, wait_s: float) -> None:
    """Start a run and wait until its long tasks run."""
    lab.airflow.trigger(TRAIN, run_id, {"wait_s": wait_s})

    def both() -> bool:
        tasks = list(lab.airflow.task_instances(TRAIN, run_id, states=["running"]))
        return [task.task_id for task in tasks] == ["fit", "fit"]

    eventually(both, 60)


def ended(lab: Lab, run_id: str, timeout_s: float = 180) -> str:
    done = {"success", "failed"}
    return eventually(
        lambda: (state := lab.airflow.dag_run(TRAIN, run_id).state) in done and state, timeout_s
    )


def test_it_listens_on_loopback_alone_and_keeps_its_keys(lab: Lab):
    listening = []
    for process in processes.marked(lab.home.root):
        with contextlib.suppress(psutil.NoSuchProcess):
            found = process.net_connections("inet")
            listening += [c.laddr for c in found if c.status == psutil.CONN_LISTEN]
    assert {address.ip for address in listening} == {"127.0.0.1"}
    assert {address.port for address in listening} == {lab.settings.airflow_port}

    hidden = [lab.home.airflow / "airflow.cfg", *lab.home.secrets.glob("airflow-*")]
    assert len(hidden) == 5
    assert {stat.S_IMODE(path.stat().st_mode) for path in hidden} == {0o600}
    kept = [path.read_text().strip() for path in lab.home.secrets.glob("airflow-*.key")]
    for process in processes.marked(lab.home.root):
        with contextlib.suppress(psutil.NoSuchProcess):
            told = " ".join([*process.cmdline(), *process.environ().values()])
            assert not [secret for secret in kept if secret in told]


def test_nobody_is_let_in_without_a_password(lab: Lab):
    url = f"http://127.0.0.1:{lab.settings.airflow_port}"
    with httpx.Client(base_url=url) as stranger:
        assert stranger.get("/api/v2/dags").status_code == 401
        login = {"username": "admin", "password": "admin"}
        assert stranger.post("/auth/token", json=login).status_code == 401
        # Airflow's own screen, with its own login.
        page = stranger.get("/", follow_redirects=True)
        assert page.status_code == 200
        assert "<title>" in page.text


def test_people_see_one_engine(lab: Lab):
    told = lab.told()
    assert (told.name, told.title, told.phase) == ("airflow", "Airflow", "live")
    assert told.url == f"http://127.0.0.1:{lab.settings.airflow_port}"
    assert told.version == "3.3.2"
    assert len(told.members) >= 4


def test_a_killed_scheduler_loses_no_run_and_doubles_none(lab: Lab, run_id: str):
    started(lab, run_id, wait_s=8)
    killed = lab.process("airflow-scheduler")
    before = lab.state("airflow-scheduler").ends
    os.kill(killed.pid, signal.SIGKILL)
    eventually(lambda: lab.told().phase != "live", 20)
    assert lab.told().detail.startswith("Airflow scheduler: ")
    eventually(lab.well, 120)
    assert lab.process("airflow-scheduler").pid != killed.pid
    assert lab.state("airflow-scheduler").ends == before + 1
    # Its tasks ended with it; its heir finds them within half a minute and does them again.
    assert ended(lab, run_id) == "success"
    for index in (0, 1):
        tries = lab.airflow.tries(TRAIN, run_id, "fit", index)
        assert [one.state for one in tries][-1] == "success"
        assert sum(one.state == "success" for one in tries) == 1


def test_a_killed_api_server_comes_back_and_the_rest_is_left_alone(lab: Lab, run_id: str):
    started(lab, run_id, wait_s=15)
    others = {name: lab.process(name).pid for name in PARTS}
    killed = lab.process("airflow")
    os.kill(killed.pid, signal.SIGKILL)
    eventually(lambda: lab.told().phase != "live", 20)
    eventually(lab.well, 120)
    assert lab.process("airflow").pid != killed.pid
    assert {name: lab.process(name).pid for name in PARTS} == others
    assert ended(lab, run_id) == "success"
    assert [one.tries for one in lab.airflow.tries(TRAIN, run_id, "fit", 0)] == [1]


def test_a_killed_triggerer_and_dag_processor_come_back(lab: Lab, run_id: str):
    lab.airflow.trigger("drill.wait", run_id)

    def state() -> str:
        return lab.airflow.task_instance("drill.wait", run_id, "later").state

    eventually(lambda: state() == "deferred")
    for name in ("airflow-triggerer", "airflow-dag-processor"):
        os.kill(lab.process(name).pid, signal.SIGKILL)
    eventually(lambda: not lab.well(), 20)
    eventually(lab.well, 120)
    assert state() == "deferred"
    lab.airflow.set_run_state("drill.wait", run_id, "failed")


def test_a_stopped_scheduler_is_stale_since_then_and_live_when_it_goes_on(lab: Lab):
    """HTTP says 200 all the time: only the body tells."""
    process = lab.process("airflow-scheduler")
    stopped_at = time.time()
    os.kill(process.pid, signal.SIGSTOP)
    try:
        eventually(lambda: lab.told().phase == "unresponsive", 60)
        told = lab.told()
        assert told.detail.startswith("Airflow scheduler: Its last heartbeat is ")
        assert told.since is not None
        assert stopped_at < told.since < time.time()
        answer = httpx.get(f"{told.url}/api/v2/monitor/health")
        assert answer.status_code == 200
        assert lab.state("airflow").phase == "live"
    finally:
        os.kill(process.pid, signal.SIGCONT)
    eventually(lab.well, 120)
    assert lab.process("airflow-scheduler").pid == process.pid


def test_a_stopped_api_server_is_not_held_against_the_others(lab: Lab):
    process = lab.process("airflow")
    others = {name: lab.process(name).pid for name in PARTS}
    os.kill(process.pid, signal.SIGSTOP)
    try:
        eventually(lambda: lab.told().phase == "unresponsive", 30)
        assert "does not answer" in lab.told().detail
        eventually(lambda: lab.state("airflow-scheduler").phase == "unresponsive", 30)
        assert "which would tell how it is" in lab.state("airflow-scheduler").detail
    finally:
        os.kill(process.pid, signal.SIGCONT)
    eventually(lab.well, 60)
    assert {name: lab.process(name).pid for name in PARTS} == others


def test_on_postgres_it_runs_and_the_password_is_told_nowhere(tmp_path: Path, cluster: Cluster):
    with cluster.database() as name, airflow_lab.running(tmp_path, cluster.url(name)) as lab:
        lab.airflow.trigger(TRAIN, "on-postgres")
        assert ended(lab, "on-postgres") == "success"
        ((runs,),) = cluster.execute("SELECT count(*) FROM dag_run", name)
        assert runs == 2  # and the one its asset set off
        assert not (lab.home.airflow / "airflow.db").exists()
        secret = (PASSWORD, "pass%2Fword")
        logged = "".join(path.read_text(errors="replace") for path in lab.home.logs.glob("*.log"))
        told = repr(lab.supervisor.state)
        for process in processes.marked(lab.home.root):
            with contextlib.suppress(psutil.NoSuchProcess):
                told += " ".join([*process.cmdline(), *process.environ().values()])
        assert not [word for word in secret if word in logged + told]
