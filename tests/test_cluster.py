"""The tests' own Postgres is what they take it for."""

import pytest

from tests import postgres


def test_a_machine_without_postgres_is_told_what_to_do(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(postgres, "_FOLDERS", ())
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(postgres.MissingPostgresError, match="apt install postgresql"):
        postgres.folder_of_programs()


@pytest.mark.engine
def test_it_asks_for_the_password(cluster: postgres.Cluster, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(postgres, "PASSWORD", "another")
    with pytest.raises(ConnectionError, match="password authentication failed"):
        cluster.execute("SELECT 1")
