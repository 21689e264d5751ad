"""What all tests share, and which of them ``--fast`` leaves out because they take longer."""

from collections import Counter
from pathlib import Path

import pytest
from hypothesis import settings

# How long an example takes is the machine's business, and tests assert nothing about time.
settings.register_profile("here", deadline=None)
settings.register_profile("fast", deadline=None, max_examples=25)
settings.load_profile("here")

LONGER = Path(__file__).parent / "tests" / "longer.txt"
LONGER_S = 0.02
"""What takes more on average is left out by ``--fast``, to end within a minute on two cores."""
ALONE_S = 0.5
"""The quickest test of a file stays, so that each file is in it, unless it takes more than this."""


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add what reads and what writes the list of the longer ones."""
    group = parser.getgroup("mlops")
    group.addoption("--without-longer", action="store_true", help=f"Leave out what {LONGER} lists.")
    group.addoption("--write-longer", action="store_true", help=f"Time the tests; write {LONGER}.")


def pytest_configure(config: pytest.Config) -> None:
    """Time the tests where that is asked for: in the process that hears of all of them."""
    if config.getoption("write_longer") and not hasattr(config, "workerinput"):
        config.pluginmanager.register(_Timed(), "timed")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out the longer ones where that is asked for; put the browser tests last.

    Playwright keeps an event loop running in this thread from its first page to the end of the
    session, and ``asyncio.run`` refuses to work beside one.
    """
    if config.getoption("without_longer") and not config.getoption("write_longer"):
        longer = set(LONGER.read_text().splitlines())
        config.hook.pytest_deselected(items=[one for one in items if _name(one.nodeid) in longer])
        items[:] = [one for one in items if _name(one.nodeid) not in longer]
    items.sort(key=lambda item: item.get_closest_marker("browser") is not None)


def _name(nodeid: str) -> str:
    """Return a test's name without its parameters."""
    return nodeid.partition("[")[0]


class _Timed:
    """Writes the list of the longer ones, from the mean over the parameters of each test."""

    def __init__(self) -> None:
        self._seconds: Counter[str] = Counter()
        self._tests: dict[str, set[str]] = {}

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        name = _name(report.nodeid)
        self._seconds[name] += report.duration
        self._tests.setdefault(name, set()).add(report.nodeid)

    def pytest_sessionfinish(self) -> None:
        means = {name: self._seconds[name] / len(tests) for name, tests in self._tests.items()}
        files: dict[str, list[str]] = {}
        for name in sorted(means, key=means.__getitem__):
            files.setdefault(name.partition("::")[0], []).append(name)
        stays = {names[0] for names in files.values() if means[names[0]] <= ALONE_S}
        longer = (name for name, mean in means.items() if mean > LONGER_S and name not in stays)
        LONGER.write_text("".join(f"{name}\n" for name in sorted(longer)))
