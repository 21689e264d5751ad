"""How our Airflow is configured, asked and set up; the real one is in test_airflow_real.py."""

import configparser
import json
import stat
import threading
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from services.errors import PlatformError
from services.platform import airflow, engines, secrets
from services.platform.configuration import load_settings
from services.platform.engines import PARTS
from services.platform.parts import folded, parts_of
from services.platform.probes import Answer, HttpProbe
from services.platform.state import EngineState
from services.settings import Settings
from tests.services.platform.conftest import ROOT

NOW = 1_800_000_000.0
URL = "postgresql://me:hid%25den%24HOME@db.example/airflow"


@pytest.fixture
def made(home):
    secrets.ensure(home)
    return home


def configured(home, settings) -> configparser.ConfigParser:
    parser = configparser.ConfigParser()
    parser.read_string(airflow.configuration(home, settings, 8081))
    return parser


def test_four_processes_of_its_own_environment(made):
    specs = [
        airflow.spec(name, made, Settings(), {"airflow": 8081}) for name in ("airflow", *PARTS)
    ]
    python = str(ROOT / ".venv-airflow" / "bin" / "python")
    assert [" ".join(spec.argv) for spec in specs] == [
        f"{python} -P -m airflow api-server",
        f"{python} -P -m airflow scheduler --skip-serve-logs",
        f"{python} -P -m airflow dag-processor",
        f"{python} -P -m airflow triggerer --skip-serve-logs",
    ]
    assert [spec.port for spec in specs] == [8081, None, None, None]
    assert {spec.version for spec in specs} == {"3.3.2"}
    assert [bool(spec.setup.argv) for spec in specs] == [True, False, False, False]
    assert {spec.cwd for spec in specs} == {made.airflow}


def test_the_configuration_keeps_everything_on_loopback_and_at_home(made):
    found = configured(made, Settings())
    assert found["api"]["host"] == "127.0.0.1"
    assert found["api"]["port"] == "8081"
    assert found["core"]["execution_api_server_url"] == "http://127.0.0.1:8081/execution/"
    assert found["core"]["load_examples"] == "False"
    assert found["core"]["simple_auth_manager_users"] == "admin:admin,platform:admin"
    assert found["scheduler"]["enable_health_check"] == "False"
    assert found["database"]["sql_alchemy_conn"] == f"sqlite:///{made.airflow}/airflow.db"
    for section, key in (
        ("core", "dags_folder"), ("core", "plugins_folder"), ("logging", "base_log_folder"),
    ):  # fmt: skip
        assert found[section][key].startswith(str(made.airflow))


def test_keys_are_in_the_file_alone_which_is_its_owners(made):
    airflow.prepare(made, Settings(), 8081)
    path = made.airflow / "airflow.cfg"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    key = secrets.read_secret(made, "airflow-jwt.key")
    assert key in path.read_text()
    for name in ("airflow", *PARTS):
        spec = airflow.spec(name, made, Settings(), {"airflow": 8081})
        assert key not in str(spec)
    before = path.stat().st_ino
    airflow.prepare(made, Settings(), 8081)
    assert path.stat().st_ino == before
    airflow.prepare(made, Settings(), 8082)
    assert path.stat().st_ino != before


def test_the_fernet_key_is_one(made):
    import base64

    key = secrets.read_secret(made, "airflow-fernet.key")
    assert len(base64.urlsafe_b64decode(key)) == 32
    assert len(key) == 44


def test_a_database_password_reaches_airflow_whole_and_nobody_else(made, monkeypatch):
    monkeypatch.setenv("MLOPS_AIRFLOW_DATABASE", URL)
    settings = load_settings()
    told = configured(made, settings)["database"]
    wanted = "postgresql+psycopg://me:hid%25den%24HOME@db.example/airflow"
    assert told["sql_alchemy_conn"] == wanted
    assert told["sql_alchemy_conn_async"] == wanted
    spec = airflow.spec("airflow-scheduler", made, settings, {"airflow": 8081})
    assert "hid" not in " ".join(spec.argv)
    assert not [v for v in spec.environment(made, "mark").values() if "hid%25den" in v]


def test_variables_of_a_persons_own_airflow_do_not_steer_ours(made, monkeypatch):
    monkeypatch.setenv("AIRFLOW__CORE__EXECUTOR", "Strange")
    monkeypatch.setenv("AIRFLOW_HOME", "/elsewhere")
    found = airflow.spec("airflow", made, Settings(), {"airflow": 8081}).environment(made, "mark")
    assert "AIRFLOW__CORE__EXECUTOR" not in found
    assert found["AIRFLOW_HOME"] == str(made.airflow)
    assert found["AIRFLOW_CONFIG"] == str(made.airflow / "airflow.cfg")


def test_another_configuration_is_another_process(made):
    def fingerprint(**changes: object):
        spec = airflow.spec("airflow-triggerer", made, Settings(**changes), {"airflow": 8081})
        return spec.fingerprint

    assert fingerprint() == fingerprint()
    assert fingerprint() != fingerprint(airflow_parallelism=9)


def test_an_airflow_of_somebody_else_is_asked_and_not_started(made, monkeypatch):
    monkeypatch.setenv("MLOPS_AIRFLOW_URL", "https://airflow.example/")
    monkeypatch.setenv("MLOPS_AIRFLOW_USERNAME", "us")
    monkeypatch.setenv("MLOPS_AIRFLOW_PASSWORD", "hidden")
    settings = load_settings()
    assert "airflow" not in engines.preferred_ports(settings)
    names = engines.wanted(settings)
    assert "airflow" in names
    assert not set(names) & set(PARTS)
    spec = airflow.spec("airflow", made, settings, {})
    assert spec.external
    assert spec.url == "https://airflow.example"
    assert spec.ready == HttpProbe(
        "https://airflow.example/api/v2/monitor/health", airflow.all_faults
    )
    assert "hidden" not in repr(settings)


def test_without_airflow_there_is_none(monkeypatch):
    monkeypatch.setenv("MLOPS_AIRFLOW_ENABLED", "false")
    assert not [name for name in engines.wanted(Settings()) if "airflow" in name]
    assert "airflow" not in engines.preferred_ports(Settings())


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("AIRFLOW_URL", "https://a.example", "needs airflow_username and airflow_password"),
        ("AIRFLOW_URL", "a.example", "no address"),
        ("AIRFLOW_DATABASE", "mysql://me:hidden@db/airflow", "not postgresql://"),
        ("AIRFLOW_DATABASE", "postgresql://me:a@b@db:x/y", "it is no URL"),
        ("AIRFLOW_PARALLELISM", "0", "greater than or equal to 1"),
    ],
)
def test_a_wrong_setting_is_a_sentence(home, monkeypatch, name, value, said):
    monkeypatch.setenv(f"MLOPS_{name}", value)
    with pytest.raises(PlatformError, match=said) as caught:
        load_settings()
    assert "hidden" not in str(caught.value)


def test_airflow_wants_a_database_of_its_own(home, monkeypatch):
    monkeypatch.setenv("MLOPS_JOURNAL_URL", URL)
    monkeypatch.setenv("MLOPS_AIRFLOW_DATABASE", URL)
    with pytest.raises(PlatformError, match="journal_url is that database"):
        load_settings()


# Health


def health(database="healthy", scheduler="healthy", beat=NOW - 2.0) -> bytes:
    at = datetime.fromtimestamp(beat, UTC).isoformat()
    return json.dumps(
        {
            "metadatabase": {"status": database},
            "scheduler": {"status": scheduler, "latest_scheduler_heartbeat": at},
            "dag_processor": {"status": None, "latest_dag_processor_heartbeat": None},
            "triggerer": {"status": "healthy", "latest_triggerer_heartbeat": at},
        }
    ).encode()


def test_the_api_server_is_well_when_its_database_is():
    assert airflow.database_fault(health()) == ""
    assert "cannot use its database" in airflow.database_fault(health(database="unhealthy"))
    assert "cannot read" in airflow.database_fault(b"<html>")
    assert "cannot read" in airflow.database_fault(b"[]")


def test_anothers_airflow_is_as_well_as_its_parts():
    assert airflow.all_faults(health()) == ""
    assert airflow.all_faults(health(scheduler="unhealthy")).startswith(
        "Its scheduler is unhealthy"
    )
    assert "database" in airflow.all_faults(health(database="unhealthy"))


@pytest.mark.parametrize(
    ("beat", "started_at", "said"),
    [
        (NOW - 2.0, NOW - 60.0, ""),
        (NOW - 25.0, NOW - 60.0, "Its last heartbeat is 25 s old."),
        (NOW - 70.0, NOW - 60.0, "It has not noted a heartbeat since it was started."),
    ],
)
def test_a_part_is_as_well_as_its_heartbeat(beat, started_at, said):
    body = health(beat=beat)
    assert airflow.part_fault(body, "airflow-scheduler", started_at, NOW) == said


def test_a_part_that_never_ran():
    fault = airflow.part_fault(health(), "airflow-dag-processor", 0.0, NOW)
    assert fault == "It has not noted a heartbeat yet."
    assert "cannot read" in airflow.part_fault(b"x", "airflow-scheduler", 0.0, NOW)


@pytest.mark.parametrize("late_s", [0.0, 60.0])
def test_a_part_is_asked_through_the_api_server(late_s):
    body = health(beat=(datetime.now(UTC) - timedelta(seconds=late_s)).timestamp())

    class Health(BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *arguments: object):
            pass

    with HTTPServer(("127.0.0.1", 0), Health) as server:
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        probe = airflow.PartProbe(f"http://127.0.0.1:{server.server_port}/", "airflow-scheduler")
        answer = probe(0.0)
        server.shutdown()
    assert answer.ready == (late_s == 0.0)
    assert not answer.unknown
    away = probe(0.0)
    assert away == Answer(
        ready=False,
        detail="Airflow's API server, which would tell how it is, does not answer.",
        unknown=True,
    )


# One engine of several processes


def state(name, phase="live", **changes: object):
    told = {"title": name, "since": 100.0, "answered_at": 200.0} | changes
    return EngineState(name, phase=phase, **told)


def test_an_engine_is_as_well_as_the_worst_of_its_parts():
    well = [state("airflow"), *(state(name, since=150.0) for name in PARTS), state("mlflow")]
    whole, other = folded(well)
    assert (whole.name, whole.phase, whole.since) == ("airflow", "live", 150.0)
    assert other == state("mlflow")
    unwell = [*well[:1], state("airflow-scheduler", "waiting", detail="It ended."), *well[2:]]
    whole, _ = folded(unwell)
    assert (whole.phase, whole.detail) == ("waiting", "airflow-scheduler: It ended.")
    down = [state("airflow", "failing", detail="No network."), *unwell[1:]]
    assert folded(down)[0].detail == "No network."


def test_an_engine_answered_when_the_most_silent_part_did():
    parts = [state("airflow"), *(state(name) for name in PARTS)]
    parts[2] = state("airflow-dag-processor", answered_at=120.0)
    assert folded(parts)[0].answered_at == 120.0
    parts[3] = state("airflow-triggerer", "starting", answered_at=None)
    assert folded(parts)[0].answered_at is None
    assert parts_of("airflow") == tuple(PARTS)
    assert parts_of("mlflow") == ()
