"""Engines that many tests share: a Postgres server, and a platform of real processes."""

import functools
from collections.abc import Iterator
from pathlib import Path

import pytest
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling

from services.postgres import with_driver
from tests import airflow_lab, live, postgres

BOTH = ("sqlite", pytest.param("postgres", marks=pytest.mark.engine))
"""Parameters of a fixture that gives a database: Postgres is left out by ``--fast``."""


class OneAirflow(LoadScopeScheduling):
    """Keeps the tests of a file in one process, and all that start an Airflow in the same one.

    Two Airflows at once keep two cores so busy that their health checks time out.
    """

    def _split_scope(self, nodeid: str) -> str:
        file = nodeid.partition("::")[0]
        return "airflow" if _starts_airflow(self.config.rootpath / file) else file


@functools.cache
def _starts_airflow(file: Path) -> bool:
    return "pytest.mark.airflow" in file.read_text()


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> OneAirflow | None:
    """Schedule so where files are kept together."""
    return OneAirflow(config, log) if config.getvalue("dist") == "loadfile" else None


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with those that start an Airflow: no process shall be left with them at the end."""
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
