"""What is deployed is found in the routes; what came of its check are plain values."""

import json
import os
import subprocess
import sys

import pytest

from services.errors import PlatformError
from services.home import Home
from services.monitoring import deployed
from services.monitoring.computing import Monitor
from services.monitoring.store import VerdictStore
from services.serving import routes
from services.serving.routes import Route, Routes
from tests.services.monitoring.predicted import HOUR_S, asked
from tests.services.monitoring.test_computing import NOW, TrackingServer, evaluated


def test_live_versions_and_canaries_are_looked_at_shadows_are_not(home: Home):
    assert deployed.versions(home) == ()
    routes.write(home, Routes(1, {
        "p.m": Route("p.m", "p", "m", 3, {3: 0.9, 4: 0.1, 5: 0.0}, {}, shadow=6),
        "p.other": Route("p.other", "p", "other", 1, {1: 1.0}, {}),
    }))  # fmt: skip
    assert deployed.versions(home) == (("p", "m", 3), ("p", "m", 4), ("p", "other", 1))
    assert deployed.versions(home, ["p.other"]) == (("p", "other", 1),)


def test_a_check_is_a_line_a_verdict(home: Home):
    store = VerdictStore(home)
    checks = Monitor(home, store, TrackingServer(evaluated()))  # type: ignore[arg-type]
    asked(home, NOW - HOUR_S, 2000, shift=1.0)
    found = deployed.documents(("p", "m", 3), checks.check("p", "m", 3, now=NOW))
    store.close()
    json.dumps(found)
    assert [one["kind"] for one in found] == ["data", "prediction", "quality", "accuracy"]
    first = found[0]
    assert (first["deployment"], first["state"], first["drifted_columns"], first["columns"]) == (
        "p.m", "drifted", ["input.a"], 4,
    )  # fmt: skip


def test_a_check_that_failed_says_why():
    said = deployed.documents(("p", "m", 3), PlatformError("It is broken.", "Mend it."))
    assert said == [
        {"deployment": "p.m", "version": 3, "error": "It is broken.", "hint": "Mend it."}
    ]


@pytest.mark.slow
def test_the_process_says_what_is_missing(home: Home):
    environment = {**os.environ, "MLOPS_HOME": str(home.root)}
    routes.write(home, Routes(1, {"p.m": Route("p.m", "p", "m", 3, {3: 1.0}, {})}))
    done = subprocess.run(
        [sys.executable, "-P", "-m", "services.monitoring"],
        env=environment, capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (1, "")
    (told,) = [json.loads(line) for line in done.stdout.splitlines()]
    assert told["deployment"] == "p.m"
    assert "MLflow token is not readable" in told["error"]
