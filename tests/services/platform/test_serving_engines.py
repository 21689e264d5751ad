"""Serving as part of the platform: its engines, its settings, what goes on when it crashes."""

import os
import signal
import subprocess
import sys

import psutil
import pytest

from services.errors import PlatformError
from services.platform import engines, processes, secrets
from services.platform.configuration import load_settings
from services.platform.probes import HeartbeatProbe, HttpProbe
from services.platform.serving_doctor import serving
from services.platform.status import status
from services.settings import Settings
from tests.services.platform.conftest import engine, free_port, kept, live, small_spec, wait_until

PORTS = {"mlflow": 5001, "dashboard": 8502, "telemetry": 9471, "airflow": 8081, "gateway": 8091}


@pytest.fixture
def enabled(home, monkeypatch):
    monkeypatch.setenv("MLOPS_SERVING_ENABLED", "true")
    secrets.ensure(home)
    return {spec.name: spec for spec in engines.build(home, Settings(), PORTS)}


def test_without_serving_none_of_its_engines_is_wanted(home, monkeypatch):
    monkeypatch.setenv("MLOPS_SERVING_ENABLED", "false")
    assert not engines.SERVING & set(engines.wanted(Settings()))
    assert "gateway" not in engines.preferred_ports(Settings())
    assert not engines.SERVING & {one.name for one in status(home).engines}


def test_serving_has_three_engines(home, enabled):
    assert set(enabled) >= engines.SERVING
    assert engines.preferred_ports(Settings())["gateway"] == 8090
    assert enabled["serving"].argv[1:] == ("-m", "services.serving")
    assert enabled["serving"].ready == HeartbeatProbe(home.run / "serving.json")
    assert enabled["serving"].stop_scope == "leader"
    assert enabled["gateway"].argv[1:] == ("-m", "services.gateway", "--port", "8091")
    assert enabled["gateway"].ready == HttpProbe("http://127.0.0.1:8091/healthz")
    assert enabled["predictions"].argv[1:] == ("-m", "services.predictions", "--days", "90")
    assert enabled["predictions"].ready == HeartbeatProbe(home.run / "predictions.json")


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("SERVING_RAY_ADDRESS", "somewhere", "no address of a Ray cluster"),
        ("SERVING_MEMORY_GB", "0", "greater than 0"),
        ("GATEWAY_LISTEN", "everywhere", "no IP address"),
        ("GATEWAY_PORT", "70000", "less than or equal to 65535"),
        ("PREDICTIONS_DAYS", "0", "greater than 0"),
    ],
)
def test_a_wrong_setting_of_serving_is_a_sentence(home, monkeypatch, name, value, said):
    monkeypatch.setenv(f"MLOPS_{name}", value)
    with pytest.raises(PlatformError, match=said):
        load_settings()


def findings(home):
    return [(one.level, one.what) for one in serving(home)]


def test_the_doctor_looks_at_serving_only_where_it_is_wanted(home, monkeypatch):
    monkeypatch.setenv("MLOPS_SERVING_ENABLED", "false")
    assert findings(home) == []
    monkeypatch.setenv("MLOPS_SERVING_ENABLED", "true")
    assert findings(home) == [("ok", "gateway"), ("ok", "Ray")]


def test_the_doctor_finds_an_open_gateway_and_a_token_that_others_can_read(home, monkeypatch):
    monkeypatch.setenv("MLOPS_SERVING_ENABLED", "true")
    monkeypatch.setenv("MLOPS_GATEWAY_LISTEN", "192.0.2.7")
    token = home.run / "serving" / "ray" / "token"
    token.parent.mkdir(parents=True)
    token.write_text("secret")
    token.chmod(0o644)
    assert findings(home) == [("warning", "gateway"), ("error", "Ray")]
    token.chmod(0o600)
    assert findings(home) == [("warning", "gateway"), ("ok", "Ray")]


def test_the_doctor_finds_a_cluster_without_a_token(home, monkeypatch, tmp_path):
    monkeypatch.setenv("MLOPS_SERVING_ENABLED", "true")
    monkeypatch.setenv("MLOPS_SERVING_RAY_ADDRESS", "192.0.2.9:6379")
    assert findings(home)[1:] == [("error", "Ray")]
    monkeypatch.setenv("MLOPS_SERVING_RAY_TOKEN", str(tmp_path / "token"))
    assert findings(home)[1:] == [("error", "Ray")]
    (tmp_path / "token").touch(mode=0o600)
    assert findings(home)[1:] == [("ok", "Ray")]


def serving_on(home):
    """Start a process of the engine that goes on without it."""
    mark = processes.mark(home.root, "small")
    return subprocess.Popen(
        [sys.executable, "-S", "-c", "import time; time.sleep(600)"],
        env=os.environ | {processes.MARK: mark, engines.SERVES_ON: "one"},
        start_new_session=True,
    )


def test_what_serves_on_outlives_a_crash_of_its_engine_and_ends_when_it_is_stopped(home):
    spec = small_spec("small", free_port(), "--child", outlived_by=engines.SERVES_ON)
    with kept(home, spec) as supervisor:
        first = live(supervisor).leader
        other = serving_on(home)
        os.kill(first.pid, signal.SIGKILL)
        wait_until(lambda: (now := engine(supervisor)).phase == "live" and now.leader != first)
        assert psutil.Process(other.pid).status() != psutil.STATUS_ZOMBIE
    assert other.wait(10) == -signal.SIGTERM
