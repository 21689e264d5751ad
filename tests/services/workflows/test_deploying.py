"""The release's deployment: what is in service is updated, what is not is left alone."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from services.actions.executor import Executor
from services.errors import ConflictError, PlatformError
from services.serving import store
from services.serving.models import Rollout, Target
from services.workflows.deploying import Deployer, switched_off
from services.workflows.packaging import Package
from tests.live import eventually
from tests.services.actions.conftest import Clock, close, fill
from tests.services.actions.serving_lab import NAME, Lab, made


@pytest.fixture
def lab(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Lab]:
    monkeypatch.setenv("MLOPS_HOME", str(tmp_path / "home"))
    fill(tmp_path)
    lab = made(tmp_path, Clock())
    yield lab
    close(lab.context)


def package(version: int, model: str = "net") -> Package:
    return Package(Path("/nowhere"), {"model": model, "version": version, "files": []})


def deployer(lab: Lab, said: list[str] | None = None, patience_s: float = 60.0) -> Deployer:
    say = (said if said is not None else []).append
    return Deployer(lab.context, "lora", say, pause_s=0.05, patience_s=patience_s)


@contextmanager
def controller(lab: Lab, **ends: Any) -> Iterator[None]:
    """Execute actions as the controller does, and end each rollout as the serving engine does."""
    ended = threading.Event()

    def turn() -> None:
        executor = Executor(lab.context)
        while not ended.wait(0.05):
            executor.execute_pending()
            now = lab.endpoint()
            if now is not None and now.rollout is not None:
                lab.engine_ends(**ends)

    thread = threading.Thread(target=turn)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def test_a_version_in_service_is_replaced_by_the_policy(lab: Lab):
    lab.live(1, min_replicas=2, max_replicas=2)
    said: list[str] = []
    with controller(lab, live=True):
        told = deployer(lab, said).deploy([package(2)], asked=False)
    assert told["said"] == "lora.net serves version 2."
    assert "skip" not in told
    (done,) = told["deployments"]
    assert (done["model"], done["version"], done["endpoint"]) == ("net", 2, NAME)
    record = lab.executor.record(done["action"])
    assert (record.actor, record.state) == ("policy:release", "done")
    now = lab.endpoint()
    assert now is not None
    assert now.live is not None
    assert (now.live.version, now.live.min_replicas) == (2, 2)
    assert any(line.startswith("Package and sign version 2:") for line in said)


def test_a_version_that_goes_back_fails_the_release(lab: Lab):
    lab.live(1)
    with controller(lab, live=False, said="It was slow."), pytest.raises(PlatformError) as caught:
        deployer(lab).deploy([package(2)], asked=False)
    assert "It was slow." in caught.value.message
    assert caught.value.hint == "What was live before answers again."


def test_what_was_never_in_service_is_deployed_when_a_person_asked(lab: Lab):
    told = deployer(lab).deploy([package(2)], asked=False)
    assert told["skip"].startswith("net is not in service, so version 2 is not deployed by itself.")
    assert "mlops deploy lora/net:2" in told["skip"]
    assert told["deployments"] == []
    assert lab.endpoint() is None
    with controller(lab, live=True):
        told = deployer(lab).deploy([package(2)], asked=True)
    assert told["deployments"][0]["version"] == 2


def test_an_older_version_takes_over_only_when_it_is_asked_for(lab: Lab):
    lab.live(6)
    told = deployer(lab).deploy([package(2)], asked=False)
    assert told["skip"] == "Version 6 of net is live, which is newer than 2."
    assert "live already" in deployer(lab).deploy([package(6)], asked=True)["skip"]
    with controller(lab, live=True):
        assert deployer(lab).deploy([package(2)], asked=True)["deployments"]
    assert deployer(lab).deploy([], asked=True)["skip"] == "Nothing was packaged."


def test_a_rollout_under_way_is_waited_for(lab: Lab):
    lab.live(1)
    journal = lab.context.journal
    store.put_rollout(journal, "lora", "net", Rollout(Target(6), action_id=99))
    said: list[str] = []
    found: list[dict[str, Any]] = []
    thread = threading.Thread(
        target=lambda: found.append(deployer(lab, said).deploy([package(2)], asked=False))
    )
    thread.start()
    eventually(lambda: said == ["It waits for the rollout of version 6."])
    lab.engine_ends(live=True)
    thread.join()
    assert found[0]["skip"] == "Version 6 of net is live, which is newer than 2."


def test_a_canary_of_a_person_is_not_waited_for(lab: Lab):
    lab.live(1)
    canary = Rollout(Target(6), "canary", 0.1, action_id=99)
    store.put_rollout(lab.context.journal, "lora", "net", canary)
    with pytest.raises(ConflictError, match="rollout of version 6"):
        deployer(lab).deploy([package(2)], asked=False)


def test_what_does_not_end_is_told_to_go_on(lab: Lab):
    lab.live(1)
    with pytest.raises(ConflictError, match="is still under way: nobody took it up") as caught:
        deployer(lab, patience_s=0.2).deploy([package(2)], asked=False)
    assert "goes on by itself" in caught.value.hint
    assert time.time() > 0


def test_where_nothing_serves_it_says_how_to_switch_it_on(lab: Lab):
    told = switched_off("lora", [replace(package(2), folder=Path("/packages/2"))])
    assert "ready at /packages/2" in told["skip"]
    assert "serving_enabled" in told["skip"]
