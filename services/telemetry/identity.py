"""Which machine and which processes were a run's, by what the client tagged it with."""

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace

from services.engines.silicon.machine import host_id
from services.engines.silicon.models import Sample
from services.mirror.models import Run
from services.telemetry.models import HostState

HOST_ID = "mlops.host_id"
LOCAL_ID = "mlops.local_id"
TAGS = ("mlops.host", HOST_ID, "mlops.chip")
"""What a question for runs has to bring along to find their machines."""

_RUN = "run:"
_OFFLINE = f"{_RUN}offline-"
_DIGITS = re.compile(r"(?P<name>.+)-(?P<digits>[0-9a-f]{8})")


def owner_of(run_id: str) -> str:
    """Return the name under which the processes of a run are kept."""
    return f"{_RUN}{run_id}"


def earlier_owners(tags: Mapping[str, str]) -> tuple[str, ...]:
    """Return other names of a run's processes: what they were until MLflow gave it an id."""
    key = tags.get(LOCAL_ID)
    return (f"{_OFFLINE}{key}",) if key else ()


def local_key(run_id: str) -> str:
    """Return the value of the tag ``LOCAL_ID`` of a run begun offline, empty for any other id."""
    return run_id.removeprefix("offline-") if run_id.startswith("offline-") else ""


def gathered(samples: Iterable[Sample], owner: str, others: Collection[str]) -> tuple[Sample, ...]:
    """Return the samples with the processes of ``others`` under the name ``owner``."""
    if not others:
        return tuple(samples)
    return tuple(_gathered(sample, owner, others) for sample in samples)


def machines_of(states: Sequence[HostState], run: Run) -> tuple[HostState, ...]:
    """Return the machines a run may have run on: one when it is known, none when it is not here.

    The client tags the machine's id. It begins with the name the machine has now, while telemetry
    keeps the first one: its last digits tell which machine it is. Runs of before know the name
    alone, and where several machines have it, the chip.
    """
    told = run.tags.get(HOST_ID, "")
    if _DIGITS.fullmatch(told):
        found = _of_id(states, told)
        # A machine that was given another name by hand has no digits to know it by.
        return found or _of_name([one for one in states if not _digits(one)], run)
    return _of_name(states, run)


def name_of(run: Run) -> str:
    """Return how a run calls its machine, empty when it does not tell."""
    return run.tags.get("mlops.host") or run.host or run.tags.get(HOST_ID) or ""


def _of_id(states: Sequence[HostState], told: str) -> tuple[HostState, ...]:
    exact = tuple(one for one in states if one.machine.host == told)
    return exact or tuple(one for one in states if _digits(one) == told.rpartition("-")[2])


def _of_name(states: Sequence[HostState], run: Run) -> tuple[HostState, ...]:
    tagged = run.tags.get("mlops.host") or run.host
    if not tagged:
        return ()
    exact = [one for one in states if one.machine.host == tagged]
    short = _short(host_id(tagged, ""))
    found = exact or [one for one in states if _short(one.machine.host) == short]
    chip = run.tags.get("mlops.chip")
    if len(found) > 1 and chip:
        found = [one for one in found if one.machine.chip == chip] or found
    return tuple(found)


def _digits(state: HostState) -> str:
    found = _DIGITS.fullmatch(state.machine.host)
    return found["digits"] if found else ""


def _short(host: str) -> str:
    """Return a machine's name without the digits that make it unique."""
    found = _DIGITS.fullmatch(host)
    return (found["name"] if found else host).lower()


def _gathered(sample: Sample, owner: str, others: Collection[str]) -> Sample:
    if not any(use.owner in others for use in sample.processes):
        return sample
    uses = (replace(use, owner=owner) if use.owner in others else use for use in sample.processes)
    return replace(sample, processes=tuple(uses))
