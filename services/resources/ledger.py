"""The ledger: what is promised of which machine, and whether one job more can be.

Training and serving draw on one budget. A lease of serving is never pushed out: whoever wants its
memory waits, and where room is made, only training is asked to pause.
"""

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, replace

from services.resources.models import (
    Admission,
    Capacity,
    Fits,
    Lease,
    Needs,
    Never,
    Short,
    Waits,
    gib,
)

_FEW_NAMED = 3


@dataclass(frozen=True, slots=True)
class Free:
    """What is not promised of one machine."""

    memory_bytes: int
    gpu_slots: int
    power_w: float | None
    """None: not limited."""
    real_bytes: int | None
    """What is really free less what leases hold and do not use yet; None: not known."""


@dataclass(frozen=True, slots=True)
class _Gap:
    """What is missing on one machine for one job."""

    host: str
    short: Short
    missing: float
    of: float
    """How much is needed of it: gaps on different machines compare by their share."""


@dataclass(frozen=True, slots=True)
class Ledger:
    """All machines with all leases; every answer follows from these alone."""

    hosts: tuple[Capacity, ...]
    leases: tuple[Lease, ...] = ()

    def host(self, name: str) -> Capacity | None:
        """Return one machine."""
        return next((one for one in self.hosts if one.host == name), None)

    def on(self, host: str) -> tuple[Lease, ...]:
        """Return the leases of one machine."""
        return tuple(lease for lease in self.leases if lease.host == host)

    def with_lease(self, lease: Lease) -> "Ledger":
        """Return the ledger with one lease more; one with the same id is replaced."""
        kept = tuple(one for one in self.leases if one.id != lease.id)
        return replace(self, leases=(*kept, lease))

    def without(self, ids: Collection[str]) -> "Ledger":
        """Return the ledger without some leases."""
        return replace(self, leases=tuple(one for one in self.leases if one.id not in ids))

    def free(self, host: Capacity) -> Free:
        """Return what is left of a machine; below 0 where more was promised than it has now."""
        held = self.on(host.host)
        unused = sum(
            max(0, one.needs.memory_bytes - one.used_bytes)
            for one in held
            if one.used_bytes is not None
        )
        watts = sum(one.needs.power_w or 0.0 for one in held)
        return Free(
            memory_bytes=(host.memory_bytes or 0) - sum(one.needs.memory_bytes for one in held),
            gpu_slots=host.gpu_slots - sum(one.needs.gpu_slots for one in held),
            power_w=None if host.power_w is None else host.power_w - watts,
            real_bytes=None if host.available_bytes is None else host.available_bytes - unused,
        )

    def admit(self, needs: Needs, among: Collection[str] | None = None) -> Admission:
        """Say whether a job can start now, has to wait, or never fits.

        Of several machines that fit, the one that is left with the least memory: what needs much
        finds room on the others.

        Args:
            needs: What it takes.
            among: Machines it may go to; None: all.
        """
        asked = [one for one in self.hosts if among is None or one.host in among]
        if not asked:
            return Never("host", 0, "No machine may take it.")
        able = [one for one in asked if not _never(one, needs)]
        if not able:
            return _refused(asked, needs)
        present = [one for one in able if not one.absent]
        if not present:
            silent = "; ".join(f"{one.host}: {one.absent}" for one in able)
            said = f"It would fit on a silent machine ({silent})."
            return Waits(able[0].host, "absent", 0, (), said)
        fitting = [one for one in present if self._gap(one, needs) is None]
        if fitting:
            best = min(fitting, key=lambda one: (self.free(one).memory_bytes, one.host))
            left = self.free(best).memory_bytes - needs.memory_bytes
            said = f"It fits on {best.host}: {needs.said or gib(needs.memory_bytes)}"
            return Fits(best.host, f"{said}; {gib(left)} stay free.")
        gaps = [gap for one in present if (gap := self._gap(one, needs))]
        return self._waits(min(gaps, key=lambda gap: (gap.missing / gap.of, gap.host)), needs)

    def to_pause(self, needs: Needs, host: str) -> tuple[Lease, ...]:
        """Return the training leases that would have to pause for a job to fit on a machine.

        The fewest, largest first; () when nothing would have to, or pausing all would not do.
        Leases of serving are never among them.
        """
        capacity = self.host(host)
        if capacity is None or _never(capacity, needs) or self._gap(capacity, needs) is None:
            return ()
        training = [one for one in self.on(host) if one.kind == "training"]
        training.sort(key=lambda one: (-one.needs.memory_bytes, one.id))
        paused: list[Lease] = []
        for lease in training:
            paused.append(lease)
            left = self.without([one.id for one in paused])
            if left.has_room(_freed(capacity, paused), needs):
                return tuple(paused)
        return ()

    def has_room(self, host: Capacity, needs: Needs) -> bool:
        """Return whether a job fits on a machine now."""
        return self._gap(host, needs) is None

    def _gap(self, host: Capacity, needs: Needs) -> _Gap | None:
        free = self.free(host)
        short = _short(host.host, free, needs)
        if short is not None:
            return short
        if free.real_bytes is not None and needs.memory_bytes > free.real_bytes:
            missing = needs.memory_bytes - free.real_bytes
            return _Gap(host.host, "others", missing, max(1, needs.memory_bytes))
        return None

    def _waits(self, gap: _Gap, needs: Needs) -> Waits:
        held = sorted(self.on(gap.host), key=lambda one: (-one.needs.memory_bytes, one.id))
        takes = _TAKES.get(gap.short, _nothing)
        holders = [one for one in held if takes(one)]
        said = _WAITS[gap.short].format(
            host=gap.host,
            missing=_amount(gap),
            needs=needs.said or gib(needs.memory_bytes),
            slots=_slots(needs.gpu_slots),
            who=_named(holders),
        )
        return Waits(gap.host, gap.short, gap.missing, tuple(one.id for one in holders), said)


def _nothing(_lease: Lease) -> float:
    return 0.0


_TAKES: dict[Short, Callable[[Lease], float]] = {
    "memory": lambda one: one.needs.memory_bytes,
    "slots": lambda one: one.needs.gpu_slots,
    "power": lambda one: one.needs.power_w or 0.0,
}
_WAITS: dict[Short, str] = {
    "memory": "It lacks {missing} of memory on {host}, held by {who}; {needs}.",
    "slots": "It needs {slots} of {host}, taken by {who}.",
    "power": "It lacks {missing} of power on {host}, drawn by {who}.",
    "others": "It lacks {missing} of memory on {host}, held by programs without a lease; {needs}.",
    "absent": "",
}


def cost(needs: Needs, hosts: Sequence[Capacity]) -> float:
    """Return how many slots' worth of all machines a job takes: its dominant share of them.

    The larger of its share of all slots and of all memory (dominant resource fairness, Ghodsi et
    al. 2011), times the number of slots, so that a job which fills one of one slots costs 1.
    """
    slots = sum(one.gpu_slots for one in hosts)
    memory = sum(one.memory_bytes or 0 for one in hosts)
    of_slots = needs.gpu_slots / slots if slots else 0.0
    of_memory = needs.memory_bytes / memory if memory else 0.0
    return max(of_slots, of_memory) * max(slots, 1)


def _short(host: str, free: Free, needs: Needs) -> _Gap | None:
    if needs.memory_bytes > free.memory_bytes:
        missing = needs.memory_bytes - free.memory_bytes
        return _Gap(host, "memory", missing, max(1, needs.memory_bytes))
    if needs.gpu_slots > max(0, free.gpu_slots):
        return _Gap(host, "slots", needs.gpu_slots - free.gpu_slots, max(1, needs.gpu_slots))
    if free.power_w is not None and needs.power_w is not None and needs.power_w > free.power_w:
        return _Gap(host, "power", needs.power_w - free.power_w, needs.power_w)
    return None


def _never(host: Capacity, needs: Needs) -> _Gap | None:
    """Return what is missing on a machine with nothing on it."""
    if host.memory_bytes is None:
        return _Gap(host.host, "memory", needs.memory_bytes, needs.memory_bytes or 1)
    empty = Free(host.memory_bytes, host.gpu_slots, host.power_w, None)
    return _short(host.host, empty, needs)


def _refused(asked: Sequence[Capacity], needs: Needs) -> Never:
    gaps = [gap for one in asked if (gap := _never(one, needs))]
    least = min(gaps, key=lambda gap: (gap.missing / gap.of, gap.host))
    host = next(one for one in asked if one.host == least.host)
    if host.memory_bytes is None:
        return Never("memory", 0, f"It can be promised nothing on {host.host}: {host.said}.")
    what = {
        "memory": f"{gib(needs.memory_bytes)} of memory, {_amount(least)} more than the "
        f"{gib(host.memory_bytes)} that {host.host} has for jobs",
        "slots": f"{_slots(needs.gpu_slots)}, {_amount(least)} more than {host.host} has",
        "power": f"{needs.power_w or 0:.0f} W, {_amount(least)} more than the "
        f"{host.power_w or 0:.0f} W of {host.host}",
    }[least.short]
    nearest = "" if len(asked) == 1 else ", the machine where the least is missing"
    said = f"It can never fit: it needs {what}{nearest}."
    if least.short == "memory" and needs.said:
        said += f" ({needs.said[0].upper()}{needs.said[1:]}.)"
    return Never(least.short, least.missing, said)


def _freed(host: Capacity, paused: Iterable[Lease]) -> Capacity:
    """Return a machine as it is when paused jobs have given back what they use."""
    if host.available_bytes is None:
        return host
    used = sum(one.used_bytes or 0 for one in paused)
    return replace(host, available_bytes=host.available_bytes + used)


def _amount(gap: _Gap) -> str:
    if gap.short in {"memory", "others"}:
        return gib(gap.missing)
    return f"{gap.missing:.0f} W" if gap.short == "power" else f"{gap.missing:.0f}"


def _slots(count: int) -> str:
    return "the heavy slot" if count == 1 else f"{count} heavy slots"


def _named(leases: Sequence[Lease]) -> str:
    names = [lease.title for lease in leases[:_FEW_NAMED]]
    if len(leases) > _FEW_NAMED:
        names.append(f"{len(leases) - _FEW_NAMED} more")
    return " and ".join(names) or "others"
