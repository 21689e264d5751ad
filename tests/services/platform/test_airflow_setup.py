"""What has to be there before Airflow starts, and what the doctor says of it."""

import shutil
import sqlite3

import pytest

from services.errors import PlatformError
from services.platform import airflow, airflow_setup, doctor
from services.settings import Settings


@pytest.fixture
def current(monkeypatch):
    monkeypatch.setattr(airflow_setup.bootstrap, "is_current", lambda root, group: True)


def database(home, revision="abc"):
    home.airflow.mkdir(exist_ok=True)
    path = home.airflow / "airflow.db"
    with sqlite3.connect(path) as ours:
        ours.execute("CREATE TABLE alembic_version (version_num TEXT)")
        ours.execute("INSERT INTO alembic_version VALUES (?)", (revision,))
    ours.close()
    return path


def migrated(monkeypatch, home, calls):
    def migrate(given):
        calls.append(given)
        if not (home.airflow / "airflow.db").exists():
            database(home)

    monkeypatch.setattr(airflow_setup, "_migrate", migrate)
    monkeypatch.setattr(airflow_setup.bootstrap, "stamp", lambda root, group: "pins")


def test_it_waits_for_its_environment_then_for_its_database(home, monkeypatch, current):
    assert airflow_setup.missing(home, "", "pins") == ("Its database has to be brought up to date.")
    monkeypatch.setattr(airflow_setup.bootstrap, "is_current", lambda root, group: False)
    assert airflow_setup.missing(home, "", "pins") == "Its environment has to be made."


def test_what_is_set_up_is_not_set_up_again(home, monkeypatch, current):
    home.airflow.mkdir()
    calls = []
    migrated(monkeypatch, home, calls)
    airflow_setup.make(home, Settings())
    assert airflow_setup.missing(home, "", "pins") == ""
    airflow_setup.make(home, Settings())
    assert len(calls) == 1


def test_changed_pins_and_a_database_that_is_gone_are_migrated(home, monkeypatch, current):
    home.airflow.mkdir()
    calls = []
    migrated(monkeypatch, home, calls)
    airflow_setup.make(home, Settings())
    monkeypatch.setattr(airflow_setup.bootstrap, "stamp", lambda root, group: "newer pins")
    assert airflow_setup.missing(home, "", "newer pins")
    airflow_setup.make(home, Settings())
    (home.airflow / "airflow.db").unlink()
    assert airflow_setup.missing(home, "", "newer pins") == "Its database has to be made."
    airflow_setup.make(home, Settings())
    assert len(calls) == 3


def test_a_damaged_database_is_a_sentence_and_is_not_touched(home, monkeypatch, current, capsys):
    home.airflow.mkdir()
    migrated(monkeypatch, home, [])
    airflow_setup.make(home, Settings())
    path = home.airflow / "airflow.db"
    path.write_bytes(b"x" * 4096)
    assert "is damaged" in airflow_setup.missing(home, "", "pins")
    assert airflow_setup.main() == 1
    last = capsys.readouterr().err.splitlines()[-1]
    assert last.startswith(f"Airflow's database {path} is damaged (file is not a database)")
    assert path.read_bytes() == b"x" * 4096


def test_a_postgres_that_is_away_is_a_sentence_without_its_password(
    home, monkeypatch, current, capsys
):
    home.airflow.mkdir()
    url = "postgresql://me:hidden@127.0.0.1:1/airflow"
    monkeypatch.setenv("MLOPS_AIRFLOW_DATABASE", url)
    migrated(monkeypatch, home, [])
    assert airflow_setup.main() == 1
    said = capsys.readouterr().err
    assert "127.0.0.1:1/airflow cannot be used" in said
    assert "Postgres runs" in said
    assert "hidden" not in said


def test_an_environment_that_cannot_be_made_ends_with_the_reason(home, monkeypatch, capsys):
    def fails(root, group, stamp):
        raise airflow_setup.bootstrap.BootstrapError(
            "uv said much\n\nThe packages could not be fetched."
        )

    monkeypatch.setattr(airflow_setup.bootstrap, "is_current", lambda root, group: False)
    monkeypatch.setattr(airflow_setup.bootstrap, "make", fails)
    assert airflow_setup.main() == 1
    assert capsys.readouterr().err.splitlines()[-1] == "The packages could not be fetched."


def test_a_failed_migration_names_the_log(home, monkeypatch, current):
    home.airflow.mkdir()
    monkeypatch.setattr(airflow, "environment", lambda: home.root)
    (home.root / "bin").mkdir()
    (home.root / "bin" / "python").symlink_to(shutil.which("false"))
    with pytest.raises(PlatformError, match="exit code 1") as caught:
        airflow_setup.make(home, Settings())
    assert "mlops logs airflow" in caught.value.hint


def test_doctor_on_an_airflow_that_is_not_made_yet(home, monkeypatch):
    monkeypatch.setattr("services.platform.bootstrap.is_current", lambda root, group: False)
    (finding,) = doctor.airflow(home)
    assert finding.level == "warning"
    assert ".venv-airflow is missing" in finding.meaning
    assert "mlops up" in finding.mend


def test_doctor_on_one_that_is_fine_damaged_old_or_not_wanted(home, monkeypatch, current):
    monkeypatch.setattr("services.platform.bootstrap.is_current", lambda root, group: True)
    path = database(home)
    (finding,) = doctor.airflow(home)
    assert (finding.level, finding.what) == ("ok", "Airflow")
    assert "revision abc" in finding.meaning
    path.write_bytes(b"x" * 4096)
    (finding,) = doctor.airflow(home)
    assert (finding.level, "is damaged" in finding.meaning) == ("error", True)
    path.unlink()
    monkeypatch.setattr(airflow, "pinned_version", lambda: "3.2.0")
    (finding,) = doctor.airflow(home)
    assert (finding.level, "3.2.0 is pinned" in finding.meaning) == ("error", True)
    monkeypatch.setenv("MLOPS_AIRFLOW_ENABLED", "false")
    assert list(doctor.airflow(home)) == []
