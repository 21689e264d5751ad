"""The steps of a rollout: package, bento, plan, wish, and the engine's word on what became of it.

Nobody waits in a thread for a rollout: its last step is asked again and again (``NotYetError``).
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, cast

from services.actions import serving
from services.actions.action import Context, Deed, NotYetError, Step
from services.errors import PlatformError
from services.serving import backends, store
from services.serving.models import (
    Endpoint,
    EndpointStatus,
    EventKind,
    Privacy,
    Rollout,
    RolloutStatus,
    Target,
)
from services.serving.status import ServingStatus

if TYPE_CHECKING:
    from services.engines.mlflow.adapter import MLflow

STRICTNESS: tuple[Privacy, ...] = ("full", "sample", "hash", "off")
_PAUSE_S = 0.5
_SLOW_PAUSE_S = 2.0


@dataclass(frozen=True, slots=True)
class Deploying:
    """One version on its way into service."""

    context: Context
    deed: Deed
    project: str
    model: str
    rollout: Rollout
    """As it was asked for; what a replica takes is planned on the way."""
    planned: bool = False
    """Whether a person said what a replica takes."""
    privacy: Privacy | None = None
    """Of an endpoint that comes into being; None: as the project's others have it."""
    told: str = ""
    """What the history tells of its beginning; empty: the strategy and the version."""

    @property
    def name(self) -> str:
        """The endpoint."""
        return serving.name_of(self.project, self.model)

    @property
    def version(self) -> int:
        """Which version."""
        return self.rollout.target.version

    def steps(self) -> tuple[Step, ...]:
        """Return them in order."""
        return (
            Step(f"Package and sign version {self.version}", self.package),
            Step("Make its bento", self.bento),
            Step("Try it and plan its memory", self.plan),
            Step("Begin the rollout", self.begin, self.withdraw),
            Step("Follow the rollout", self.follow, self.withdraw),
        )

    @property
    def _at(self) -> tuple[str, str, int]:
        return self.project, self.model, self.version

    @property
    def _folder(self) -> Path:
        return Path(self.context.mirror.project(self.project).path)

    def package(self) -> str:
        """Have the signed package there."""
        mlflow = cast("MLflow", self.context.registry)
        info = self.context.serving.package(mlflow, self._folder, *self._at)
        size = f"{info.weights_bytes / 1e6:.2f} MB of weights"
        return f"{info.format}, {size}, served as {info.interface}"

    def bento(self) -> str:
        """Have the bento there."""
        tag = self.context.serving.bento(self._folder, *self._at)
        return f"`bentoml list` shows it as {tag}"

    def plan(self) -> str:
        """Try it once, write down what a replica reserves; refuse what does not fit."""
        target = self.rollout.target
        at = (self.project, self.model, target)
        pinned = serving.pinned(self.context)
        self.context.serving.measure(self._folder, *at, pinned)
        found = self.context.serving.outlook(*at, pinned, self._folder)
        if found is None or not found.packaged:
            raise PlatformError(
                f"The package of {self.model} version {self.version} went away.", "Deploy it again."
            )
        serving.check_fits(found)
        if not self.planned:
            target = replace(target, memory_bytes=found.memory_bytes, memory_said=found.memory_said)
        self.deed.memory["target"] = asdict(target)
        self.deed.memory["backend"] = found.backend
        where = f" on {found.backend}" if found.backend else ""
        return f"a replica reserves {serving.memory(target.memory_bytes)}{where}: {found.said}"

    def begin(self) -> str:
        """Wish for it; once, though a crash lets it be done again.

        What was done to the rollout since stays: a share, a promotion, its end.
        """
        if self._events(("deploy", *serving.ENDINGS)):
            return "it was begun before"
        journal, who = self.context.journal, self.deed.actor.name
        target = Target(**self.deed.memory["target"])
        wish = replace(self.rollout, target=target, action_id=self.deed.id, actor=who)
        store.put_rollout(journal, self.project, self.model, wish, self._first)
        said = self.told or f"{_strategy(wish)} of version {self.version} was begun."
        store.record_event(
            journal, self.name, "deploy", said,
            version=self.version, action_id=self.deed.id, actor=who,
        )  # fmt: skip
        return f"{self.name} is to serve version {self.version}"

    def _first(self, fresh: Endpoint) -> Endpoint:
        """Return an endpoint that comes into being as the project's others keep predictions."""
        if self.privacy is not None:
            return replace(fresh, privacy=self.privacy)
        others = store.endpoints(self.context.journal, [self.project])
        strictest = max(others, key=lambda one: STRICTNESS.index(one.privacy), default=fresh)
        return replace(fresh, privacy=strictest.privacy, sample=strictest.sample)

    def _events(self, kinds: tuple[EventKind, ...]) -> tuple[store.Event, ...]:
        return store.events(self.context.journal, self.name, 5, kinds, action_id=self.deed.id)

    def follow(self) -> str:
        """Say what became of it.

        Raises:
            NotYetError: It is under way; the message says how far it is.
            PlatformError: It was taken back; the message says why.
        """
        # Looked at first: a rollout and the line of its end go and come in one step.
        now = serving.endpoint_of(self.context, self.project, self.model)
        ended = self._events(serving.ENDINGS)
        if ended:
            return _outcome(ended[0])
        beside = [one for one in self._since(("canary", "shadow")) if one.version == self.version]
        if beside:
            return beside[0].said
        if now is None or now.rollout is None or now.rollout.action_id != self.deed.id:
            _outcome_of_others(self._since(("undeployed",)))
            raise PlatformError(
                f"The rollout of version {self.version} was ended by something else.",
                f"`mlops deployments {self.project}/{self.model} --history` tells what happened.",
            )
        raise progress(self.context.serving.status(), self.name, self.deed.id)

    def _since(self, kinds: tuple[EventKind, ...]) -> tuple[store.Event, ...]:
        """Return what happened since this was begun, whoever did it."""
        begun = self._events(("deploy",))
        if not begun:
            return ()
        return store.events(self.context.journal, self.name, 5, kinds, after=begun[0].id)

    def withdraw(self) -> None:
        """Wish for it no longer, unless it ended."""
        now = serving.endpoint_of(self.context, self.project, self.model)
        if now is not None and now.rollout is not None and now.rollout.action_id == self.deed.id:
            said = f"Version {self.version} was taken back before it was live."
            store.finish_rollout(
                self.context.journal,
                self.name,
                self.version,
                live=False,
                said=said,
                action_id=self.deed.id,
            )


def outcome(deed: Deed, said: Sequence[str]) -> str:
    """Return what became of a rollout, with what it takes: one sentence without its end mark.

    Args:
        deed: With what the steps noted.
        said: The details of the steps; the last one says what became of it.
    """
    told = said[-1].removesuffix(".")
    target = Target(**deed.memory["target"])
    on = backends.TITLES.get(deed.memory.get("backend", ""))
    parts = [f"{serving.replicas(target)} on {on}" if on else serving.replicas(target)]
    if target.memory_bytes:
        each = "" if target.max_replicas == 1 else " each"
        parts.append(f"{serving.memory(target.memory_bytes)} reserved{each}")
    return f"{told[:1].lower()}{told[1:]}; {', '.join(parts)}"


def progress(seen: ServingStatus | None, name: str, action_id: int | None) -> NotYetError:
    """Return how far a rollout is, to be raised."""
    why = serving.engine_fault(seen)
    if why or seen is None:
        return NotYetError(f"{why} The rollout goes on when it is back.", _SLOW_PAUSE_S)
    found = rollout_of(seen.endpoints.get(name), action_id)
    if found is None:
        return NotYetError("The serving engine looks at it in a moment.", _PAUSE_S)
    return NotYetError(said_of(found), _PAUSE_S)


def rollout_of(seen: EndpointStatus | None, action_id: int | None) -> RolloutStatus | None:
    """Return the rollout of an action as the engine sees it, None when it does not."""
    found = seen.rollout if seen is not None else None
    return found if found is not None and found.action_id == action_id else None


def said_of(rollout: RolloutStatus) -> str:
    """Return where a rollout is, as a sentence."""
    begun = [step for step in rollout.steps if step.state != "waiting"]
    if not begun:
        return rollout.said or "It waits for its turn."
    last = begun[-1]
    return f"{last.name}: {last.said}" if last.said else f"{last.name} …"


def _outcome_of_others(events: tuple[store.Event, ...]) -> None:
    if events:
        _outcome(events[0])


def _outcome(event: store.Event) -> str:
    if event.kind == "live":
        return event.said or f"version {event.version} is live"
    where = {
        "rolled-back": "What was live before answers again.",
        "failed": "Nothing else was live, so the endpoint is gone again.",
        "undeployed": "The endpoint was taken out of service.",
    }[event.kind]
    which = "It" if event.version is None else f"Version {event.version}"
    raise PlatformError(f"{which} did not become live: {event.said}", where)


def _strategy(wish: Rollout) -> str:
    if wish.strategy == "canary":
        what = "by header" if wish.header else f"of {serving.percent(wish.share)}"
        return f"A canary {what}"
    return {"blue-green": "A rollout", "shadow": "A shadow"}[wish.strategy]
