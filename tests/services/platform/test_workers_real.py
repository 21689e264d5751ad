"""Two machines that join a real Airflow: who gets a task, and what a lost or drained one leaves."""

import json
import time
import uuid
from collections.abc import Iterator

import httpx
import pytest

from services.platform import secrets, worker_joining
from services.platform.worker_joining import Invitation
from services.workflows import away, workers
from tests.live import eventually
from tests.workers_lab import GIB, Mac, WorkersLab, running

pytestmark = [
    pytest.mark.airflow, pytest.mark.engine, pytest.mark.slow, pytest.mark.timeout(600),
]  # fmt: skip

STUDIO = {"chip": "Apple M3 Max", "gpu_cores": 40, "memory_bytes": 64 * GIB}
MINI = {"chip": "Apple M2", "gpu_cores": 10, "memory_bytes": 16 * GIB}


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WorkersLab]:
    with running(tmp_path_factory.mktemp("workers")) as made:
        made.join("studio", **STUDIO)
        made.join("mini", **MINI)
        made.route()
        eventually(lambda: any(dag.dag_id == "toy.short" for dag in made.airflow.dags()))
        yield made


@pytest.fixture
def studio(lab: WorkersLab) -> Mac:
    return again(lab, "studio")


@pytest.fixture
def run_id(lab: WorkersLab) -> str:
    lab.nobody_decides()
    return f"test__{uuid.uuid4().hex[:12]}"


def again(lab: WorkersLab, name: str) -> Mac:
    eventually(lambda: (one := lab.seen().get(name)) and one.state == "idle")
    return lab.macs[name]


def lost_try(lab: WorkersLab, job: str) -> workers.Loss:
    """Return what was lost of a job; the federation before it has tasks on the same machine."""
    losses = workers.losses(lab.seen().values(), lab.edge.jobs(), lab.here)
    (loss,) = [one for one in losses if one.job == job]
    return loss


def test_machines_tell_what_they_can_do(lab: WorkersLab, studio: Mac):
    seen = eventually(lambda: len(found := lab.seen()) == 3 and found, 90)
    assert set(seen) == {"studio", "mini", lab.here}
    one = seen["studio"]
    assert (one.chip, one.gpu_cores, one.memory_bytes) == tuple(STUDIO.values())
    assert (one.queues, one.projects, one.slots) == (("mlops@studio",), ("toy",), 4)
    assert seen[lab.here].projects is None

    listed = lab.mlops("--list").splitlines()
    (line,) = [line for line in listed if line.startswith("studio\t")]
    assert line.split("\t")[3:] == ["Apple M3 Max", "toy", ""]
    assert json.loads(lab.mlops("--list", "--json"))["losses"] == []
    invited = json.loads(lab.mlops("--invite", "--json"))
    assert Invitation.read(invited["token"]).key == secrets.airflow_worker_key(lab.home)
    assert invited["url"] == f"http://127.0.0.1:{lab.settings.airflow_port}"

    told = studio.mlops("--status")
    assert f"studio works for http://127.0.0.1:{lab.settings.airflow_port}: live." in told
    assert "Projects: toy." in told


def test_a_task_goes_to_the_machine_that_fits_and_the_next_one_beside_its_files(
    lab: WorkersLab, studio: Mac, run_id: str
):
    routed = lab.route()
    assert routed.hosts == ("studio",)
    assert routed.said == "It asks for 30 GPU cores and 48 GB of memory: studio."
    lab.trigger(run_id)
    assert lab.ended(run_id) == "success"
    assert [lab.task(run_id, one).host for one in ("train", "evaluate")] == ["studio", "studio"]
    assert (studio.projects / "toy" / "model").read_text() == "weights"
    assert not (lab.folder / "projects" / "toy" / "model").exists()

    lines = [line.text for line in lab.airflow.log("toy.short", run_id, "train", 1).lines]
    assert f"training in {studio.projects / 'toy'} for http://127.0.0.1:5000" in lines

    path = lab.folder / f"{run_id}.json"
    assert away.bring(lab.airflow, path, "toy.short", run_id, "train", 1)
    evidence = json.loads(path.read_bytes())
    assert (evidence["outcome"], evidence["host"]["worker"]) == ("succeeded", "studio")
    assert not away.bring(lab.airflow, lab.folder / "none", "toy.short", run_id, "train", 2)


def test_a_held_task_costs_no_slot_and_goes_where_it_is_released(lab: WorkersLab, run_id: str):
    again(lab, "mini")
    job = f"toy.short/{run_id}/train"
    lab.decide(released={}, held={job: "It is not its turn."})
    lab.trigger(run_id)
    eventually(lambda: lab.task(run_id).state == "deferred")
    eventually(lambda: all(one.state == "idle" for one in lab.seen().values()))
    assert lab.airflow.pool("default_pool").occupied == 0
    assert lab.task(run_id).state == "deferred"
    lab.decide(released={job: "mini"})
    assert lab.ended(run_id) == "success"
    assert lab.task(run_id).host == "mini"


def test_a_federation_has_its_server_and_its_clients_on_several_machines(
    lab: WorkersLab, studio: Mac, run_id: str
):
    mini, job = again(lab, "mini"), f"toy.federated/{run_id}"
    released = {
        f"{job}/server": "studio",
        f"{job}/client[0]": "mini",
        f"{job}/client[1]": "studio",
    }
    eventually(lambda: any(dag.dag_id == "toy.federated" for dag in lab.airflow.dags()))
    lab.decide(released=released)
    lab.airflow.trigger("toy.federated", run_id, {"clients": 2})
    met = studio.projects / "toy" / "met"

    def came_together() -> bool:
        lab.decide(released=released)
        return met.exists()

    eventually(came_together, 120)
    assert json.loads(met.read_text()) == {
        "0": str(mini.projects / "toy"),
        "1": str(studio.projects / "toy"),
    }
    clients = eventually(
        lambda: (
            len(found := [one for one in lab.federated(run_id) if one.task_id == "client"]) == 2
            and all(one.state == "success" for one in found)
            and found
        )
    )
    assert {(one.map_index, one.host) for one in clients} == {(0, "mini"), (1, "studio")}


def test_a_task_of_a_machine_that_lost_its_power_is_tried_again_on_another(
    lab: WorkersLab, studio: Mac, run_id: str
):
    job = f"toy.short/{run_id}/train"
    lab.decide(released={job: "studio"})
    lab.trigger(run_id, wait_s=6.0)
    eventually(lambda: (studio.projects / "toy" / "pid").exists() and lab.task(run_id).pid)
    eventually(lambda: lab.task(run_id).state == "running")
    studio.cut()
    cut_at = time.monotonic()

    def lost() -> bool:
        lab.decide(released={job: "mini"})
        return lab.seen()["studio"].state == "lost"

    eventually(lost, 60)
    assert time.monotonic() - cut_at < 60  # five heartbeats of five seconds
    loss = lost_try(lab, job)
    assert loss.said.startswith(f"Worker studio was lost; its task {job} is given up a minute")

    def on_mini() -> bool:
        lab.decide(released={job: "mini"})
        return lab.task(run_id).tries == 2 and lab.task(run_id).state == "running"

    eventually(on_mini, 120)
    assert time.monotonic() - cut_at < 150  # Airflow's own five minutes would be more
    loss = lost_try(lab, job)
    assert loss.said == (f"Worker studio was lost; its task {job} is tried again on mini (try 2).")
    assert lab.ended(run_id) == "success"
    assert lab.task(run_id).host == "mini"
    machine = next(
        one for one in workers.machines(lab.seen().values(), lab.here)
        if one.capacity.host == "studio"
    )  # fmt: skip
    assert machine.capacity.absent == "its worker is lost"


def test_a_drained_machine_ends_its_task_and_leaves(lab: WorkersLab, run_id: str):
    mini = again(lab, "mini")
    job = f"toy.short/{run_id}/train"
    lab.decide(released={job: "mini"})
    lab.trigger(run_id, wait_s=8.0)
    eventually(lambda: f"{job}/1" in lab.seen()["mini"].running)
    said = mini.mlops("--leave")
    assert said.strip() == "This machine is no worker any more; its tokens are gone from here."
    assert mini.process.wait(10) == 0
    assert (lab.task(run_id).state, lab.task(run_id).host) == ("success", "mini")
    eventually(lambda: lab.seen()["mini"].state == "left")
    assert not (mini.projects / "toy" / ".mlops.env").exists()
    assert "This machine is no worker." in mini.mlops("--status", code=1)
    lab.edge.remove("mini")
    assert "mini" not in lab.seen()


def test_the_key_of_workers_opens_nothing_else(lab: WorkersLab):
    key = secrets.airflow_worker_key(lab.home)
    url = f"http://127.0.0.1:{lab.settings.airflow_port}"
    with httpx.Client(base_url=url) as stranger:
        token = worker_joining._token(key, "dags")
        signed = {"Authorization": f"Bearer {token}"}
        for path in ("/api/v2/dags", "/edge_worker/ui/worker", "/execution/variables/x"):
            assert stranger.get(path, headers=signed).status_code in {401, 403}, path
        # A token is for one request alone.
        path = "/edge_worker/v1/jobs/fetch/studio"
        body = {"queues": ["mlops@studio"], "free_concurrency": 1}
        assert stranger.post(path, json=body, headers={"Authorization": token}).status_code == 403
        # And the secret of Airflow's own tokens is no worker's.
        other = secrets.read_secret(lab.home, "airflow-jwt.key")
        forged = worker_joining._token(other, "jobs/fetch/studio")
        assert stranger.post(path, json=body, headers={"Authorization": forged}).status_code == 403


def test_what_keeps_a_machine_out_is_a_sentence(lab: WorkersLab):
    mac = lab.macs["mini"]
    port = lab.settings.airflow_port
    url = f"http://127.0.0.1:{port}"
    token = mac.variables["MLOPS_WORKER_TOKEN"]
    assert "cannot be reached" in mac.mlops("--join", "http://127.0.0.1:1", code=1)
    assert "is no address" in mac.mlops("--join", "the studio", code=2)
    mac.variables["MLOPS_WORKER_TOKEN"] = token[:-10]
    assert "is not whole" in mac.mlops("--join", url, code=2)
    other = Invitation("another key, as long as it is", "http://127.0.0.1:5000")
    mac.variables["MLOPS_WORKER_TOKEN"] = other.text()
    refused = mac.mlops("--join", url, code=1)
    assert f"{url} refuses the token." in refused
    assert not (mac.home.secrets / "worker.json").exists()
