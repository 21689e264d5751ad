"""Say what a machine offers to jobs: heavy ones at a time, memory, power; or as measured."""

import math
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any, ClassVar

from services.actions import machine_room
from services.actions.action import Context, Deed, Step
from services.actions.machine_room import Standing
from services.actions.roles import Actor, Role
from services.errors import InputError
from services.resources.capacity import NO_RULE, given, least_bytes, ruled
from services.resources.models import GIB, Capacity, gib
from services.resources.offers import MOST_SLOTS, Offer

_MOST_GB = 1024.0 * 1024
_MOST_W = 10_000.0


@dataclass(frozen=True, slots=True)
class OfferMachine:
    """All that an administrator says of a machine; what is None is as it was measured."""

    kind: ClassVar[str] = "machine-offer"
    role: ClassVar[Role] = "admin"

    host: str
    slots: int | None = None
    """Heavy jobs at a time, 0 to 64; None: one."""
    memory_gb: float | None = None
    """For jobs and endpoints together, in GB of 1024³ bytes as memory is sold."""
    power_w: float | None = None
    """Watts for all jobs together; None: not limited."""

    @property
    def project(self) -> str | None:
        """It concerns the whole platform."""
        return None

    @property
    def title(self) -> str:
        """What it does."""
        host = self.host[:80]
        if self.as_measured:
            return f"Have {host} offer what was measured"
        figures = (self.memory_gb, self.power_w)
        if any(one is not None and not math.isfinite(one) for one in figures):
            return f"Have {host} offer something else"
        return f"Have {host} offer {given(self.offer().rule)} to jobs"

    @property
    def subject(self) -> str:
        """The machine."""
        return f"machine:{self.host}"

    @property
    def as_measured(self) -> bool:
        """Whether it takes away what was said before."""
        return self.slots is None and self.memory_gb is None and self.power_w is None

    def offer(self, by: str = "", at: float = 0.0) -> Offer:
        """Return it as it is kept."""
        memory = None if self.memory_gb is None else round(self.memory_gb * GIB)
        return Offer(self.host, self.slots, memory, self.power_w, by, at)

    def check(self, context: Context, actor: Actor) -> None:
        """Refuse figures that no machine has, an unknown machine, and more memory than it has."""
        del actor
        self._checked(context)

    def _checked(self, context: Context) -> Standing:
        """Return the machine as it stands.

        Raises:
            InputError: A figure is none, or more than the machine has.
            NotFoundError: There is no such machine.
        """
        self._check_figures()
        now = machine_room.standing(context, self.host)
        if self.memory_gb is not None:
            _refuse_too_much(now, round(self.memory_gb * GIB))
        return now

    def _check_figures(self) -> None:
        slots, memory, power = self.slots, self.memory_gb, self.power_w
        if slots is not None and (isinstance(slots, bool) or not 0 <= slots <= MOST_SLOTS):
            raise InputError(
                f"{slots} is no number of heavy slots: a machine offers 0 to {MOST_SLOTS}.",
                "0 keeps heavy jobs away from it.",
            )
        if memory is not None and not 0 <= memory <= _MOST_GB:  # NaN is in no range
            raise InputError(
                f"{memory:g} GB is no amount of memory that a machine could give.",
                "Give 0 GB or more; without a figure it offers what was measured.",
            )
        if power is not None and not 0 < power <= _MOST_W:
            raise InputError(
                f"{power:g} W is no limit of power: one is more than 0 W, up to {_MOST_W:,.0f} W.",
                "Without a figure power is not limited; 0 slots keep heavy jobs away.",
            )

    def consequences(self, context: Context) -> tuple[str, ...]:
        """Return what will be different, in figures."""
        now = self._checked(context)
        after = ruled(now.measured, self.offer().rule)
        changes = tuple(_changes(now.present, after))
        if not changes:
            return (f"Nothing changes: {self.host[:80]} offers that already.",)
        silent = f"It takes no job now: {now.absent}. It counts when it is back."
        return (
            *changes,
            *_of_slots(now, after),
            *_of_memory(now, after),
            *machine_room.fitting(context, after),
            *([silent] if now.absent else []),
            "What runs there goes on. The next decision, within seconds, follows it; it counts "
            "until somebody changes it, over restarts too.",
        )

    def steps(self, context: Context, deed: Deed) -> tuple[Step, ...]:
        """Return the steps; what was said of it before is written down first."""
        if "at" not in deed.memory:
            before = context.offers.of(self.host)
            deed.memory["before"] = None if before is None else asdict(before)
            deed.memory["at"] = time.time()

        def do() -> str:
            context.offers.put(self.offer(deed.actor.name, float(deed.memory["at"])))
            return "the next decision follows it"

        def undo() -> None:
            before: dict[str, Any] | None = deed.memory["before"]
            context.offers.restore(self.host, None if before is None else Offer(**before))

        return (Step("Note it for the queue", do, undo),)


def _refuse_too_much(now: Standing, wanted: int) -> None:
    total = now.measured.total_bytes
    if total is None:
        return  # nobody knows how much it has: the administrator's word counts
    kept = least_bytes(platform=now.here)
    most = max(0, total - kept)
    if wanted <= most:
        return
    who = "the system and the platform" if now.here else "the system"
    raise InputError(
        f"{gib(wanted)} for jobs are {gib(wanted - most)} more than {now.host} can give: it has "
        f"{gib(total)}, of which {who} need{'' if now.here else 's'} {gib(kept)}.",
        f"Give {gib(most)} or less.",
    )


def _changes(before: Capacity, after: Capacity) -> Iterator[str]:
    if after.gpu_slots != before.gpu_slots:
        many = f"{after.gpu_slots} heavy {'job' if after.gpu_slots == 1 else 'jobs'}"
        yield f"It takes {many} at a time; now {before.gpu_slots}."
    if after.memory_bytes != before.memory_bytes:
        yield f"For jobs and endpoints it has {_memory(after)}; now {_memory(before)}."
    if after.power_w != before.power_w:
        yield f"All jobs together may draw {_power(after)}; now {_power(before)}."


def _memory(one: Capacity) -> str:
    return "no memory that anybody knows of" if one.memory_bytes is None else gib(one.memory_bytes)


def _power(one: Capacity) -> str:
    return "what they want" if one.power_w is None else f"{one.power_w:.4g} W"


def _of_slots(now: Standing, after: Capacity) -> Iterator[str]:
    slots = after.gpu_slots
    if slots == now.present.gpu_slots:
        return
    if slots == 0:
        yield "No heavy job starts there; jobs that take no heavy slot still do."
    elif now.held_slots >= slots:
        verb = "is" if now.held_slots == 1 else "are"
        yield (
            f"{now.held_slots} of its heavy slots {verb} taken: the next heavy job starts when "
            f"fewer than {slots} are."
        )
    if slots > max(1, now.present.gpu_slots):
        yield (
            "Heavy jobs at once share its GPU, so each takes longer than alone. The thermal policy "
            "goes first: while the machine is warm, no second one starts."
        )


def _of_memory(now: Standing, after: Capacity) -> Iterator[str]:
    budget, measured = after.memory_bytes, now.measured.memory_bytes
    total = now.measured.total_bytes
    if budget is None or budget == now.present.memory_bytes:
        return
    if measured is not None and total is not None and budget > measured:
        who = "the system and the platform" if now.here else "the system"
        yield (
            f"That leaves {gib(total - budget)} for {who}, where {gib(total - measured)} would be "
            "kept unasked. A job still waits while other programs have the memory."
        )
    if now.held_bytes > budget:
        yield (
            f"Jobs and endpoints hold {gib(now.held_bytes)} of it: nothing that needs memory "
            f"starts until they hold less than {gib(budget)}."
        )


def merged(before: Offer | None, host: str, **said: float | None) -> OfferMachine:
    """Return an offer in which what is not said stays as an administrator said it before."""
    rule = before.rule if before else NO_RULE
    memory = None if rule.memory_bytes is None else rule.memory_bytes / GIB
    kept: dict[str, Any] = {
        "slots": rule.gpu_slots,
        "memory_gb": memory,
        "power_w": rule.power_w,
    }
    return OfferMachine(host, **{**kept, **said})
