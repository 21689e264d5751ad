"""The queue of one Mac as a table, for the tests of its rows."""

from services.workflows.decision import Facts, decide
from services.workflows.queue import Row
from services.workflows.simulation import Running
from services.workflows.thermal import HostPolicy
from tests.services.resources.machines import mac
from tests.services.workflows.lines import NOW, job

ONE = (mac(memory_gb=30),)
HOT = {"studio": HostPolicy("studio", "hold", 0.0, "heat", "studio is at thermal level 2.")}


def running(name: str, *, left_s: float = 600.0, **fields: object) -> Running:
    return Running(job(name, **fields), "studio", NOW - 60, NOW + left_s)


def table(**given: object) -> dict[str, Row]:
    facts = Facts(**{"now": NOW, "hosts": ONE, **given})
    return {row.id: row for row in decide(facts).rows}


def of(**given: object) -> Row:
    """The row of the job ``a-1``."""
    return table(**given)["a-1"]
