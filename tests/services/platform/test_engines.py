import pytest

from services.engines import names
from services.errors import PlatformError
from services.platform import engines, secrets
from services.platform.configuration import load_settings
from services.platform.probes import HeartbeatProbe, HttpProbe
from services.settings import Settings

PORTS = {"mlflow": 5001, "dashboard": 8502, "telemetry": 9471, "airflow": 8081, "gateway": 8091}
SERVING = ["serving", "gateway", "predictions"]


@pytest.fixture
def built(home):
    secrets.ensure(home)
    return {spec.name: spec for spec in engines.build(home, Settings(), PORTS)}


def test_every_engine_is_built_and_the_dashboard_comes_first(built):
    own = ["dashboard", "mlflow", "controller", "telemetry"]
    assert list(built) == [*own, "airflow", *engines.PARTS, *SERVING]


def test_engines_are_called_the_same_everywhere(built):
    told = {spec.name: spec.title for spec in built.values()}
    assert told == {name: names.title(name) for name in built}
    assert {name for name in engines.BUILDERS if name not in names.TITLES} == set()
    assert names.title("own-engine") == "Own-engine"


def test_mlflow_listens_on_loopback_behind_our_app_with_workspaces(home, built):
    spec = built["mlflow"]
    words = " ".join(spec.argv)
    assert "server --app-name mlops --enable-workspaces --workers 1" in words
    assert "--host 127.0.0.1 --port 5001" in words
    assert "--allowed-hosts 127.0.0.1:5001,localhost:5001" in words
    assert spec.env["MLFLOW_BACKEND_STORE_URI"] == f"sqlite:///{home.mlflow}/mlflow.db"
    assert spec.env["MLFLOW_SERVER_ENABLE_JOB_EXECUTION"] == "false"
    assert spec.ready == HttpProbe("http://127.0.0.1:5001/health")


def test_a_password_in_a_store_address_is_not_in_the_argument_list(home, monkeypatch):
    monkeypatch.setenv("MLOPS_MLFLOW_BACKEND_STORE", "postgresql://user:hidden@db/mlflow")
    secrets.ensure(home)
    spec = engines.mlflow(home, Settings(), PORTS)
    assert "hidden" not in " ".join(spec.argv)
    assert "hidden" in spec.env["MLFLOW_BACKEND_STORE_URI"]


def test_an_mlflow_of_somebody_else_is_asked_and_not_started(home, monkeypatch):
    monkeypatch.setenv("MLOPS_MLFLOW_URL", "https://mlflow.example/")
    spec = engines.mlflow(home, Settings(), {})
    assert spec.external
    assert spec.url == "https://mlflow.example"
    assert "mlflow" not in engines.preferred_ports(Settings())


def test_a_shell_set_up_for_a_project_does_not_steer_an_engine(home, built, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://elsewhere")
    monkeypatch.setenv("MLOPS_PROJECT", "lora-finetuning")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "key")
    found = built["mlflow"].environment(home, "mark")
    assert "MLFLOW_TRACKING_URI" not in found
    assert "MLOPS_PROJECT" not in found
    assert found["AWS_ACCESS_KEY_ID"] == "key"
    assert found["MLOPS_ENGINE"] == "mark"
    assert found["MLOPS_HOME"] == str(home.root)


def test_the_fingerprint_tells_another_start_apart(home, built):
    other = engines.mlflow(home, Settings(), {"mlflow": 5002})
    assert built["mlflow"].fingerprint != other.fingerprint
    assert built["mlflow"].fingerprint == engines.mlflow(home, Settings(), PORTS).fingerprint


def test_telemetry_is_told_all_by_arguments_and_answers_by_heartbeat(home, built):
    spec = built["telemetry"]
    words = " ".join(spec.argv[1:])
    assert words == (
        "-m services.telemetry --port 9471 --listen 127.0.0.1 --interval 2 --keep 14 7 90 730"
    )
    assert spec.ready == HeartbeatProbe(home.run / "telemetry.json")
    assert spec.url == "http://127.0.0.1:9471"
    assert engines.preferred_ports(Settings())["telemetry"] == 9470


def test_telemetry_with_a_certificate_is_asked_with_tls(home, monkeypatch):
    monkeypatch.setenv("MLOPS_TELEMETRY_CERTIFICATE", "/c.pem")
    monkeypatch.setenv("MLOPS_TELEMETRY_KEY", "/k.pem")
    monkeypatch.setenv("MLOPS_TELEMETRY_LISTEN", "0.0.0.0")  # noqa: S104 - a setting, not bound
    spec = engines.telemetry(home, Settings(), PORTS)
    assert spec.argv[-4:] == ("--certificate", "/c.pem", "--key", "/k.pem")
    assert "--listen 0.0.0.0" in " ".join(spec.argv)
    assert spec.url.startswith("https://")


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("TELEMETRY_LISTEN", "everywhere", "no IP address"),
        ("TELEMETRY_CERTIFICATE", "/c.pem", "belong together"),
        ("TELEMETRY_KEY", "/k.pem", "belong together"),
        ("TELEMETRY_INTERVAL_S", "0.1", "greater than or equal to 2"),
    ],
)
def test_a_wrong_setting_of_the_telemetry_is_a_sentence(home, monkeypatch, name, value, said):
    monkeypatch.setenv(f"MLOPS_{name}", value)
    with pytest.raises(PlatformError, match=said):
        load_settings()
