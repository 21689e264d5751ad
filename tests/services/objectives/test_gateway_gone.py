"""A real gateway that ends: its deployments are out of service from then on."""

import json
import time
from pathlib import Path

import pytest

from services.actions.journal import Journal
from services.controller.in_service import InServiceWatch
from services.home import Home
from services.serving import figures, in_service, status
from services.serving.models import EndpointStatus
from services.serving.status import ServingStatus
from services.settings import Settings
from tests.live import eventually
from tests.services.objectives.test_asking import NET, live
from tests.serving_whole import engine, free_port

NAME = "lora.net"


@pytest.mark.engine
def test_a_gateway_that_is_stopped_puts_its_deployments_out_of_service(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("MLOPS_HOME", str(tmp_path / "home"))
    home, port = Home.locate(), free_port()
    home.create()
    (home.run / "ports.json").write_text(json.dumps({"gateway": port}))
    journal = Journal.open(Settings())
    live(journal, NET)
    watch = InServiceWatch(home, journal)

    def states() -> list[str]:
        endpoints = {NAME: EndpointStatus(NAME, "idle")}
        status.write(home, ServingStatus(time.time(), 1, endpoints=endpoints))
        watch.turn()
        return [one.state for one in in_service.read(home).get(NAME, ())]

    with engine(home, "services.gateway", "--port", str(port)):
        eventually(lambda: (f := figures.read(home)) and not f.stale())
        assert states() == ["up"]
        # One that writes nothing, as on a full disk, and answers is up.
        engines = [{"name": "gateway", "url": f"http://127.0.0.1:{port}", "phase": "running"}]
        (home.run / "state.json").write_text(json.dumps({"engines": engines}))
        watch.clock = lambda: time.time() + figures.STALE_S + 5.0
        assert states() == ["up"]
        watch.clock = time.time
    eventually(lambda: (f := figures.read(home)) and f.stale())
    assert states() == ["up", "down"]
    journal.close()
