"""What the policy keeps between two looks: where it stands, and what operators said.

``MLOPS_HOME/run/policy.json`` outlives a restart of the controller: a hot machine stays held. When
it is lost the policy begins with every machine open and sees with the next sample what to hold.
``MLOPS_HOME/run/overrides.json`` is written by journalled actions; the journal says who and when.
"""

from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from typing import Any

from services.home import Home
from services.resources.lists import ListFile
from services.workflows.models import Override
from services.workflows.thermal import STANCES, HostPolicy

_RULES = {"heat", "memory", "battery", "none"}


class Stances:
    """Where the thermal policy stands with each machine."""

    def __init__(self, path: Path) -> None:
        """Begin with a file; its folder exists."""
        lost = "The policy sees with the next sample what it must hold."
        self._file = ListFile(path, "stances of the thermal policy", _policy, lost)

    def read(self) -> dict[str, HostPolicy]:
        """Return where the policy stood, by machine.

        Raises:
            PlatformError: The file cannot be opened.
        """
        return {one.host: one for one in self._file.read()}

    def write(self, policies: Iterable[HostPolicy]) -> None:
        """Keep where the policy stands.

        Raises:
            PlatformError: It cannot be written; what was kept before stays.
        """
        self._file.write(list(policies))


class Overrides:
    """What operators said of waiting jobs: one override a job, the newest."""

    def __init__(self, path: Path) -> None:
        """Begin with a file; its folder exists."""
        lost = "Jobs that were moved are in their own place again; move them once more."
        self._file = ListFile(path, "overrides", _override, lost)

    @classmethod
    def here(cls) -> "Overrides":
        """Return those of this installation."""
        return cls(Home.locate().run / "overrides.json")

    def read(self) -> tuple[Override, ...]:
        """Return all.

        Raises:
            PlatformError: The file cannot be opened.
        """
        return tuple(self._file.read())

    def of(self, job: str) -> Override | None:
        """Return that of one job.

        Raises:
            PlatformError: The file cannot be opened.
        """
        return next((one for one in self._file.read() if one.job == job), None)

    def put(self, override: Override) -> Override | None:
        """Set that of a job; return the one before. What it does not speak of stays.

        Doing it again changes nothing.

        Raises:
            PlatformError: It cannot be written; what was there stays.
        """
        with self._file.changing() as held:
            before = next((one for one in held if one.job == override.job), None)
            said = Override(
                override.job,
                override.move or (before.move if before else None),
                override.priority or (before.priority if before else None),
                override.by,
                override.at,
            )
            held[:] = [*(one for one in held if one.job != override.job), said]
        return before

    def restore(self, job: str, before: Override | None) -> None:
        """Put back what ``put`` returned: how an action is taken back.

        Raises:
            PlatformError: It cannot be written; what was there stays.
        """
        with self._file.changing() as held:
            kept = [one for one in held if one.job != job]
            held[:] = kept if before is None else [*kept, before]

    def keep(self, waiting: Collection[str]) -> None:
        """Forget the overrides of jobs that wait no longer.

        Raises:
            PlatformError: It cannot be written; what was there stays.
        """
        with self._file.changing() as held:
            held[:] = [one for one in held if one.job in waiting]


def _policy(said: Mapping[str, Any]) -> HostPolicy:
    """Return one machine's policy.

    Raises:
        ValueError: It has a stance or a figure that the policy does not know.
        TypeError: A field is none of it.
    """
    policy = HostPolicy(**{**said, "unknown": tuple(said.get("unknown", ()))})
    if policy.stance not in STANCES or policy.rule not in _RULES:
        raise ValueError(f"{policy.stance!r} by {policy.rule!r} is no stance")
    if (policy.stance == "open") != (policy.rule == "none"):
        raise ValueError(f"{policy.stance!r} by {policy.rule!r} does not go together")
    for figure in (policy.since, policy.calm_s, policy.blind_s, policy.worse_s or 0.0):
        float(figure)  # JSON has no infinities; text raises
    return policy


def _override(said: Mapping[str, Any]) -> Override:
    """Return one override.

    Raises:
        ValueError: It says nothing that the policy knows.
        TypeError: A field is none of it.
    """
    override = Override(**said)
    priority = override.priority
    if override.move not in {None, "front", "back"}:
        raise ValueError(f"{override.move!r} is no move")
    if priority is not None and not 1 <= priority <= 10:
        raise ValueError(f"{priority} is no priority")
    return override
