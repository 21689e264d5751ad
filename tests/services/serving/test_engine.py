"""The serving engine with a real Ray and real model servers, and all of them killed."""

import os
import signal
import stat
from pathlib import Path

import psutil
import pytest

from services.resources.leases import LeaseBook
from services.serving import cluster, paths, replicas, routes, status, store
from services.serving.models import Guards
from tests.live import eventually
from tests.services.serving import lab as labs
from tests.services.serving.lab import PROJECT, Lab

pytestmark = [pytest.mark.engine, pytest.mark.slow, pytest.mark.timeout(300)]


@pytest.fixture
def model(serving: Lab, request: pytest.FixtureRequest):
    """A model with one version, live; taken away again."""
    model = request.node.name.replace("test_", "")[:60]
    labs.lay_bundle(serving.home, 1, model=model)
    serving.deploy(1, model=model)
    name = f"{PROJECT}.{model}"
    serving.live(1, name)
    yield model
    store.remove(serving.journal, name, said="The test is over.", action_id=None, actor="test")
    eventually(lambda: not serving.specs(name))


def family(lab: Lab, word: str) -> list[psutil.Process]:
    assert lab.process is not None
    return [
        one for one in psutil.Process(lab.process.pid).children(recursive=True) if word in said(one)
    ]


def said(process: psutil.Process) -> str:
    try:
        return f"{process.name()} {' '.join(process.cmdline()[:6])}"
    except psutil.Error:
        return ""


def well(lab: Lab) -> bool:
    """Return whether Ray is there, with an actor for every replica."""
    now = status.read(lab.home)
    if now is None or now.stale() or now.ray:
        return False
    wanted = sum(len(v.replicas) for one in now.endpoints.values() for v in one.versions)
    return len(family(lab, "ReplicaActor")) == wanted


def test_a_model_is_answered_by_its_own_server(serving, model):
    name = f"{PROJECT}.{model}"
    assert serving.ask(name) == 6.0
    server = serving.server(name)
    variables = server.environ()
    assert variables["MLOPS_REPLICA"].startswith(f"{name}:1:0-")
    assert not [one for one in variables if "TOKEN" in one or "KEY" in one or "PASSWORD" in one]
    assert server.cwd() == str(serving.projects / PROJECT)
    now = serving.live(1, name)
    (replica,) = now.versions[0].replicas
    assert replica.pid == server.pid
    assert replica.memory_bytes
    assert now.versions[0].backend == "mlx"
    assert "MLX" in now.versions[0].backend_reason
    assert [step.state for step in now.rollout.steps] == ["done"] * 5


def test_its_memory_is_held_in_the_ledger_and_given_back(serving, model):
    book = LeaseBook(serving.home.run / "leases.json")
    name = f"{PROJECT}.{model}"
    (lease,) = [one for one in book.leases() if one.id == f"deployment:{name}:1"]
    assert (lease.kind, lease.needs.memory_bytes, lease.needs.gpu_slots) == (
        "serving",
        300 << 20,
        0,
    )
    store.remove(serving.journal, name, said="away", action_id=None, actor="test")
    eventually(lambda: not [one for one in book.leases() if one.id == lease.id])
    assert serving.route(name) is None


def test_all_of_ray_listens_on_loopback_and_asks_for_a_token(serving, model):
    assert serving.process is not None
    eventually(lambda: well(serving))
    listening = [
        (said(one), connection.laddr.ip)
        for one in psutil.Process(serving.process.pid).children(recursive=True)
        for connection in one.net_connections("inet")
        if connection.status == psutil.CONN_LISTEN
    ]
    assert listening
    assert {ip.removeprefix("::ffff:") for _, ip in listening} == {"127.0.0.1"}
    (raylet,) = family(serving, "raylet/raylet")
    assert raylet.environ()["RAY_AUTH_MODE"] == "token"
    token = cluster.token(serving.home)
    assert raylet.environ()["RAY_AUTH_TOKEN_PATH"] == str(token)
    assert stat.S_IMODE(token.stat().st_mode) == 0o600
    assert stat.S_IMODE(cluster.folder(serving.home).stat().st_mode) == 0o700


def test_a_stranger_without_the_token_is_not_let_in(serving, model):
    import subprocess
    import sys

    eventually(lambda: well(serving))
    (gcs,) = family(serving, "gcs_server")
    port = next(c.laddr.port for c in gcs.net_connections("inet") if c.status == "LISTEN")
    code = (
        "import ray\n"
        f"client = ray._raylet.GcsClient(address='127.0.0.1:{port}')\n"
        "print(client.internal_kv_keys(b'', None, timeout=5))\n"
    )
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("RAY_", "PYTHON"))}
    done = subprocess.run(
        [sys.executable, "-c", code], env=kept | {"HOME": str(serving.home.root)},
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode != 0
    assert "auth" in done.stderr.lower()


def test_a_killed_model_server_is_back_and_no_request_is_lost(serving, model):
    name = f"{PROJECT}.{model}"
    before = serving.server(name).pid
    with serving.load(name):
        os.kill(before, signal.SIGKILL)
        eventually(lambda: [s for s in serving.specs(name) if replicas.look(s).state == "ready"])
        serving.ask(name)
    assert serving.failures == []
    assert serving.server(name).pid != before
    kinds = [one.kind for one in store.events(serving.journal, name)]
    assert "restarted" in kinds


@pytest.mark.parametrize("word", ["ReplicaActor", "raylet/raylet", "gcs_server", "ray_host"])
def test_whatever_of_ray_is_killed_the_model_server_answers_on(serving, model, word):
    name = f"{PROJECT}.{model}"
    eventually(lambda: well(serving))
    server = serving.server(name)
    before = family(serving, word)
    assert before
    with serving.load(name):
        for one in before:
            one.kill()
        psutil.wait_procs(before, timeout=10)
        eventually(lambda: well(serving))
    assert serving.failures == []
    assert serving.server(name) == server


def test_a_killed_engine_finds_its_model_servers_again(serving, model):
    name = f"{PROJECT}.{model}"
    server = serving.server(name)
    assert serving.process is not None
    with serving.load(name):
        serving.process.kill()
        serving.process.wait()
        serving.start()
        eventually(lambda: well(serving), 90)
        assert serving.route(name).versions[1].replicas
    assert serving.failures == []
    assert serving.server(name) == server


def test_a_good_update_under_load_drops_no_request(serving, model):
    name = f"{PROJECT}.{model}"
    labs.lay_bundle(serving.home, 2, model=model, factor=3.0)
    with serving.load(name):
        serving.deploy(2, model=model)
        serving.live(2, name)
    assert serving.failures == []
    assert serving.ask(name) == 9.0
    eventually(lambda: len(serving.specs(name)) == 1)


@pytest.mark.parametrize(
    ("way", "words"),
    [
        ("constructor", "the weights are of another network"),
        ("warm-up", "it does not work"),
        ("nan", "no finite numbers"),
        ("crash", "It ended"),
    ],
)
def test_a_bad_update_under_load_goes_back_and_drops_no_request(serving, model, way, words):
    name = f"{PROJECT}.{model}"
    labs.lay_bundle(serving.home, 2, model=model, way=way)
    with serving.load(name):
        serving.deploy(2, model=model)
        now = serving.ended(2, name)
        assert now.rollout.outcome == "rolled-back"
        assert words in now.rollout.said
    assert serving.failures == []
    assert serving.ask(name) == 6.0
    assert store.endpoint(serving.journal, name).rollout is None
    assert store.events(serving.journal, name)[0].kind == "rolled-back"


def test_a_bundle_that_was_touched_is_not_started(serving, model):
    name = f"{PROJECT}.{model}"
    labs.lay_bundle(serving.home, 2, model=model)
    file = paths.bundle(serving.home, PROJECT, model, 2) / "model" / "config.json"
    file.write_text("{}  ")
    serving.deploy(2, model=model)
    now = serving.ended(2, name)
    assert now.rollout.outcome == "rolled-back"
    assert "config.json" in now.rollout.said
    serving.live(1, name)


def test_errors_of_a_watched_version_take_it_back(serving, model):
    name = f"{PROJECT}.{model}"
    labs.lay_bundle(serving.home, 2, model=model)
    serving.deploy(2, model=model, watch_s=120.0, guards=Guards(min_requests=5))
    eventually(lambda: (now := serving.status(name)) and now.phase == "watching")
    serving.gateway_says(2, name, total=10, total_errors=8, requests=10, errors=8)
    now = serving.ended(2, name)
    assert "8 of 10 requests failed" in now.rollout.said
    eventually(lambda: set(serving.route(name).shares) == {1})


def test_a_model_server_that_hangs_is_ended_and_started_anew(serving, model):
    name = f"{PROJECT}.{model}"
    server = serving.server(name)
    os.kill(server.pid, signal.SIGSTOP)
    eventually(lambda: not psutil.pid_exists(server.pid) or server.status() == "zombie", 90)
    serving.live(1, name)
    assert serving.ask(name) == 6.0


def test_an_idle_endpoint_gives_its_memory_back_and_wakes_by_a_wish(serving, model):
    name = f"{PROJECT}.{model}"
    store.change(
        serving.journal, PROJECT, model,
        lambda now: labs.replaced(now, idle_after_s=0.5, min_replicas=0),
    )  # fmt: skip
    eventually(lambda: serving.gateway_says(1, name) or serving.status(name).phase == "idle")
    eventually(lambda: not serving.specs(name))
    assert serving.route(name).idle
    store.change(serving.journal, PROJECT, model, lambda now: labs.replaced(now, idle_after_s=900))
    (paths.wake(serving.home) / name).touch()
    serving.live(1, name)
    assert serving.ask(name) == 6.0
    assert not (paths.wake(serving.home) / name).exists()
    kinds = [one.kind for one in store.events(serving.journal, name)]
    assert kinds[:2] == ["woken", "idle"]


def test_when_it_is_told_to_stop_nothing_is_left(tmp_path: Path):
    with labs.running(tmp_path) as lab:
        labs.lay_bundle(lab.home, 1)
        lab.deploy(1)
        lab.live(1)
        server = lab.server()
        everything = [server, *psutil.Process(lab.process.pid).children(recursive=True)]
        lab.stop()
        eventually(lambda: not [one for one in everything if one.is_running()])
        assert lab.process.returncode == 0
        assert routes.read(lab.home).endpoints == {}
        assert LeaseBook(lab.home.run / "leases.json").leases() == ()
        assert not (lab.home.run / "serving.json").exists()
