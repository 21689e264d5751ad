import json
import socket

import pytest

from services.platform import ports
from tests.services.platform.conftest import free_port


def remembered(home):
    document = json.loads((home.run / "ports.json").read_text())
    return {name: port for name, port in document.items() if isinstance(port, int)}


def test_the_wished_port_is_taken_when_it_is_free(home):
    port = free_port()
    assert ports.choose(home, {"mlflow": port}) == {"mlflow": port}
    assert remembered(home) == {"mlflow": port}


@pytest.mark.parametrize("address", ["127.0.0.1", "0.0.0.0"])  # noqa: S104 - that is the point
def test_a_taken_port_is_replaced_and_the_new_one_remembered(home, address):
    with socket.create_server((address, 0)) as taken:
        wished = taken.getsockname()[1]
        chosen = ports.choose(home, {"mlflow": wished})
        assert chosen["mlflow"] != wished
        assert ports.is_free(chosen["mlflow"])
    assert ports.choose(home, {"mlflow": wished}) == chosen


def test_a_changed_wish_beats_the_memory(home):
    first, second = free_port(), free_port()
    ports.choose(home, {"mlflow": first})
    assert ports.choose(home, {"mlflow": second}) == {"mlflow": second}


def test_an_engine_that_runs_keeps_its_taken_port(home):
    with socket.create_server(("127.0.0.1", 0)) as own:
        port = own.getsockname()[1]
        (home.run / "ports.json").write_text(json.dumps({"mlflow": port}))
        assert ports.choose(home, {"mlflow": 5000}, kept=["mlflow"]) == {"mlflow": port}


def test_two_engines_never_get_one_port(home):
    port = free_port()
    chosen = ports.choose(home, {"mlflow": port, "dashboard": port})
    assert chosen["mlflow"] == port
    assert chosen["dashboard"] != port


@pytest.mark.parametrize("garbage", ["", "[]", "{", '{"mlflow": "x", "dashboard": true}', "\xff"])
def test_a_garbage_memory_is_set_aside(home, garbage, caplog):
    (home.run / "ports.json").write_text(garbage, encoding="latin-1")
    port = free_port()
    assert ports.choose(home, {"mlflow": port}) == {"mlflow": port}
    assert remembered(home) == {"mlflow": port}


def test_a_port_just_left_is_free_again(home):
    """A closed connection lingers in the kernel; that must not move an engine to another port."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        with socket.create_connection(("127.0.0.1", port)):
            accepted, _ = server.accept()
            accepted.close()
    assert ports.is_free(port)
