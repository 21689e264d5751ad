import subprocess
import sys

from services.platform.state import EngineState
from services.platform.status import STALE_AFTER_S, _judge, status
from tests.services.platform.conftest import ROOT


def test_a_fresh_machine_has_engines_that_never_ran(tmp_path, monkeypatch):
    from services.home import Home

    found = status(Home(tmp_path / "nothing"))
    assert [engine.name for engine in found.engines] == ["controller", "dashboard", "mlflow"]
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
