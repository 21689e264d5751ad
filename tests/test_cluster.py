"""The tests' own Postgres is what they take it for."""

import pytest

from tests import postgres


def test_without_postgres_the_tests_fail_and_are_not_skipped(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("MLOPS_POSTGRES_BIN", "/nowhere")
    with pytest.raises(postgres.MissingPostgresError), postgres.cluster():
        pass


@pytest.mark.engine
def test_it_asks_for_the_password(cluster: postgres.Cluster, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(postgres, "PASSWORD", "another")
    with pytest.raises(ConnectionError, match="password authentication failed"):
        cluster.execute("SELECT 1")
