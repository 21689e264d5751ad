"""Say what deployments of a project promise, and take it back."""

import time
from dataclasses import asdict, dataclass, replace
from typing import ClassVar, cast

from services.actions.action import Context, Deed, Step
from services.actions.roles import Actor, Role
from services.errors import InputError, NotFoundError
from services.home import Home
from services.monitoring.metrics import Metric
from services.objectives import available, store
from services.objectives.asking import counted
from services.objectives.counting import Counter
from services.objectives.models import ANSWERED, DAYS, KINDS, Kind, Objective, check, share
from services.objectives.watched import watched
from services.serving import in_service
from services.serving.store import endpoints

_NAME_LIMIT = 256


@dataclass(frozen=True, slots=True)
class SetObjective:
    """Set an objective of one model, or of all models of a project that have none of their own."""

    kind: ClassVar[str] = "objective-set"
    role: ClassVar[Role] = "operator"

    project: str
    objective: Kind
    target: float
    """See ``services.objectives.models.Objective``."""
    model: str = ""
    """Empty: all of the project."""
    days: int = DAYS
    bound_ms: float | None = None
    metric: Metric = "accuracy"

    @property
    def made(self) -> Objective:
        """Return it as an objective, of nobody yet."""
        return Objective(
            self.objective, self.target, self.days, self.bound_ms, self.metric,
            "model" if self.model else "project",
        )  # fmt: skip

    @property
    def title(self) -> str:
        """What it does."""
        return f"Have {_named(self.project, self.model)} promise {self.made.said}"[:300]

    @property
    def subject(self) -> str:
        """The objective."""
        return _subject(self.project, self.model, self.objective)

    def check(self, context: Context, actor: Actor) -> None:
        """Refuse what means nothing, an unknown project, and a model that it has not."""
        del actor
        check(self.made)
        _check_named(context, self.project, self.model)

    def consequences(self, context: Context) -> tuple[str, ...]:
        """Return what will be different, and how those in service would stand with it now.

        Raises:
            InputError: It means nothing.
        """
        check(self.made)
        before = store.one(context.journal, self.project, self.model, self.objective)
        instead = "" if before is None else f" It was: {before.said}."
        told = [f"{_named(self.project, self.model)}: {self.made.said}.{instead}"]
        told += [f"Now {one}" for one in self._now(context)]
        told.append(
            "An alert comes when the whole interval of the figure is beyond the bound."
            if self.objective == "accuracy"
            else "An alert comes when its budget burns too fast, within minutes."
        )
        return tuple(told)

    def _now(self, context: Context) -> list[str]:
        """Return how each deployment that it counts for would stand, but for accuracy."""
        if self.objective == "accuracy":
            return []
        home, journal, now = Home.locate(), context.journal, time.time()
        said = store.said(journal, [self.project])
        deployed = [one.model for one in endpoints(journal, [self.project]) if one.live is not None]
        models = [
            model
            for model in deployed
            if self.model in ("", model)
            and (self.model or self.objective not in said.get((self.project, model), {}))
        ]
        counter, begin = Counter(home), now - self.made.window_s
        told = []
        for model in models:
            if self.objective == "availability":
                mine = watched(in_service.read(home).get(f"{self.project}.{model}", ()))
                seen = available.stands(self.project, model, self.made, mine, now)
            else:
                minutes = counter.minutes(self.project, model, begin, now, self.bound_ms)
                seen = counted(self.project, model, self.made, minutes, now)
            told.append(f"{seen.name} is {seen.state}: {seen.said}")
        return told

    def steps(self, context: Context, deed: Deed) -> tuple[Step, ...]:
        """Return the steps; what counted before is written down first."""
        before = _remembered(context, deed, self.project, self.model, self.objective)
        at = deed.memory.setdefault("at", time.time())
        mine = replace(self.made, set_by=deed.actor.name, set_at=at)

        def do() -> str:
            store.put(context.journal, self.project, self.model, mine)
            return "it counts from now on, for what was before as well"

        def undo() -> None:
            _put_back(context, self.project, self.model, self.objective, before)

        return (Step("Keep the objective", do, undo),)


@dataclass(frozen=True, slots=True)
class RemoveObjective:
    """Take back what was said of a model or a project; what is more general counts then."""

    kind: ClassVar[str] = "objective-remove"
    role: ClassVar[Role] = "operator"

    project: str
    objective: Kind
    model: str = ""

    @property
    def title(self) -> str:
        """What it does."""
        return f"Take back the objective of {str(self.objective)[:20]} of " + _named(
            self.project, self.model
        )

    @property
    def subject(self) -> str:
        """The objective."""
        return _subject(self.project, self.model, self.objective)

    def check(self, context: Context, actor: Actor) -> None:
        """Refuse what was never said."""
        del actor
        if self.objective not in KINDS:
            raise InputError(
                f"{str(self.objective)[:40]!r} is no objective.", f"There are {', '.join(KINDS)}."
            )
        if store.one(context.journal, self.project, self.model, self.objective) is None:
            default = self.objective == ANSWERED.kind and not self.model
            raise NotFoundError(
                f"No objective of {self.objective} was set for "
                f"{_named(self.project, self.model)} itself.",
                f"That of {share(ANSWERED.target)} counts by default: set another one."
                if default
                else "`mlops objectives` lists what counts.",
            )

    def consequences(self, context: Context) -> tuple[str, ...]:
        """Return what will be different."""
        before = store.one(context.journal, self.project, self.model, self.objective)
        if before is None:
            return ()
        known = store.said(context.journal, [self.project])
        known.get((self.project, self.model), {}).pop(self.objective, None)
        left = next(
            (o for o in store.of(known, self.project, self.model) if o.kind == self.objective), None
        )
        then = "nothing of this kind" if left is None else left.said
        return (f"It was: {before.said}.", f"Then it promises {then}.")

    def steps(self, context: Context, deed: Deed) -> tuple[Step, ...]:
        """Return the steps; what counted before is written down first."""
        before = _remembered(context, deed, self.project, self.model, self.objective)

        def do() -> str:
            gone = store.remove(context.journal, self.project, self.model, self.objective)
            return "it is taken back" if gone else "it was gone already"

        def undo() -> None:
            _put_back(context, self.project, self.model, self.objective, before)

        return (Step("Take the objective back", do, undo),)


def _named(project: str, model: str) -> str:
    return f"{project[:64]}/{model[:120]}" if model else project[:64]


def _subject(project: str, model: str, kind: str) -> str:
    return f"objective:{project[:64]}/{model[:160]}:{str(kind)[:20]}"


def _check_named(context: Context, project: str, model: str) -> None:
    context.mirror.project(project)
    known = {one.name for one in context.mirror.models(project)}
    if model and model not in known:
        raise NotFoundError(
            f"{project} has no registered model {model[:_NAME_LIMIT]!r}.",
            f"`mlops models list --project {project}` lists those it has.",
        )


def _remembered(
    context: Context, deed: Deed, project: str, model: str, kind: Kind
) -> Objective | None:
    """Return what counted before; written down first, for the undo."""
    if "before" not in deed.memory:
        found = store.one(context.journal, project, model, kind)
        deed.memory["before"] = None if found is None else asdict(found)
    said = deed.memory["before"]
    return None if said is None else Objective(**cast("dict[str, object]", said))  # type: ignore[arg-type]  # asdict wrote it


def _put_back(
    context: Context, project: str, model: str, kind: Kind, before: Objective | None
) -> None:
    if before is None:
        store.remove(context.journal, project, model, kind)
    else:
        store.put(context.journal, project, model, before)
