from collections.abc import Iterator

import pytest

from tests.services.serving import lab
from tests.services.serving.simulated import Simulation, endpoint, rollout, target


@pytest.fixture(scope="session")
def serving(tmp_path_factory: pytest.TempPathFactory) -> Iterator[lab.Lab]:
    """A serving engine with one Ray for all tests; each deploys a model of its own."""
    with lab.running(tmp_path_factory.mktemp("serving")) as made:
        yield made


@pytest.fixture
def first() -> Simulation:
    """One version, live."""
    made = Simulation(endpoint(rollout=rollout(1)))
    made.pass_time(20)
    assert made.desired == endpoint(live=target(1))
    return made
