"""Whose use of the machine rose, and whose memory: told from the processes of its owners."""

import re
from typing import Any

import pytest

from services.causes.gathering import Sources, explain_deployment
from services.causes.models import Cause
from services.home import Home
from tests.services.causes.test_gathering import (
    HOUR_S,
    ONSET,
    happened,
    mirror,
    requests,
    sampled,
    serving,
    sources,
)
from tests.services.predictions.records import NOON
from tests.services.telemetry.recordings import GB, MAC, use

__all__ = ["mirror", "sources"]


def short(at: float) -> bool:
    return at >= ONSET and at % 300 < 200


def under_pressure(at: float) -> dict[str, Any]:
    state = {"thermal_level": 0, "memory_pressure": 4 if short(at) else 1, "low_power_mode": 0}
    return {"host_state": state, "times": 3.0 if short(at) else 1.0}


def servers(memory: float) -> list[Any]:
    return [
        use("replica:lora.net:2", pid=1, project="lora", gpu_s=0.5, cpu_s=0.5,
            memory_bytes=round(memory * GB))
    ]  # fmt: skip


def run(memory: float, project: str = "lora") -> Any:
    return use("run:abcdef0123", pid=9, project=project, gpu_s=0.1, cpu_s=0.1,
               memory_bytes=round(memory * GB))  # fmt: skip


def first(home: Home, sources: Sources, facts: Any, processes: Any) -> Cause:
    happened(sources, NOON - HOUR_S)
    requests(home, facts)
    sampled(sources, processes)
    found = explain_deployment(sources, "lora", "net", NOON)[0].first
    assert found is not None
    return found


def test_whose_memory_grew_is_told_and_linked(home: Home, sources: Sources):
    found = first(
        home, sources, under_pressure,
        lambda at: [*servers(2.0), run(11.0 if at >= ONSET else 3.0)],
    )  # fmt: skip
    assert found.kind == "memory"
    said = (
        r"The machine is short of memory: the run abcdef01 of lora holds 8\.\d GB more than before"
    )
    assert re.fullmatch(said, found.title)
    said = r"The run abcdef01 of lora held 3\.\d GB then, 11\.\d GB now\."
    assert re.fullmatch(said, found.evidence[0])
    assert not any("model servers" in line for line in found.evidence)
    assert found.page == "/run?run=abcdef0123"


def test_its_own_model_servers_may_have_grown(home: Home, sources: Sources):
    found = first(
        home, sources, under_pressure,
        lambda at: [*servers(9.0 if at >= ONSET else 2.0), run(3.0)],
    )  # fmt: skip
    assert found.title.startswith("The machine is short of memory: its own model servers hold 7.")
    assert f"host={MAC.host}" in found.page


def test_another_project_is_not_named(home: Home, sources: Sources):
    found = first(
        home, sources, under_pressure,
        lambda at: [*servers(2.0), run(11.0 if at >= ONSET else 3.0, "clip")],
    )  # fmt: skip
    assert "work of another project holds 8." in found.title
    assert "abcdef" not in " ".join((found.title, found.page, *found.evidence))
    assert "clip" not in " ".join((found.title, found.page, *found.evidence))


def test_memory_that_hardly_grew_is_nobodys(home: Home, sources: Sources):
    found = first(
        home, sources, under_pressure,
        lambda at: [*servers(2.0), run(3.1 if at >= ONSET else 3.0)],
    )  # fmt: skip
    assert found.title == "The machine is short of memory"


def test_a_machine_that_was_much_used_may_be_used_more(home: Home, sources: Sources):
    def busy(at: float) -> bool:
        return at >= ONSET and at % 600 < 420

    def processes(at: float) -> list[Any]:
        steady = use("run:0123456789", pid=8, project="lora", gpu_s=5.5, cpu_s=0.1)
        more = use("run:abcdef0123", pid=9, project="lora", gpu_s=3.5, cpu_s=0.1)
        return [*serving(1, 2), steady, *([more] if busy(at) else [])]

    found = first(home, sources, lambda at: {"times": 3.0 if busy(at) else 1.0}, processes)
    assert (found.kind, found.measured) == ("contention", True)
    assert found.weight == pytest.approx(1.0, abs=0.1)
    assert found.title.startswith("The run abcdef01 of lora uses the same machine: ")
    assert found.evidence[0].startswith("The run abcdef01 of lora had 0 % of the machine then, ")
    assert found.evidence[1] == "Its own model servers had 10 % then, 10 % now."
    assert not any("01234567" in line for line in found.evidence)
