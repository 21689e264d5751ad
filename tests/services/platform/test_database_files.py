"""MLflow's database and the journal are never begun anew over the head of a lost one."""

import sqlite3
from functools import partial

import pytest

from services.platform import control, doctor, engines, secrets
from services.platform.database_files import journal_fault, mlflow_fault
from services.settings import Settings
from tests.services.platform.conftest import (
    engine,
    free_port,
    kept,
    live,
    small_spec,
    wait_until,
)

GARBAGE = [b"garbage" * 1_000, b"SQLite format 3\x00" + bytes(5_000), b"x"]


@pytest.fixture
def database(home):
    """MLflow's database with something in it, and what a run left."""
    (home.mlflow / "artifacts" / "1").mkdir(parents=True)
    path = home.mlflow / "mlflow.db"
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE runs (run_id TEXT)")
    connection.close()
    return path


@pytest.fixture
def fault(home, database):
    return partial(mlflow_fault, database, home.mlflow / "artifacts")


def test_a_sound_one_and_a_fresh_installation_have_no_fault(home, fault):
    assert fault() == ""
    assert mlflow_fault(home.mlflow / "none.db", home.mlflow / "nothing") == ""
    assert journal_fault(home.databases / "journal.sqlite") == ""


@pytest.mark.parametrize("content", GARBAGE)
def test_garbage_is_named_and_left_alone(database, fault, content):
    database.write_bytes(content)
    assert "is damaged" in fault()
    assert "Put a copy of it in its place" in fault()
    assert database.read_bytes() == content
    assert "is damaged" in journal_fault(database)


def test_one_that_is_gone_or_empty_is_not_begun_anew_beside_what_runs_left(database, fault):
    database.write_bytes(b"")
    assert "is empty" in fault()
    database.unlink()
    assert "is gone" in fault()
    assert not database.exists()


def test_one_that_somebody_holds_is_not_taken_for_damaged(database, fault):
    holder = sqlite3.connect(database)
    holder.execute("BEGIN EXCLUSIVE")
    assert fault() == ""
    holder.close()


def test_only_the_database_we_keep_is_looked_at(home, database, monkeypatch):
    secrets.ensure(home)
    database.write_bytes(GARBAGE[0])
    ports = {"mlflow": 5001}
    assert "damaged" in engines.mlflow(home, Settings(), ports).fault()
    monkeypatch.setenv("MLOPS_MLFLOW_BACKEND_STORE", "postgresql://db/mlflow")
    assert engines.mlflow(home, Settings(), ports).fault() == ""
    assert [one.level for one in doctor.database_files(home)] == ["ok"]


def test_an_engine_with_a_lost_database_waits_and_comes_back_with_it(home, database, fault):
    good = database.read_bytes()
    database.write_bytes(GARBAGE[0])
    with kept(home, small_spec("small", free_port(), fault=fault)) as supervisor:
        wait_until(lambda: engine(supervisor).phase == "failing")
        assert "is damaged" in engine(supervisor).detail
        assert engine(supervisor).leader is None
        assert database.read_bytes() == GARBAGE[0]
        # The file of the state is written a moment later.
        wait_until(
            lambda: control.current(home).engine("small").detail.startswith("MLflow's database")
        )
        database.write_bytes(good)
        live(supervisor)


def test_the_doctor_names_both_with_their_mend(home, database):
    database.write_bytes(GARBAGE[0])
    (home.databases / "journal.sqlite").write_bytes(GARBAGE[0])
    journal, mlflow = doctor.database_files(home)
    assert (journal.level, mlflow.level) == ("error", "error")
    assert "mlops restore" in journal.mend
    assert "Put a copy" in mlflow.mend
