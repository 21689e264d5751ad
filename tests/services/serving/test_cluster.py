"""How Ray is kept from outside, with a small program in its place; the real one: test_engine."""

import stat
import sys
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from services.home import Home
from services.serving import cluster, replicas
from services.serving.cluster import Cluster, Options
from tests.live import eventually
from tests.services.serving.simulated import Simulation, endpoint, target

HOST = """
import json, os, subprocess, sys, time
config = json.loads(sys.stdin.readline())
way = sys.argv[1]
def say(**said):
    print(json.dumps(said), flush=True)
if way == "ends":
    sys.exit(4)
if way == "faulty":
    say(fault="the raylet ended")
    time.sleep(600)
if way == "mute":
    time.sleep(600)
if way == "silent":
    say(replicas={})
    time.sleep(600)
child = subprocess.Popen([sys.executable, "-S", "-c", "import time; time.sleep(600)"])
say(replicas={})
for line in sys.stdin:
    say(replicas={one["id"]: {"state": "running", "said": str(child.pid), "hint": ""}
        for one in json.loads(line)})
child.kill()
"""


@pytest.fixture
def home(tmp_path: Path) -> Home:
    found = Home(tmp_path / "home")
    found.create()
    return found


@pytest.fixture
def kept(home: Home):
    made: list[Cluster] = []

    def keep(way: str) -> Cluster:
        program = (sys.executable, "-S", "-c", HOST, way)
        made.append(Cluster(home, Options(1 << 30), program))
        return made[-1]

    yield keep
    for one in made:
        one.stop()


def turned(one: Cluster) -> Cluster:
    one.turn()
    return one


def specs() -> list:
    made = Simulation(endpoint(live=target(1)))
    made.pass_time(1)
    return [spec for spec, _, _ in made.servers.values()]


def test_it_is_told_what_is_wanted_and_says_how_that_is(kept):
    one = kept("well")
    one.want(specs())
    assert {p.state for p in one.placed().values()} == {"placing"}
    assert "Ray: It is starting." in {p.said for p in one.placed().values()}
    eventually(lambda: turned(one).ready and one.placed())
    assert {p.state for p in one.placed().values()} == {"running"}
    one.want([])
    eventually(lambda: not turned(one).placed())


@pytest.mark.timeout(30)
def test_one_that_reads_nothing_holds_up_nobody(kept):
    one = kept("silent")
    eventually(lambda: turned(one).ready)
    (spec,) = specs()
    for turn in range(3):  # each says more than a pipe holds
        one.want([replace(spec, id=f"{turn}-{number}") for number in range(500)])
        one.turn()
    assert one.ready


def test_when_it_is_stopped_nothing_it_started_is_left(kept):
    one = kept("well")
    one.want(specs())
    eventually(lambda: turned(one).ready and one.placed())
    processes = one.processes()
    assert processes
    one.stop()
    eventually(lambda: not [p for p in processes if p.is_running() and p.status() != "zombie"])
    assert one.problem == "It was stopped."


def test_a_model_server_that_was_seen_before_it_had_its_mark_outlives_ray(kept, monkeypatch):
    one = kept("well")
    one.want(specs())
    eventually(lambda: turned(one).ready and one.placed())
    (placed,) = one.placed().values()
    server = psutil.Process(int(placed.said))
    assert server in one.processes()
    environ = psutil.Process.environ
    monkeypatch.setattr(
        psutil.Process,
        "environ",
        lambda of: environ(of) | ({replicas.MARK: "x"} if of == server else {}),
    )
    assert server not in one.processes()
    one._fall("It fell.", 0.0)
    assert server.is_running()
    monkeypatch.undo()
    server.kill()


@pytest.mark.parametrize(
    ("way", "said"), [("ends", "ended with 4"), ("faulty", "the raylet ended")]
)
def test_when_it_falls_it_is_started_again(kept, way, said):
    one = kept(way)
    assert said in eventually(lambda: "again" in turned(one).problem and one.problem)
    eventually(lambda: turned(one).starts >= 2)


def test_one_that_says_nothing_is_started_again(kept, monkeypatch):
    monkeypatch.setattr(cluster, "_SILENT_S", 0.2)
    one = kept("silent")
    assert "said nothing" in eventually(lambda: "again" in turned(one).problem and one.problem)


def test_one_that_never_says_anything_is_started_again(kept, monkeypatch):
    monkeypatch.setattr(cluster, "_STARTING_S", 0.0)
    one = kept("mute")
    assert eventually(lambda: "not ready within" in turned(one).problem)


def test_our_own_ray_listens_on_loopback_with_a_token(home, monkeypatch):
    monkeypatch.setenv("RAY_ADDRESS", "elsewhere:6379")
    found = cluster.variables(home, Options(1))
    assert "RAY_ADDRESS" not in found
    assert found["RAY_AUTH_MODE"] == "token"
    path = Path(found["RAY_AUTH_TOKEN_PATH"])
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    first = path.read_text()
    assert len(first) == 64
    assert cluster.token(home).read_text() == first
    assert found["RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"] == "0"


def test_an_existing_cluster_is_joined_with_its_own_token(home, tmp_path):
    options = Options(1, "192.0.2.9:6379", tmp_path / "theirs")
    found = cluster.variables(home, options)
    assert found["RAY_AUTH_TOKEN_PATH"] == str(tmp_path / "theirs")
    assert "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER" not in found
    found = cluster.variables(home, Options(1, "127.0.0.1:6379", tmp_path / "theirs"))
    assert found["RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"] == "0"


def test_rays_folder_is_short_and_ours_alone(home):
    found = cluster.folder(home)
    assert stat.S_IMODE(found.stat().st_mode) == 0o700
    session = "session_2026-11-29_08-30-12_835093_1234567/sockets/plasma_store"
    assert len(f"/private{found}/{session}") <= 104
    found.rmdir()
    found.symlink_to("/tmp")
    with pytest.raises(PermissionError, match="somebody else's"):
        cluster.folder(home)
    found.unlink()
