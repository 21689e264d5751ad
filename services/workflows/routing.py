"""What kind of machine a task asks for, and which machines are of that kind."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from services.errors import InputError
from services.projects.contract import Contract
from services.resources.models import GIB, Capacity

QUEUE_HERE = "default"
"""Airflow's queue on the machine of the platform; a worker's queue has its machine's name."""

_CONDITION = re.compile(r"\s*(gpu_cores|memory_gb|chip|host)\s*(>=|==|=)\s*(.+?)\s*", re.DOTALL)
_CHIP = re.compile(r"(?:Apple\s+)?M(\d+)(\+|(?:\s+(?:Pro|Max|Ultra)))?", re.IGNORECASE)
_HINT = (
    "Write for example `gpu_cores >= 16`, `memory_gb >= 32`, `chip = M3`, `chip = M3 Max`, "
    "`chip = M3+` (that generation or a newer one) or `host = NAME`."
)


@dataclass(frozen=True, slots=True)
class Requirement:
    """What a task asks of its machine."""

    gpu_cores: int = 0
    memory_gb: float = 0
    """Of the whole machine, as it is sold: 36 GB are 36 × 1024³ bytes."""
    chip: str = ""
    """``M3``: any of that family; ``M3 Pro``: that one; ``M3+``: that generation or a newer one."""
    host: str = ""

    @property
    def said(self) -> str:
        """Return it as a phrase, empty when it asks for nothing."""
        parts = []
        if self.host:
            parts.append(f"the machine {self.host}")
        if self.chip:
            parts.append(f"{_chip_said(self.chip)} chip")
        if self.gpu_cores:
            parts.append(f"{self.gpu_cores} GPU cores")
        if self.memory_gb:
            parts.append(f"{self.memory_gb:g} GB of memory")
        return " and ".join(parts)


ANYWHERE = Requirement()


@dataclass(frozen=True, slots=True)
class Route:
    """Where a task may go."""

    hosts: tuple[str, ...]
    """Machines that fit, by name; () when none does."""
    queues: tuple[str, ...]
    """Their queues in Airflow, in the same order."""
    said: str
    """Which, or why none."""


def parsed(conditions: Iterable[str]) -> Requirement:
    """Return conditions such as ``gpu_cores >= 16`` as a requirement.

    Raises:
        InputError: One of them cannot be read, or there are two of a kind.
    """
    table: dict[str, str] = {}
    for condition in conditions:
        found = _CONDITION.fullmatch(condition)
        if found is None:
            raise InputError(f"{condition.strip()[:80]!r} says nothing of a machine.", _HINT)
        name, sign, value = found.groups()
        if (sign == ">=") != (name in {"gpu_cores", "memory_gb"}):
            other = ">=" if sign != ">=" else "="
            raise InputError(
                f"{condition.strip()[:80]!r} cannot be asked.", f"Use {other}. {_HINT}"
            )
        if name in table:
            raise InputError(f"{name} is asked for twice.", "Keep the larger one.")
        table[name] = value.strip("\"'")
    return of_table(table)


def of_table(table: Mapping[str, object]) -> Requirement:
    """Return the ``queue`` of a project's spec as a requirement; what is empty asks for nothing.

    Raises:
        InputError: A value is not of its kind; the message names the key.
    """
    unknown = sorted(set(table) - {"gpu_cores", "memory_gb", "chip", "host"})
    if unknown:
        raise InputError(f"A machine has no {unknown[0][:40]!r}.", _HINT)
    cores = _number(table, "gpu_cores")
    if cores != int(cores):
        raise InputError(f"gpu_cores is {cores:g}: cores are whole.", _HINT)
    chip = " ".join(str(table.get("chip") or "").split())
    if chip and not _CHIP.fullmatch(chip):
        raise InputError(f"{chip[:40]!r} is no chip of Apple.", _HINT)
    return Requirement(
        int(cores), _number(table, "memory_gb"), chip, str(table.get("host") or "").strip()
    )


def required(contract: Contract | None) -> Requirement:
    """Return what a project asks of its machine; a chip that nobody knows leaves no machine out."""
    if contract is None:
        return ANYWHERE
    asked = contract.needs.model_dump(include={"gpu_cores", "memory_gb", "chip", "host"})
    try:
        return of_table(asked)
    except InputError:
        return ANYWHERE


def route(requirement: Requirement, hosts: Sequence[Capacity], here: str = "") -> Route:
    """Return the machines that are of the kind a task asks for.

    Args:
        requirement: What it asks for.
        hosts: All machines, also those that are silent now.
        here: The machine that runs the platform.
    """
    lacking = {one.host: _lacks(requirement, one) for one in hosts}
    fitting = tuple(sorted(name for name, lacks in lacking.items() if not lacks))
    wanted = requirement.said
    if fitting:
        named = ", ".join(fitting)
        said = f"It asks for {wanted}: {named}." if wanted else f"It may go to {named}."
        queues = tuple(QUEUE_HERE if name == here else name for name in fitting)
        return Route(fitting, queues, said)
    if not hosts:
        return Route((), (), "No machine is known yet: none has sent telemetry.")
    why = "; ".join(f"{name} {lacks}" for name, lacks in sorted(lacking.items()))
    return Route((), (), f"No machine fits: it asks for {wanted}, and {why}.")


def _lacks(requirement: Requirement, host: Capacity) -> str:
    """Return why a machine does not fit, empty when it does."""
    if requirement.host and requirement.host != host.host:
        return "is another one"
    if requirement.chip and not _is_chip(requirement.chip, host.chip):
        return f"has {host.chip}" if host.chip else "does not tell its chip"
    if requirement.gpu_cores > (host.gpu_cores or 0):
        return f"has {host.gpu_cores}" if host.gpu_cores else "tells of no GPU cores"
    if requirement.memory_gb * GIB > (host.total_bytes or 0):
        return (
            f"has {host.total_bytes / GIB:.0f} GB"
            if host.total_bytes
            else "does not tell its memory"
        )
    return ""


def _is_chip(wanted: str, chip: str | None) -> bool:
    asked, has = _CHIP.fullmatch(wanted), _CHIP.match(chip or "")
    if asked is None or has is None:
        return False
    generation, kind = int(asked[1]), (asked[2] or "").strip().lower()
    if kind == "+":
        return int(has[1]) >= generation
    return int(has[1]) == generation and kind in {"", (has[2] or "").strip().lower()}


def _chip_said(chip: str) -> str:
    return f"an {chip[:-1]} or newer" if chip.endswith("+") else f"an {chip}"


def _number(table: Mapping[str, object], name: str) -> float:
    value = table.get(name) or 0
    try:
        number = float(value) if isinstance(value, (int, float, str)) else -1.0
    except ValueError:
        number = -1.0
    if not 0 <= number < 1e6 or isinstance(value, bool):
        raise InputError(f"{name} is {str(value)[:40]!r}, which is no amount.", _HINT)
    return number
