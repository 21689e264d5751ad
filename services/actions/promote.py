"""Promote a model version to an alias, and roll it back to the version before."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from services.actions import history
from services.actions.action import Context, Deed, Step
from services.actions.gates import GateResult, evaluate
from services.actions.roles import Actor, Role, at_least
from services.errors import ConflictError, GateError, InputError, NotFoundError
from services.mirror.models import ModelVersion

CHAMPION = "champion"
_ALIAS_LIMIT = 256


@dataclass(frozen=True, slots=True)
class Promote:
    """Point ``alias`` at a version that passes the project's gates."""

    kind: ClassVar[str] = "promote"
    role: ClassVar[Role] = "approver"

    project: str
    model: str
    version: int
    alias: str = CHAMPION
    override: str = ""
    """Why failing gates are set aside; empty: they are not."""

    @property
    def title(self) -> str:
        """What it does."""
        return f"Promote {self.model} version {self.version} to {self.alias}"

    def gate_results(self, context: Context) -> tuple[GateResult, ...]:
        """Return each gate of the project against the version's metrics."""
        version = version_of(context, self.project, self.model, self.version)
        return evaluate(gates_of(context, self.project), version.metrics)

    def check(self, context: Context, actor: Actor) -> None:
        """Refuse an unknown version, a bad alias, and failing gates without a reason."""
        check_alias(self.alias)
        failing = [gate for gate in self.gate_results(context) if not gate.passed]
        if failing and not self.override.strip():
            raise GateError(
                f"{self.title}: {' '.join(gate.sentence for gate in failing)}",
                "An approver may promote it all the same by giving a reason.",
            )
        if failing and not at_least(actor, "approver"):
            raise GateError("Only an approver may set a failing gate aside.")

    def consequences(self, context: Context) -> tuple[str, ...]:
        """Return what will be different."""
        model = context.mirror.model(self.project, self.model)
        holder = model.with_alias(self.alias)
        moved = (
            f"{self.alias} moves from version {holder.version} to version {self.version}."
            if holder
            else f"Version {self.version} becomes the first {self.alias} of {self.model}."
        )
        failing = [gate.sentence for gate in self.gate_results(context) if not gate.passed]
        asks = f"Whoever loads models:/{self.model}@{self.alias} gets version {self.version}."
        return (moved, asks, "It can be rolled back at any time.", *failing)

    def steps(self, context: Context, deed: Deed) -> tuple[Step, ...]:
        """Return the steps."""
        return move_alias(
            context, deed, self.project, self.model, self.alias, self.version, self.override
        )


@dataclass(frozen=True, slots=True)
class Rollback:
    """Point ``alias`` back at the version that carried it before."""

    kind: ClassVar[str] = "rollback"
    role: ClassVar[Role] = "approver"

    project: str
    model: str
    alias: str = CHAMPION
    to_version: int | None = None
    """The version to go back to; None: the one before the present."""
    reason: str = ""

    @property
    def title(self) -> str:
        """What it does."""
        return f"Roll {self.model} back to its earlier {self.alias}"

    def target(self, context: Context) -> int:
        """Return the version to go back to.

        Raises:
            ConflictError: No earlier version is known.
        """
        if self.to_version is not None:
            return self.to_version
        spans = history.alias_spans(context.journal, self.project, self.model, self.alias)
        now = spans[0].version if spans else None
        earlier = [s.version for s in spans[1:] if s.version is not None and s.version != now]
        if not earlier:
            raise ConflictError(
                f"{self.model} has no earlier {self.alias} to go back to.",
                "Promote another version instead.",
            )
        return earlier[0]

    def check(self, context: Context, actor: Actor) -> None:
        """Refuse when there is nothing to go back to, or that version is gone."""
        del actor
        check_alias(self.alias)
        version_of(context, self.project, self.model, self.target(context))

    def consequences(self, context: Context) -> tuple[str, ...]:
        """Return what will be different."""
        holder = context.mirror.model(self.project, self.model).with_alias(self.alias)
        target = self.target(context)
        before = f"from version {holder.version} " if holder else ""
        return (
            f"{self.alias} moves {before}back to version {target}.",
            f"Whoever loads models:/{self.model}@{self.alias} gets version {target}.",
        )

    def steps(self, context: Context, deed: Deed) -> tuple[Step, ...]:
        """Return the steps; the target is chosen once and remembered."""
        target = deed.memory.setdefault("target", None)
        if target is None:
            target = deed.memory["target"] = self.target(context)
        return move_alias(
            context, deed, self.project, self.model, self.alias, int(target), self.reason
        )


def gates_of(context: Context, project: str) -> Mapping[str, str]:
    """Return the gates a project declares."""
    return context.mirror.project(project).gates


def version_of(context: Context, project: str, model: str, version: int) -> ModelVersion:
    """Return a version.

    Raises:
        NotFoundError: No such model or version.
    """
    for found in context.mirror.model(project, model).versions:
        if found.version == version:
            return found
    raise NotFoundError(f"{model} has no version {version}.", f"`mlops models show {model}`")


def check_alias(alias: str) -> None:
    """Refuse what MLflow would not take as an alias.

    Raises:
        InputError: It is no alias.
    """
    reserved = alias == "latest" or (alias[:1] == "v" and alias[1:].isdigit())
    plain = alias.replace("-", "").replace("_", "").isalnum()
    if reserved or not plain or len(alias) > _ALIAS_LIMIT:
        raise InputError(
            f"{alias[:40]!r} is no alias.",
            "Letters, digits, - and _; not `latest` and not `v1`, which mean versions.",
        )


def move_alias(
    context: Context,
    deed: Deed,
    project: str,
    model: str,
    alias: str,
    version: int,
    reason: str,
) -> tuple[Step, ...]:
    """Return the steps that move an alias: remember, move, record."""
    memory = deed.memory
    registry = context.registry

    def remember() -> str:
        memory["previous"] = registry.alias(project, model, alias)
        return f"{alias} was version {memory['previous'] or 'of nothing'}"

    def move() -> str:
        if registry.alias(project, model, alias) != version:
            registry.set_alias(project, model, alias, version)
        return f"{alias} is version {version}"

    def move_back() -> None:
        previous = memory.get("previous")
        if registry.alias(project, model, alias) != version or previous == version:
            return
        if previous is None:
            registry.delete_alias(project, model, alias)
        else:
            registry.set_alias(project, model, alias, int(previous))

    def record() -> str:
        history.record(
            context.journal,
            history.AliasEvent(project, model, alias, version, deed.actor.name, deed.id, reason),
        )
        return "the history knows it"

    return (
        Step("Remember the present version", remember),
        Step(f"Move {alias} to version {version}", move, move_back),
        Step("Write it into the model's history", record),
    )
