from collections.abc import Iterator

import pytest

from tests.services.serving import lab


@pytest.fixture(scope="session")
def serving(tmp_path_factory: pytest.TempPathFactory) -> Iterator[lab.Lab]:
    """A serving engine with one Ray for all tests; each deploys a model of its own."""
    with lab.running(tmp_path_factory.mktemp("serving")) as made:
        yield made
