"""One gateway for many tests; who changes routes under it uses endpoints of its own."""

from collections.abc import Iterator

import pytest

from tests.services.gateway import lab as labs


@pytest.fixture(scope="session")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[labs.Lab]:
    folder = tmp_path_factory.mktemp("gateway")
    with labs.running(folder, "rows", "classify", "text", "embed", "images") as made:
        yield made
