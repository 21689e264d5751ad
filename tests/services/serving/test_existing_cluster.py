"""A Ray that somebody else started, of which this machine is a node."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from services.home import Home
from services.serving import cluster, paths, replicas
from services.serving.cluster import Cluster, Options
from services.serving.models import Target
from services.serving.preparing import spec_of
from services.serving.replicas import ReplicaSpec
from services.serving.versions import Prepared
from tests.live import eventually
from tests.services.serving import lab

pytestmark = [pytest.mark.engine, pytest.mark.slow, pytest.mark.timeout(300)]

THEIRS = """
import ray, sys
found = ray.init(
    include_dashboard=False, num_cpus=1, resources={"unified_memory_mb": 1000},
    _temp_dir=sys.argv[1], object_store_memory=80 << 20, log_to_driver=False,
    configure_logging=False,
)
print("address", found.address_info["gcs_address"], flush=True)
sys.stdin.read()
ray.shutdown()
"""


@pytest.fixture
def home(tmp_path: Path) -> Home:
    found = Home(tmp_path / "home")
    found.create()
    return found


@pytest.fixture
def theirs(home: Home) -> Iterator[Options]:
    """Start a Ray with a token of its own; yield how it is joined."""
    token = home.root / "their-token"
    token.write_text("b" * 64)
    token.chmod(0o600)
    variables = cluster.variables(home, Options(1, "127.0.0.1:1", token))
    process = subprocess.Popen(
        [sys.executable, "-c", THEIRS, str(cluster.folder(home) / "theirs")],
        env=variables, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    with process:
        assert process.stdout is not None
        address = next(line.split()[1] for line in process.stdout if line.startswith("address"))
        yield Options(1 << 30, address, token)
        assert process.poll() is None  # ours ended, theirs did not
        process.communicate(timeout=60)


def spec(home: Home, memory_mb: int) -> ReplicaSpec:
    bundle = paths.bundle(home, lab.PROJECT, lab.MODEL, 1)
    folder = home.root.parent / "projects" / lab.PROJECT
    prepared = Prepared(lab.bundle_info(1), str(folder), sys.executable, str(bundle))
    wish = Target(1, memory_bytes=memory_mb << 20)
    return spec_of(home, lab.PROJECT, lab.MODEL)(wish, prepared, 0)


def test_replicas_reserve_their_memory_in_a_cluster_that_is_there(home, theirs):
    lab.lay_bundle(home, 1)
    lab.lay_project(home.root.parent / "projects")
    fits, large, waits = spec(home, 600), spec(home, 2000), spec(home, 700)
    joined = Cluster(home, theirs)

    def state(one: ReplicaSpec) -> str:
        joined.turn()
        found = joined.placed().get(one.id)
        return found.state if found else ""

    joined.want([fits])
    try:
        eventually(lambda: state(fits) == "running", 120)
        joined.want([fits, large, waits])
        eventually(lambda: state(large) == "failed")
        said = joined.placed()[large.id].said
        assert said == "Ray has 1000 MB of unified_memory_mb here in all; it reserves 2000 MB."
        eventually(lambda: state(waits) == "placing" and "MB" in joined.placed()[waits.id].said)
        assert "has 400 MB of unified memory left" in joined.placed()[waits.id].said
        eventually(lambda: replicas.look(fits).state == "ready")
        joined.want([waits])
        eventually(lambda: state(waits) == "running")
    finally:
        joined.stop()
        for one in (fits, waits):
            replicas.kill(one)
