"""Engines that many tests share: a Postgres server, and a platform of real processes."""

from collections.abc import Iterator

import pytest

from services.postgres import with_driver
from tests import airflow_lab, live, postgres

BOTH = ("sqlite", pytest.param("postgres", marks=pytest.mark.engine))
"""Parameters of a fixture that gives a database: Postgres is left out by ``--fast``."""


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Keep the tests of a file in one process, and all that start an Airflow in the same one.

    Two Airflows at once keep two cores so busy that their health checks time out. They come first,
    so that no process is left with them at the end.
    """
    if not config.getoption("loadgroup", default=False):  # what a process of xdist is told
        return
    for item in items:
        file = item.nodeid.partition("::")[0]
        alone = item.get_closest_marker("airflow") is not None
        item.add_marker(pytest.mark.xdist_group("airflow" if alone else file))
    items.sort(key=lambda item: item.get_closest_marker("airflow") is None)


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


@pytest.fixture(scope="session")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[live.Platform]:
    """A running platform; who kills one of its engines leaves it as it was found."""
    with live.running(tmp_path_factory.mktemp("lab")) as platform:
        yield platform


@pytest.fixture(scope="session")
def airflow_lab_shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[airflow_lab.Lab]:
    """A running Airflow; who kills one of its processes waits until it is well again."""
    with airflow_lab.running(tmp_path_factory.mktemp("airflow")) as lab:
        yield lab
