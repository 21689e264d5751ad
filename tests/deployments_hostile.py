"""A model in service whose every word is HTML, markdown, icons."""

import os
import time
from dataclasses import replace

from services.actions.journal import Journal
from services.home import Home
from services.serving import figures, routes, status, store
from services.serving.figures import Figures
from services.serving.models import (
    BundleInfo,
    Endpoint,
    EndpointStatus,
    Field,
    Rollout,
    RolloutStatus,
    RolloutStep,
    VersionStatus,
)
from services.serving.routes import Replica, Route, Routes, VersionRoute
from services.serving.status import ServingStatus
from services.serving.store import ApiKey
from tests import hostile_seed
from tests.deployments_seed import MB, replica, target


def fill(home: Home, journal: Journal) -> str:
    """Put a model in service of which every word is HTML, markdown, icons; return its name."""
    bad = hostile_seed.TEXT
    one = Endpoint(hostile_seed.PROJECT, hostile_seed.MODEL, target(1, 100))
    rollout = Rollout(target(2, 100), "canary", 0.2, actor=bad)
    store.change(journal, one.project, one.model, lambda _: replace(one, rollout=rollout))
    store.record_event(journal, one.name, "live", bad, version=1, actor=bad)
    key = ApiKey("3a1b2c3d4e5f", one.project, bad, "0" * 64, (bad,), 1.0, 1, time.time(), bad)
    store.add_key(journal, key)
    log = home.logs / "serving" / "hostile.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    log.write_text(f"ERROR {bad}\n", encoding="utf-8")
    made = replica(one.name, 1, 1, 90, home.logs, id=bad, host=bad, address=bad, log=str(log))
    steps = (RolloutStep("Load", "done", bad, 1.0, 2.0), RolloutStep(bad, "running", bad, 2.0))
    versions = tuple(
        VersionStatus(n, "live", bad, "mlx", bad, 0.5, 100 * MB, (made,)) for n in (1, 2)
    )
    seen = EndpointStatus(one.name, "canary", bad, 1, versions, RolloutStatus(
        2, "canary", None, "running", bad, steps, time.time() - 5))  # fmt: skip
    told = BundleInfo(
        one.project, one.model, 1, "classifier", "safetensors",
        (Field(bad, "BYTES", (-1,), title=bad, example=bad),
         Field(f"b {bad}", "BYTES", (-1,), title=bad, choices=(bad, f"{bad} 2"))),
        (Field("label", "BYTES", (-1,)), Field(f"c {bad}", "BYTES", (-1,))),
    )  # fmt: skip
    ways = {
        n: VersionRoute(n, replace(told, version=n), "mlx", bad, (Replica(bad, bad),))
        for n in (1, 2)
    }
    way = Route(one.name, one.project, one.model, 1, {1: 0.8, 2: 0.2}, ways)
    status.write(home, ServingStatus(time.time(), os.getpid(), "", None, {one.name: seen}))
    routes.write(home, Routes(1, {one.name: way}))
    figures.write(home, Figures(time.time(), os.getpid(), 1, {}))
    return one.name
