"""Evidently's screen as an engine that is there when it is asked for."""

import pytest

from services.platform import engines, evidently_doctor, secrets
from services.platform.probes import HttpProbe
from services.platform.status import status
from services.settings import Settings
from tests.services.platform.test_engines import PORTS


@pytest.fixture
def enabled(home, monkeypatch):
    monkeypatch.setenv("MLOPS_EVIDENTLY_ENABLED", "true")
    secrets.ensure(home)
    return engines.build(home, Settings(), PORTS | {"evidently": 8001})[-1]


def test_nobody_gets_it_unasked(home):
    assert "evidently" not in engines.wanted(Settings())
    assert "evidently" not in engines.preferred_ports(Settings())
    assert "evidently" not in {one.name for one in status(home).engines}
    assert list(evidently_doctor.evidently(home)) == []


def test_it_shows_the_workspace_of_monitoring_on_a_port_of_its_own(home, enabled):
    assert enabled.name == "evidently"
    assert engines.preferred_ports(Settings())["evidently"] == 8000
    assert enabled.ready == HttpProbe("http://127.0.0.1:8001/api/version")
    assert enabled.url == "http://127.0.0.1:8001"
    told = dict(zip(enabled.argv[3::2], enabled.argv[4::2], strict=True))
    assert told == {
        "--port": "8001",
        "--workspace": str(home.root / "monitoring" / "workspace"),
        "--password": str(home.secrets / "evidently-people.token"),
    }
    assert enabled.env["DO_NOT_TRACK"] == "1"


def test_its_password_is_in_a_file_alone(home, enabled):
    password = secrets.read_secret(home, "evidently-people.token")
    assert len(password) >= 43
    assert password not in " ".join(enabled.argv)
    assert password not in str(enabled.environment(home, "mark"))


@pytest.mark.usefixtures("enabled")
def test_the_doctor_says_where_its_password_is_and_when_it_is_not_installed(home, monkeypatch):
    (found,) = evidently_doctor.evidently(home)
    assert found.level == "ok"
    assert str(home.secrets / "evidently-people.token") in found.meaning
    monkeypatch.setattr(evidently_doctor, "version_of", lambda _: "")
    (found,) = evidently_doctor.evidently(home)
    assert found.level == "error"
