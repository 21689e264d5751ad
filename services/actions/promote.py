"""Promote a model version to an alias, and roll it back to the version before."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import ClassVar

from services.actions import flags, history
from services.actions.action import Context, Deed, Step
from services.actions.gates import GateResult, evaluate
from services.actions.roles import Actor, Role, at_least
from services.errors import ConflictError, GateError, InputError, NotFoundError
from services.mirror.models import ModelVersion

CHAMPION = "champion"
_ALIAS_LIMIT = 256
_REASON_LIMIT = 2_000


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
    reason: str = ""
    """Why it is promoted, for the history; sets no gate aside."""

    @property
    def title(self) -> str:
        """What it does."""
        return f"Promote {self.model} version {self.version} to {self.alias}"

    @property
    def subject(self) -> str:
        """The alias that moves."""
        return alias_subject(self.project, self.model, self.alias)

    def gate_results(self, context: Context) -> tuple[GateResult, ...]:
        """Return each gate of the project against the version's metrics."""
        version = version_of(context, self.project, self.model, self.version)
        return evaluate(gates_of(context, self.project), version.metrics)

    def check(self, context: Context, actor: Actor) -> None:
        """Refuse an unknown version, a bad alias, and failing gates without a reason."""
        check_alias(self.alias)
        check_reason(self.override)
        check_reason(self.reason)
        failing = [gate for gate in self.gate_results(context) if not gate.passed]
        if failing and not self.override.strip():
            raise GateError(
                f"{self.title}: {' '.join(gate.sentence for gate in failing)}",
                "An approver may promote it all the same by giving a reason.",
            )
        if failing and not at_least(actor, "approver"):
            raise GateError("Only an approver may set a failing gate aside.")
        flags.refuse_policy(context, actor, self.project, self.model, self.version, self.title)

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
        bad = flags.of_version(context, self.project, self.model, self.version)
        return (*bad, moved, asks, "It can be rolled back at any time.", *failing)

    def steps(self, context: Context, deed: Deed) -> tuple[Step, ...]:
        """Return the steps."""
        reason = self.override or self.reason
        return move_alias(context, deed, self.project, self.model, self.alias, self.version, reason)


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
        back = "its earlier" if self.to_version is None else f"version {self.to_version} as"
        return f"Roll {self.model} back to {back} {self.alias}"

    @property
    def subject(self) -> str:
        """The alias that moves."""
        return alias_subject(self.project, self.model, self.alias)

    def pinned(self, context: Context) -> "Rollback":
        """Fix the version to go back to: what was confirmed is what is done."""
        return replace(self, to_version=self.target(context))

    def target(self, context: Context) -> int:
        """Return the version to go back to.

        Raises:
            ConflictError: No earlier version is known.
        """
        if self.to_version is not None:
            return self.to_version
        model = context.mirror.model(self.project, self.model)
        there = {version.version for version in model.versions}
        earlier = history.earlier_versions(context.journal, self.project, self.model, self.alias)
        for version in earlier:
            if version in there:
                return version
        raise ConflictError(
            f"{self.model} has no earlier {self.alias} to go back to.",
            "Promote another version instead.",
        )

    def check(self, context: Context, actor: Actor) -> None:
        """Refuse when there is nothing to go back to, or that version is gone."""
        del actor
        check_alias(self.alias)
        check_reason(self.reason)
        version_of(context, self.project, self.model, self.target(context))

    def consequences(self, context: Context) -> tuple[str, ...]:
        """Return what will be different."""
        holder = context.mirror.model(self.project, self.model).with_alias(self.alias)
        target = self.target(context)
        before = f"from version {holder.version} " if holder else ""
        return (
            *flags.of_version(context, self.project, self.model, target),
            f"{self.alias} moves {before}back to version {target}.",
            f"Whoever loads models:/{self.model}@{self.alias} gets version {target}.",
        )

    def steps(self, context: Context, deed: Deed) -> tuple[Step, ...]:
        """Return the steps; the target was fixed when it was asked for."""
        target = self.target(context)
        return move_alias(context, deed, self.project, self.model, self.alias, target, self.reason)


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


def alias_subject(project: str, model: str, alias: str) -> str:
    """Return the name under which moves of an alias wait for each other."""
    return f"alias:{project}/{model}@{alias}"


def check_reason(reason: str) -> None:
    """Refuse a reason nobody would read.

    Raises:
        InputError: It is too long.
    """
    if len(reason) > _REASON_LIMIT:
        raise InputError(f"A reason has at most {_REASON_LIMIT} characters.")


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
    move = _Move(context, deed, project, model, alias, version, reason)
    return (
        Step("Remember the present version", move.remember),
        Step(f"Move {alias} to version {version}", move.go, move.go_back),
        Step("Write it into the model's history", move.record),
    )


@dataclass(frozen=True, slots=True)
class _Move:
    """An alias on its way; what it carried before is in the deed's memory."""

    context: Context
    deed: Deed
    project: str
    model: str
    alias: str
    version: int
    reason: str

    def _present(self) -> int | None:
        return self.context.registry.alias(self.project, self.model, self.alias)

    def _put(self, version: int | None) -> None:
        registry = self.context.registry
        if version is None:
            registry.delete_alias(self.project, self.model, self.alias)
        else:
            registry.set_alias(self.project, self.model, self.alias, version)

    def _note(self, version: int | None, why: str) -> None:
        where = (self.project, self.model, self.alias)
        event = history.AliasEvent(*where, version, self.deed.actor.name, self.deed.id, why)
        history.record(self.context.journal, event)

    def remember(self) -> str:
        """Keep what the alias carries; the history may not know it yet."""
        previous = self.deed.memory["previous"] = self._present()
        where = (self.project, self.model, self.alias)
        seen = history.AliasEvent(*where, previous, history.OBSERVED, None)
        history.record(self.context.journal, seen, fresh=True)
        return f"{self.alias} was version {previous or 'of nothing'}"

    def go(self) -> str:
        """Move it, unless that was done before a crash."""
        if self._present() != self.version:
            self._put(self.version)
        return f"{self.alias} is version {self.version}"

    def record(self) -> str:
        """Write it into the history."""
        self._note(self.version, self.reason)
        return "the history knows it"

    def go_back(self) -> None:
        """Move it back, if it was moved; the history tells both."""
        previous = self.deed.memory.get("previous")
        if self._present() == self.version != previous:
            self.record()
            self._put(previous)
        where = (self.project, self.model, self.alias)
        spans = history.alias_spans(self.context.journal, *where)
        if spans and (spans[0].version, spans[0].action_id) == (self.version, self.deed.id):
            self._note(previous, "taken back")
