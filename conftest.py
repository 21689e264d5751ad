"""What all tests share."""

import pytest
from hypothesis import settings

# How long an example takes is the machine's business, and tests assert nothing about time.
settings.register_profile("here", deadline=None)
settings.register_profile("fast", deadline=None, max_examples=25)
settings.load_profile("here")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the browser tests last.

    Playwright keeps an event loop running in this thread from its first page to the end of the
    session, and ``asyncio.run`` refuses to work beside one.
    """
    items.sort(key=lambda item: item.get_closest_marker("browser") is not None)
