"""What kind of machine a task asks for, and which are of that kind."""

import pytest

from services.errors import InputError
from services.resources.models import GIB
from services.workflows.routing import ANYWHERE, Requirement, Route, of_table, parsed, route
from tests.services.resources.machines import mac

AIR = mac("air", chip="Apple M2", gpu_cores=8, total_bytes=16 * GIB)
PRO = mac("pro", chip="Apple M3 Pro", gpu_cores=18, total_bytes=36 * GIB)
MAX = mac("max", chip="Apple M4 Max", gpu_cores=40, total_bytes=128 * GIB)
LINUX = mac("linux", chip="AMD EPYC", gpu_cores=None, total_bytes=24 * GIB)
ALL = (AIR, PRO, MAX, LINUX)


def to(*conditions: str) -> tuple[str, ...]:
    return route(parsed(conditions), ALL).hosts


@pytest.mark.parametrize(
    ("conditions", "hosts"),
    [
        ((), ("air", "linux", "max", "pro")),
        (("gpu_cores >= 16",), ("max", "pro")),
        (("memory_gb>=32",), ("max", "pro")),
        (("memory_gb >= 36",), ("max", "pro")),
        (("memory_gb >= 36.5",), ("max",)),
        (("chip = M3",), ("pro",)),
        (("chip == 'Apple M3 Pro'",), ("pro",)),
        (("chip = M3 Max",), ()),
        (("chip = m3+",), ("max", "pro")),
        (("host = linux",), ("linux",)),
        (("host = linux", "gpu_cores >= 1"), ()),
    ],
)
def test_a_task_goes_where_it_asks_to(conditions, hosts):
    assert to(*conditions) == hosts


def test_the_machine_of_the_platform_has_the_default_queue():
    found = route(parsed(["gpu_cores >= 16"]), ALL, here="pro")
    assert found == Route(("max", "pro"), ("max", "default"), "It asks for 16 GPU cores: max, pro.")


def test_why_none_fits_is_told_of_each():
    found = route(parsed(["gpu_cores >= 64", "chip = M3+"]), ALL)
    assert found.said == (
        "No machine fits: it asks for an M3 or newer chip and 64 GPU cores, and air has Apple M2; "
        "linux has AMD EPYC; max has 40; pro has 18."
    )
    alone = route(parsed(["memory_gb >= 64"]), (mac("new", total_bytes=None), PRO)).said
    assert alone.endswith("and new does not tell its memory; pro has 36 GB.")
    assert route(parsed(["host = mini"]), (PRO,)).said == (
        "No machine fits: it asks for the machine mini, and pro is another one."
    )
    assert route(ANYWHERE, ()).said == "No machine is known yet: none has sent telemetry."


def test_an_unknown_chip_is_not_taken_for_a_fitting_one():
    assert route(parsed(["chip = M3"]), (mac("new", chip=None),)).hosts == ()
    assert route(parsed(["gpu_cores >= 1"]), (mac("new", gpu_cores=None),)).hosts == ()


def test_the_table_of_a_spec_says_the_same():
    table = {"gpu_cores": 16, "memory_gb": 32, "chip": "M3", "host": ""}
    assert of_table(table) == parsed(["gpu_cores >= 16", "memory_gb >= 32", "chip = M3"])
    assert of_table({}) == of_table({"gpu_cores": 0, "chip": None}) == ANYWHERE
    assert of_table({"chip": "apple  M3  pro"}) == Requirement(chip="apple M3 pro")


@pytest.mark.parametrize(
    ("conditions", "said"),
    [
        (["cores > 16"], "says nothing of a machine"),
        (["gpu_cores = 16"], "cannot be asked"),
        (["host >= a"], "cannot be asked"),
        (["gpu_cores >= 16", "gpu_cores >= 18"], "asked for twice"),
        (["gpu_cores >= many"], "is no amount"),
        (["gpu_cores >= 1.5"], "cores are whole"),
        (["memory_gb >= nan"], "is no amount"),
        (["memory_gb >= -1"], "is no amount"),
        (["chip = Z80"], "no chip of Apple"),
    ],
)
def test_what_cannot_be_read_is_refused_with_an_example(conditions, said):
    with pytest.raises(InputError, match=said) as refused:
        parsed(conditions)
    assert refused.value.hint


@pytest.mark.parametrize("table", [{"ram": 3}, {"gpu_cores": True}, {"memory_gb": [1]}])
def test_a_table_that_says_nothing_is_refused(table):
    with pytest.raises(InputError):
        of_table(table)
