"""One picture of an endpoint: what is wanted, what there is, what passes, and what is old."""

import json
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from services.actions.journal import Journal
from services.commands.output import plain
from services.errors import NotFoundError
from services.home import Home
from services.serving import figures, looking, status, store
from services.serving.figures import Figures, VersionFigures
from services.serving.models import (
    EndpointStatus,
    ReplicaStatus,
    Rollout,
    RolloutStatus,
    RolloutStep,
    Target,
    VersionStatus,
)
from services.serving.status import ServingStatus

NAME = "lora.net"
MIB = 1024**2


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path)


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    journal = Journal(f"sqlite:///{tmp_path / 'journal.sqlite'}")
    yield journal
    journal.close()


def live(journal: Journal, version: int, action: int = 1, **target: Any) -> None:
    rollout = Rollout(Target(version, **target), action_id=action, actor="ana")
    store.put_rollout(journal, "lora", "net", rollout)
    store.finish_rollout(journal, NAME, version, live=True, said=f"Version {version} is live.")


def replica(number: int, **said: Any) -> ReplicaStatus:
    return replace(
        ReplicaStatus(f"{NAME}:{number}", "ready", memory_bytes=100 * MIB, peak_bytes=120 * MIB),
        **said,
    )


def sees(home: Home, *found: EndpointStatus, at: float | None = None) -> None:
    written = ServingStatus(at or time.time(), 1, endpoints={one.name: one for one in found})
    status.write(home, written)


def counts(home: Home, *found: VersionFigures, at: float | None = None) -> None:
    endpoints = {NAME: {one.version: one for one in found}}
    figures.write(home, Figures(at or time.time(), 1, endpoints=endpoints))


def test_where_nothing_is_deployed_there_is_nothing(home: Home, journal: Journal):
    assert looking.deployments(home, journal) == ()
    with pytest.raises(NotFoundError):
        looking.deployment(home, journal, NAME)
    assert looking.engine_said(home) == "The serving engine has not started yet."


def test_an_endpoint_in_one_picture(home: Home, journal: Journal):
    live(journal, 1, min_replicas=1, max_replicas=3)
    store.put_rollout(
        journal, "lora", "net",
        Rollout(Target(2), "canary", 0.1, action_id=7, actor="bob"),
    )  # fmt: skip
    steps = (RolloutStep("Load", "done"), RolloutStep("Canary", "running", "It gets 10 %."))
    sees(
        home,
        EndpointStatus(
            NAME, "canary", "Version 2 gets 10 %.", 4,
            (
                VersionStatus(
                    1, "live", backend="mlx", backend_reason="MLX weights.", share=0.9,
                    reserved_bytes=200 * MIB, replicas=(replica(1), replica(2, state="starting")),
                ),
                VersionStatus(
                    2, "canary", share=0.1, reserved_bytes=150 * MIB,
                    replicas=(replica(3, memory_bytes=None, peak_bytes=None),),
                ),
            ),
            RolloutStatus(2, "canary", 7, "running", steps=steps, began_at=1000.0),
        ),
    )  # fmt: skip
    counts(
        home,
        VersionFigures(1, requests=90, errors=1, refused=2, p50_ms=1.5, p95_ms=2.0, p99_ms=9.0),
        VersionFigures(2, requests=10, errors=0, p50_ms=99.0, in_flight=3),
    )
    (one,) = looking.deployments(home, journal, energy=lambda p, m, v: (0.002, ""))
    assert one == looking.deployments(home, journal, ["lora"], lambda p, m, v: (0.002, ""))[0]
    assert (one.version, one.state, one.backend) == (1, "canary", "mlx")
    assert (one.replicas, one.min_replicas, one.max_replicas) == (2, 1, 3)
    assert one.traffic == {1: 0.9, 2: 0.1}
    assert (one.requests, one.errors, one.refused, one.in_flight) == (100, 1, 2, 3)
    assert (one.p50_ms, one.p95_ms, one.p99_ms) == (1.5, 2.0, 9.0)
    assert (one.memory_bytes, one.reserved_bytes) == (200 * MIB, 550 * MIB)
    assert (one.energy_j_per_1000, one.energy_reason) == (2.0, "")
    assert (one.stale, one.figures_stale) == ("", "")
    assert one.live is not None
    assert (one.live.version, one.live.peak_bytes, one.live.ready) == (1, 120 * MIB, 1)
    assert one.rollout is not None
    assert (one.rollout.version, one.rollout.running, one.rollout.steps) == (2, True, steps)
    assert (one.rollout.actor, one.rollout.share) == ("bob", 0.1)
    assert one.versions[1].memory_bytes is None


def test_the_json_has_the_documented_keys(home: Home, journal: Journal):
    live(journal, 1)
    said = json.loads(json.dumps(plain(looking.deployments(home, journal)[0].as_json())))
    assert {
        "name", "project", "model", "version", "backend", "backend_reason", "state", "replicas",
        "traffic", "p50_ms", "p95_ms", "p99_ms", "errors", "requests", "memory_bytes",
        "energy_j_per_1000", "last_change", "rollout",
    } <= said.keys()  # fmt: skip
    assert said["energy_j_per_1000"] is None
    assert said["energy_reason"] == looking.NO_ENERGY
    assert said["last_change"].endswith("Z")
    assert said["memory_bytes"] is None


def test_without_its_engines_it_is_told_so(home: Home, journal: Journal):
    live(journal, 1)
    (one,) = looking.deployments(home, journal)
    assert (one.state, one.version) == ("waiting", 1)
    assert one.said == one.stale == "The serving engine has not started yet."
    assert one.figures_stale == "The gateway has not started yet."
    assert (one.p50_ms, one.memory_bytes, one.replicas, one.traffic) == (None, None, 0, {})


def test_what_was_last_known_stays_and_is_told_to_be_old(home: Home, journal: Journal):
    live(journal, 1)
    old = time.time() - 300
    sees(
        home,
        EndpointStatus(NAME, "live", versions=(VersionStatus(1, "live", replicas=(replica(1),)),)),
        at=old,
    )
    counts(home, VersionFigures(1, requests=5, p50_ms=1.0), at=old)
    (one,) = looking.deployments(home, journal)
    assert (one.state, one.replicas, one.requests, one.p50_ms) == ("live", 1, 5, 1.0)
    assert one.stale == "The serving engine has said nothing for 5 min: this is what it last saw."
    assert one.figures_stale.startswith("The gateway has said nothing for 5 min")
    assert looking.engine_said(home) == one.stale


def test_a_first_rollout_is_an_endpoint_already(home: Home, journal: Journal):
    store.put_rollout(journal, "lora", "net", Rollout(Target(4), action_id=3, actor="ana"))
    sees(
        home,
        EndpointStatus(
            NAME, "loading", "Version 4 is loaded.", versions=(VersionStatus(4, "loading"),)
        ),
    )
    (one,) = looking.deployments(home, journal)
    assert (one.version, one.state, one.live) == (4, "loading", None)
    assert one.rollout is not None
    assert one.rollout.said == "It waits for the serving engine."


def test_an_ended_rollout_stays_to_be_read(home: Home, journal: Journal):
    live(journal, 1)
    ended = RolloutStatus(2, "blue-green", 9, "rolled-back", "It was slow.", ended_at=2000.0)
    sees(home, EndpointStatus(NAME, "live", rollout=ended))
    (one,) = looking.deployments(home, journal)
    assert one.rollout is not None
    assert (one.rollout.running, one.rollout.outcome) == (False, "rolled-back")
    assert (one.rollout.said, one.rollout.version) == ("It was slow.", 2)
    sees(home, EndpointStatus(NAME, "live", rollout=replace(ended, outcome="running")))
    aborted = looking.deployments(home, journal)[0].rollout
    assert aborted is not None
    assert (aborted.running, aborted.outcome) == (False, "aborted")


def test_what_ends_is_shown_until_it_ended_and_to_those_who_see_it(home: Home, journal: Journal):
    sees(
        home,
        EndpointStatus(
            NAME, "draining", versions=(VersionStatus(1, "draining", replicas=(replica(1),)),)
        ),
    )
    (one,) = looking.deployments(home, journal)
    assert (one.name, one.project, one.model, one.state) == (NAME, "lora", "net", "draining")
    assert (one.version, one.last_change) == (1, None)
    assert looking.deployments(home, journal, ["clip"]) == ()
    assert len(looking.deployments(home, journal, ["lora"])) == 1
    sees(home, EndpointStatus(NAME, "stopped"))
    assert looking.deployments(home, journal) == ()


def test_a_shadow_is_in_no_count(home: Home, journal: Journal):
    live(journal, 1)
    versions = (VersionStatus(1, "live", share=1.0), VersionStatus(2, "shadow"))
    sees(home, EndpointStatus(NAME, "shadow", versions=versions))
    counts(home, VersionFigures(1, requests=5), VersionFigures(2, requests=5, errors=5))
    (one,) = looking.deployments(home, journal)
    assert (one.requests, one.errors, one.traffic) == (5, 0, {1: 1.0})


def test_what_was_live_when(journal: Journal):
    for action, version in enumerate((1, 2), 1):
        live(journal, version, action)
    store.remove(journal, NAME, said="By ana.", action_id=5, actor="ana")
    live(journal, 3, 6)
    found = looking.spans(journal, NAME)
    assert [(one.version, one.ended_at is None) for one in found] == [
        (3, True),
        (2, False),
        (1, False),
    ]
    assert found[1].began_at == found[2].ended_at
    assert found[0].actor == "ana"
    assert looking.spans(journal, "nobody.x") == ()


def test_what_is_of_the_future_was_written_before_the_clock_was_set(home, journal):
    assert Figures(at=2000.0).stale(1000.0)
    assert not Figures(at=1000.5).stale(1000.0)
    assert ServingStatus(at=2000.0, pid=1).stale(1000.0)
    live(journal, 1)
    sees(home, at=time.time() + 3600)
    found = looking.deployment(home, journal, NAME)
    assert (
        found.stale == "The serving engine has said nothing for a while: this is what it last saw."
    )
