"""Change how many replicas an endpoint has, whether it may be evicted, and when it sleeps."""

import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, ClassVar

from services.actions import replicas_follow, serving
from services.actions.action import Context, Deed, Step
from services.actions.roles import Actor, Role
from services.errors import ConflictError, InputError
from services.resources.models import gib
from services.serving import store
from services.serving.models import Endpoint, Target

_LONGEST_IDLE_S = 30 * 86_400.0
_SHORTEST_IDLE_S = 10.0
_SHORTEST_S, _LONGEST_S = 0.05, 600.0


@dataclass(frozen=True, slots=True)
class Scale:
    """Set what is named; what is None stays as it is."""

    kind: ClassVar[str] = "scale"
    role: ClassVar[Role] = "operator"

    project: str
    model: str
    min_replicas: int | None = None
    max_replicas: int | None = None
    pinned_in_memory: bool | None = None
    """Never evicted to make room for others."""
    idle_after_s: float | None = None
    deadline_s: float | None = None
    """A request that is not answered by then is given up."""

    @property
    def title(self) -> str:
        """What it does."""
        return f"Scale {self.model[:120]}: {', '.join(self._words()) or 'nothing'}"

    def _words(self) -> Iterator[str]:
        least, most = self.min_replicas, self.max_replicas
        if least is not None or most is not None:
            ends = f"{'–' if least is None else least} to {'–' if most is None else most}"
            yield f"{least if least == most else ends} replicas"
        if self.pinned_in_memory is not None:
            yield "pinned" if self.pinned_in_memory else "no longer pinned"
        if self.idle_after_s is not None:
            yield f"idle after {self.idle_after_s:g} s"
        if self.deadline_s is not None:
            yield f"{self.deadline_s:g} s for an answer"

    @property
    def subject(self) -> str:
        """Of its own: it does not wait for a rollout to end."""
        return f"scale:{serving.name_of(self.project, self.model)}"

    def check(self, context: Context, actor: Actor) -> None:
        """Refuse figures that cannot be, and more replicas than there is memory for."""
        del actor
        serving.check_on(context)
        now = serving.deployed(context, self.project, self.model)
        if not tuple(self._words()):
            raise InputError("Nothing is named that should change.", "`mlops scale --help`")
        idle = self.idle_after_s
        if idle is not None and not _SHORTEST_IDLE_S <= idle <= _LONGEST_IDLE_S:
            raise InputError(f"{idle:g} s is no time to sleep after; it is 10 s to 30 days.")
        deadline = self.deadline_s
        if deadline is not None and not _SHORTEST_S <= deadline <= _LONGEST_S:
            raise InputError(f"{deadline:g} s is no time for an answer; it is 0.05 to 600 s.")
        target = now.first_target
        if target is None:
            raise ConflictError(f"{now.name} has no version that is served.")
        after = self._of(target)
        serving.check_replicas(after.min_replicas, after.max_replicas)
        self._check_room(context, target, after)

    def _check_room(self, context: Context, before: Target, after: Target) -> None:
        seen = context.serving.status()
        more = after.min_replicas - max(before.min_replicas, self._ready(context, before.version))
        free = seen.memory_free_bytes if seen else None
        if more <= 0 or free is None or not before.memory_bytes:
            return
        needed = more * before.memory_bytes
        if needed > free:
            raise ConflictError(
                f"{more} more replicas reserve {gib(needed)}, {gib(needed - free)} more than the "
                f"{gib(free)} that are left for serving.",
                "Scale another endpoint down or take it out of service; `mlops deployments` shows "
                "what each holds.",
            )

    def _ready(self, context: Context, version: int) -> int:
        seen = context.serving.status()
        found = seen.endpoints.get(serving.name_of(self.project, self.model)) if seen else None
        return (
            next((one.ready for one in found.versions if one.version == version), 0) if found else 0
        )

    def _of(self, target: Target) -> Target:
        least, most = self.min_replicas, self.max_replicas
        if least is None:
            least = target.min_replicas if most is None else min(target.min_replicas, most)
        if most is None:
            most = max(target.max_replicas, least)
        return replace(target, min_replicas=least, max_replicas=most)

    def consequences(self, context: Context) -> tuple[str, ...]:
        """Return what will be different."""
        return tuple(self._told(serving.deployed(context, self.project, self.model)))

    def _told(self, now: Endpoint) -> Iterator[str]:
        target = now.first_target
        if target is not None:
            yield from self._of_replicas(now, target, self._of(target))
        if self.pinned_in_memory is not None:
            yield (
                "It is never ended to make room for others."
                if self.pinned_in_memory
                else "It may be ended to make room for others when nobody asks it."
            )
        if self.idle_after_s is not None:
            yield (
                f"After {self.idle_after_s:g} s without a request it has as few replicas as it may."
            )

        if self.deadline_s is not None:
            yield f"A request that is not answered within {self.deadline_s:g} s is given up (504)."

    def _of_replicas(self, now: Endpoint, before: Target, after: Target) -> Iterator[str]:
        if after == before:
            return
        yield f"{now.name} has {serving.replicas(after)}; now {serving.replicas(before)}."
        if after.memory_bytes:
            least, most = (n * after.memory_bytes for n in (after.min_replicas, after.max_replicas))
            yield f"They reserve {gib(least)}, and up to {gib(most)} when it is busy."
        if after.min_replicas == 0:
            yield "While nobody asks it sleeps; the first request then waits for it to load."

    def steps(self, context: Context, deed: Deed) -> tuple[Step, ...]:
        """Return the steps; what it was before is written down first."""
        name = serving.name_of(self.project, self.model)
        deed.memory.setdefault("asked_at", time.time())
        if "before" not in deed.memory:
            deed.memory["before"] = serving.deployed(context, self.project, self.model).as_json()

        def do() -> str:
            after = store.change(context.journal, self.project, self.model, self._changed)
            if not store.events(context.journal, name, 1, action_id=deed.id):
                said = f"{', '.join(self._words())}."
                store.record_event(
                    context.journal, name, "scaled", said, action_id=deed.id, actor=deed.actor.name
                )
            target = after.first_target
            return f"it is to have {serving.replicas(target)}" if target else "it is so"

        def undo() -> None:
            before = Endpoint.from_json(deed.memory["before"])

            def back(now: Endpoint) -> Endpoint:
                return _like(now, before)

            store.change(context.journal, self.project, self.model, back)

        note = Step("Note it for the serving engine", do, undo)
        if self.min_replicas is None and self.max_replicas is None:
            return (note,)
        return note, Step("See its replicas", partial(self._follow, context, deed))

    def _follow(self, context: Context, deed: Deed) -> str:
        now = serving.endpoint_of(context, self.project, self.model)
        since_s = time.time() - deed.memory["asked_at"]
        return replicas_follow.outcome(now, context.serving.status(), since_s)

    def _changed(self, now: Endpoint) -> Endpoint:
        if now.live is None and now.rollout is None:
            raise ConflictError(f"{now.name} was taken out of service meanwhile.")
        changes: dict[str, Any] = {}
        if now.live is not None:
            changes["live"] = self._of(now.live)
        if now.rollout is not None:
            changes["rollout"] = replace(now.rollout, target=self._of(now.rollout.target))
        if self.pinned_in_memory is not None:
            changes["pinned"] = self.pinned_in_memory
        if self.idle_after_s is not None:
            changes["idle_after_s"] = self.idle_after_s
        if self.deadline_s is not None:
            changes["deadline_ms"] = self.deadline_s * 1000
        return replace(now, **changes)


def _like(now: Endpoint, before: Endpoint) -> Endpoint:
    """Return an endpoint with the replicas, pin, idle time and deadline that it had before."""
    live, rollout, earlier = now.live, now.rollout, before.rollout
    if live is not None and before.live is not None:
        live = _as_many(live, before.live)
    if rollout is not None and earlier is not None and rollout.action_id == earlier.action_id:
        rollout = replace(rollout, target=_as_many(rollout.target, earlier.target))
    return replace(
        now,
        live=live,
        rollout=rollout,
        pinned=before.pinned,
        idle_after_s=before.idle_after_s,
        deadline_ms=before.deadline_ms,
    )


def _as_many(target: Target, of: Target) -> Target:
    return replace(target, min_replicas=of.min_replicas, max_replicas=of.max_replicas)
