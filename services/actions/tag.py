"""Set or remove a tag of a run or a model version."""

from dataclasses import dataclass
from typing import ClassVar

from services.actions.action import Context, Deed, Step
from services.actions.promote import version_of
from services.actions.roles import Actor, Role
from services.errors import InputError, NotFoundError

_OURS = ("mlops.", "mlflow.")


@dataclass(frozen=True, slots=True)
class TagRun:
    """Set one tag of a run; ``value`` None removes it."""

    kind: ClassVar[str] = "tag-run"
    role: ClassVar[Role] = "operator"

    project: str
    run_id: str
    key: str
    value: str | None

    @property
    def title(self) -> str:
        """What it does."""
        word = "Remove the tag" if self.value is None else "Tag"
        return f"{word} {self.key[:60]} of run {self.run_id[:8]}"

    @property
    def subject(self) -> str:
        """The run."""
        return f"run:{self.project}/{self.run_id}"

    def check(self, context: Context, actor: Actor) -> None:
        """Refuse an unknown run and the tags that engines and client keep."""
        del actor
        check_key(self.key, self.value)
        check_run(context, self.project, self.run_id)

    def consequences(self, context: Context) -> tuple[str, ...]:
        """Return what will be different."""
        before = context.mirror.run(self.run_id).run.tags.get(self.key)
        now = "is removed" if self.value is None else f"becomes {self.value[:200]!r}"
        was = f" It was {before[:200]!r}." if before is not None else ""
        return (f"The tag {self.key} {now}.{was}",)

    def steps(self, context: Context, deed: Deed) -> tuple[Step, ...]:
        """Return the steps."""
        tracking, before = context.tracking, deed.memory.setdefault("before", self._before(context))

        def write(value: str | None) -> None:
            if value is None:
                _without_missing(context, self)
            else:
                tracking.set_run_tag(self.project, self.run_id, self.key, value)

        def do() -> str:
            write(self.value)
            return "written"

        return (Step("Write the tag", do, lambda: write(before)),)

    def _before(self, context: Context) -> str | None:
        return context.mirror.run(self.run_id).run.tags.get(self.key)


def _without_missing(context: Context, action: TagRun) -> None:
    """Remove the tag; that it is not there is what was wanted."""
    from services.errors import EngineRefusedError

    try:
        context.tracking.delete_run_tag(action.project, action.run_id, action.key)
    except EngineRefusedError as error:
        if error.code != "RESOURCE_DOES_NOT_EXIST":
            raise


@dataclass(frozen=True, slots=True)
class TagVersion:
    """Set one tag of a model version."""

    kind: ClassVar[str] = "tag-version"
    role: ClassVar[Role] = "operator"

    project: str
    model: str
    version: int
    key: str
    value: str | None

    @property
    def title(self) -> str:
        """What it does."""
        word = "Remove the tag" if self.value is None else "Tag"
        return f"{word} {self.key[:60]} of {self.model} version {self.version}"

    @property
    def subject(self) -> str:
        """The version."""
        return f"version:{self.project}/{self.model}:{self.version}"

    def check(self, context: Context, actor: Actor) -> None:
        """Refuse an unknown version and the tags that engines and client keep."""
        del actor
        check_key(self.key, self.value)
        version_of(context, self.project, self.model, self.version)

    def consequences(self, context: Context) -> tuple[str, ...]:
        """Return what will be different."""
        del context
        now = "is removed" if self.value is None else f"becomes {self.value[:200]!r}"
        return (f"The tag {self.key} {now}.",)

    def steps(self, context: Context, deed: Deed) -> tuple[Step, ...]:
        """Return the steps."""
        version = version_of(context, self.project, self.model, self.version)
        before = deed.memory.setdefault("before", version.tags.get(self.key))
        return (
            Step(
                "Write the tag",
                lambda: write_version_tag(context, self, self.key, self.value),
                lambda: _silent(write_version_tag(context, self, self.key, before)),
            ),
        )


def write_version_tag(context: Context, at: TagVersion, key: str, value: str | None) -> str:
    """Set or remove a version's tag."""
    registry = context.registry
    if value is None:
        registry.delete_version_tag(at.project, at.model, at.version, key)
        return "removed"
    registry.set_version_tag(at.project, at.model, at.version, key, value)
    return "written"


def _silent(_said: str) -> None:
    """Drop a sentence: an undo has nothing to say."""


def check_key(key: str, value: str | None) -> None:
    """Refuse a tag nobody but its owner may write.

    Raises:
        InputError: It is reserved, empty or too long.
    """
    if key.startswith(_OURS):
        raise InputError(
            f"The tag {key[:80]} is kept by the client or the engine.", "Choose another name."
        )
    if not 0 < len(key) <= 250 or (value is not None and len(value) > 8000):
        raise InputError("A tag has a name of 1 to 250 and a value of up to 8,000 characters.")


def check_run(context: Context, project: str, run_id: str) -> None:
    """Refuse a run that is not there, or is another project's.

    Raises:
        NotFoundError: No such run in that project.
    """
    if context.mirror.run(run_id).run.project != project:
        raise NotFoundError(f"Project {project[:64]} has no run {run_id[:64]}.")
