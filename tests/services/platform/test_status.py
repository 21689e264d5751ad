import os
import subprocess
import sys
import time

import pytest

from services.platform import control
from services.platform.files import write_json
from services.platform.state import EngineState, PlatformState
from services.platform.status import STALE_AFTER_S, _judge, status
from services.process_identity import Identity
from tests.services.platform.conftest import ROOT


def test_a_fresh_machine_has_engines_that_never_ran(tmp_path, monkeypatch):
    from services.home import Home

    found = status(Home(tmp_path / "nothing"))
    names = [engine.name for engine in found.engines]
    assert names == ["airflow", "controller", "dashboard", "mlflow", "telemetry"]
    parts = [part.name for part in found.engines[0].parts]
    assert parts == ["airflow", "airflow-scheduler", "airflow-dag-processor", "airflow-triggerer"]
    assert found.engines[1].parts == ()
    assert {engine.state for engine in found.engines} == {"never"}
    assert {engine.rss_bytes for engine in found.engines} == {None}
    assert not (tmp_path / "nothing").exists()


def judged(phase, age_s, detail=""):
    return _judge(EngineState("small", phase=phase, detail=detail), age_s, kept=True)[0]


def test_each_phase_has_its_word():
    assert judged("starting", None) == "never"
    assert judged("failing", None) == "never"
    assert judged("starting", 5.0) == "down"
    assert judged("waiting", 5.0) == "down"
    assert judged("live", 1.0) == "live"
    assert judged("unresponsive", 1.0) == "stale"
    assert judged("live", STALE_AFTER_S + 1) == "stale"


@pytest.mark.parametrize(("free", "said"), [(1 << 20, True), (1 << 40, False)])
def test_an_old_answer_on_a_full_disk_says_why_there_is_no_newer(home, monkeypatch, free, said):
    usage = type("Usage", (), {"free": free})
    monkeypatch.setattr("shutil.disk_usage", lambda path: usage)
    own = Identity.of(os.getpid())
    monkeypatch.setattr(control, "running", lambda home: own)
    old = EngineState("small", phase="live", answered_at=time.time() - STALE_AFTER_S - 60)
    write_json(home.run / "state.json", PlatformState(own, engines=(old,)).document())

    engine = next(engine for engine in status(home).engines if engine.name == "small")

    assert engine.state == "stale"
    assert engine.detail.startswith("The supervisor last noted an answer")
    assert engine.detail.endswith("ago: the disk it notes them on is full.") == said


def test_without_a_supervisor_an_engine_is_down_since_it_last_answered(home):
    ended = EngineState("small", phase="live", since=time.time() - 900, answered_at=1_790_000_000.0)
    write_json(home.run / "state.json", PlatformState(engines=(ended,)).document())
    engine = next(engine for engine in status(home).engines if engine.name == "small")
    assert engine.state == "down"
    assert engine.since is not None
    assert engine.since.timestamp() == 1_790_000_000.0


def test_status_loads_nothing_heavy():
    code = (
        "import sys; from services.cli import mlops;"
        "mlops(['status'], standalone_mode=False);"
        "heavy = {'pydantic', 'pydantic_settings', 'sqlalchemy', 'httpx', 'mlflow', 'rich',"
        "         'numpy', 'http.client', 'asyncio'};"
        "sys.exit(repr(heavy & set(sys.modules)) if heavy & set(sys.modules) else 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()


def test_the_help_loads_no_command():
    code = (
        "import sys; from services.cli import mlops;"
        "mlops(['--help'], standalone_mode=False);"
        "loaded = [name for name in sys.modules if name.startswith('services.commands')];"
        "sys.exit(repr(loaded) if loaded else 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()
    assert b"doctor" in done.stdout


def test_an_engine_that_is_not_wanted_is_not_told(home, monkeypatch):
    own = Identity.of(os.getpid())
    monkeypatch.setattr(control, "running", lambda home: own)
    write_json(home.run / "state.json", PlatformState(own, wanted=("mlflow",)).document())
    assert [engine.name for engine in status(home).engines] == ["mlflow"]


def test_a_part_that_is_silent_makes_its_engine_stale_since_then(home, monkeypatch):
    own = Identity.of(os.getpid())
    monkeypatch.setattr(control, "running", lambda home: own)
    now = time.time()
    well = {"phase": "live", "since": now - 90, "answered_at": now}
    silent = {"phase": "unresponsive", "since": now - 30, "answered_at": now - 35}
    known = (
        EngineState("airflow", "Airflow", **well),
        EngineState("airflow-scheduler", "Airflow scheduler", detail="It is silent.", **silent),
    )
    wanted = ("airflow", "airflow-scheduler")
    state = PlatformState(own, engines=known, wanted=wanted)
    write_json(home.run / "state.json", state.document())
    (engine,) = status(home).engines
    assert (engine.name, engine.state) == ("airflow", "stale")
    assert engine.detail == "Airflow scheduler: It is silent."
    assert engine.since.timestamp() == pytest.approx(now - 30)
    assert engine.age_s == pytest.approx(35, abs=2)
    assert [(part.name, part.state) for part in engine.parts] == [
        ("airflow", "live"),
        ("airflow-scheduler", "stale"),
    ]
