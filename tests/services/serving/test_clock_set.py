"""Model servers when the clock is set back: what nobody follows is still seen as that."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from types import SimpleNamespace

import psutil
import pytest

from services.home import Home
from services.process_identity import start_of
from services.serving import replicas


@pytest.fixture
def child(home: Home) -> Iterator[int]:
    environment = os.environ | {"MLOPS_HOME": str(home.root), replicas.MARK: "a.b:1:0"}
    argv = [sys.executable, "-S", "-c", "import time; time.sleep(120)"]
    with subprocess.Popen(argv, env=environment) as process:
        yield process.pid
        process.kill()


@pytest.mark.parametrize("step_s", [7200.0, -7200.0])
def test_how_young_one_is_does_not_depend_on_the_clock(home, child, monkeypatch, step_s):
    """The time of day at which it began may be kept from before the clock was set."""
    began = psutil.Process.create_time
    monkeypatch.setattr(psutil.Process, "create_time", lambda one: began(one) - step_s)
    assert replicas.strays(home, {"a.b:1:0"}) == []  # it may be noted in a moment
    monkeypatch.setattr(replicas, "_YOUNG_S", 0.0)
    assert [one.pid for one in replicas.strays(home, {"a.b:1:0"})] == [child]


def test_its_tag_names_its_start(home):
    spec = SimpleNamespace(name="a.b", version=1, project="a", home=str(home.root))
    replicas.tag(spec, os.getpid(), 5.0)  # type: ignore[arg-type]  # what a tag needs of it
    said = json.loads((home.run / "processes" / f"{os.getpid()}.json").read_bytes())
    assert said["start"] == start_of(os.getpid())
