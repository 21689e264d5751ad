"""Databases for tests that hold on SQLite and on Postgres alike."""

from collections.abc import Iterator

import pytest

from services.postgres import with_driver
from tests import postgres

BOTH = ("sqlite", pytest.param("postgres", marks=pytest.mark.engine))
"""Parameters of a fixture that gives a database: Postgres is left out by ``--fast``."""


@pytest.fixture(scope="session")
def cluster() -> Iterator[postgres.Cluster]:
    """The tests' own Postgres server. Nothing is skipped: without Postgres this fails."""
    with postgres.cluster() as made:
        yield made


@pytest.fixture
def postgres_name(cluster: postgres.Cluster) -> Iterator[str]:
    with cluster.database() as name:
        yield name


@pytest.fixture
def postgres_url(cluster: postgres.Cluster, postgres_name: str) -> str:
    return with_driver(cluster.url(postgres_name))
