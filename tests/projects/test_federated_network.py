"""Project 06 over the network: real client processes that join, die, come back, and are refused."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

PROJECT = Path(__file__).parents[2] / "projects" / "06_Federated_Learning"
RECIPE = {"seed": 0, "alpha": 0.3, "clients": 3}
pytestmark = pytest.mark.engine


@pytest.fixture
def federated(project_module) -> Callable[[str], ModuleType]:
    return lambda module: project_module(PROJECT.name, f"federated.{module}")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Clients:
    """Clients' processes; those that are left are ended after the test."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.started: list[subprocess.Popen[str]] = []

    def start(self, number: int, word: str = "right") -> "subprocess.Popen[str]":
        process = subprocess.Popen(
            [sys.executable, "join.py"],
            cwd=PROJECT,
            env=os.environ
            | {
                "PYTHONPATH": str(PROJECT.parents[1] / "client" / "src"),
                "MLOPS_FEDERATED_ADDRESS": f"127.0.0.1:{self.port}",
                "MLOPS_FEDERATED_TOKEN": word,
                "MLOPS_CLIENT": str(number),
            },
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self.started.append(process)
        return process


@pytest.fixture
def clients() -> Iterator[Clients]:
    made = Clients(free_port())
    yield made
    for process in made.started:
        process.kill()
        process.wait()
        assert process.stdout is not None
        process.stdout.close()


def test_rounds_go_on_without_the_dead_and_with_those_who_come_back(federated, clients: Clients):
    network, rounds, local = federated("network"), federated("rounds"), federated("local")
    started = [clients.start(number) for number in range(3)]
    stranger = clients.start(1, word="wrong")
    plan = rounds.Plan(6, 3, local.Work(1, 32, 0.1), seed=0)
    address = ("127.0.0.1", clients.port)
    with network.RemoteFleet(address, "right", 3, RECIPE, timeout_s=20, patience_s=60) as fleet:
        assert fleet.here == [0, 1, 2]
        assert sum(seat.samples for seat in fleet.clients) == 1197
        answered = []
        for done in rounds.run(fleet, plan, federated("model").initial_weights(8, 0)):
            answered.append(done.answered)
            assert all(np.isfinite(array).all() for array in done.models[0].values())
            if done.number == 1:
                started[2].kill()
                started[2].wait()
            if done.number == 3:
                started[2] = clients.start(2)
                _waiting_at(fleet, 2)
    assert answered == [3, 3, 2, 2, 3, 3]
    assert [process.wait(20) for process in started] == [0, 0, 0]
    assert "all is done" in started[2].communicate()[0]
    assert stranger.wait(20) == 1
    assert "closed the link to client 1" in stranger.communicate()[0]


def _waiting_at(fleet, number: int) -> None:
    deadline = time.monotonic() + 60
    while fleet.clients[number].link is None:
        fleet._let_in()
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_nobody_joining_is_a_sentence(federated):
    fleet = federated("network").RemoteFleet
    with pytest.raises(SystemExit, match="No client joined within"):
        fleet(("127.0.0.1", free_port()), "t", 2, RECIPE, timeout_s=1, patience_s=0.2)


@pytest.mark.parametrize("text", ["", "host", ":80", "host:port"])
def test_what_is_no_address_is_a_sentence(federated, text: str):
    with pytest.raises(SystemExit, match="is no address"):
        federated("network").address_of(text)
