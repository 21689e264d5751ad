"""Mark a thing as bad, and take the mark back."""

import time
from dataclasses import dataclass
from typing import ClassVar

from services.actions.action import Context, Deed, Step
from services.actions.roles import Actor, Role
from services.errors import InputError, NotFoundError
from services.home import Home
from services.lineage import marked
from services.lineage.asking import Lineage
from services.lineage.marked import MARKABLE
from services.lineage.models import Mark, Node, Ref, mark_json, ref_of
from services.lineage.monitored import monitored
from services.lineage.radius import said

_REASON_LIMIT = 2_000


@dataclass(frozen=True, slots=True)
class MarkBad:
    """Say that a revision, a run or a version is bad: what came of it is told wherever it shows."""

    kind: ClassVar[str] = "lineage-mark"
    role: ClassVar[Role] = "approver"

    project: str | None
    """Of the thing; None: of none alone, which takes somebody who sees all projects."""
    thing: str
    """Its id: ``data:…``, ``models:…``, ``workflow:…``, ``run:…`` or ``version:…``."""
    reason: str

    @property
    def title(self) -> str:
        """What it does."""
        return f"Mark {self.thing[:120]} as bad"

    @property
    def subject(self) -> str:
        """The thing."""
        return f"lineage:{self.thing[:280]}"

    def check(self, context: Context, actor: Actor) -> None:
        """Refuse what nothing is made of, what is not there, and a mark without a reason."""
        del actor
        node = node_of(context, self.thing)
        if node.state == "gone":
            raise NotFoundError(f"There is no {self.thing[:120]}: {node.said}.")
        if node.project != self.project:
            raise InputError(
                f"{self.thing[:120]} is of {node.project or 'no project alone'}, not of "
                f"{self.project or 'none'}."
            )
        if not self.reason.strip() or len(self.reason) > _REASON_LIMIT:
            raise InputError(
                f"Say why, in up to {_REASON_LIMIT:,} characters: others decide by it."
            )

    def consequences(self, context: Context) -> tuple[str, ...]:
        """Return what will be different."""
        return (
            said(_asked(context).radius(must(self.thing))),
            "It and what came of it is shown as bad wherever lineage shows; nothing is taken out "
            "of service by itself.",
        )

    def steps(self, context: Context, deed: Deed) -> tuple[Step, ...]:
        """Return the steps."""
        ref = must(self.thing)
        before = _remembered(context, deed, ref)
        at = deed.memory.setdefault("at", time.time())
        mark = Mark(ref, self.project, self.reason.strip(), deed.actor.name, at, deed.id)

        def do() -> str:
            marked.put(context.journal, mark)
            return "marked"

        return (Step("Note the mark", do, lambda: _put_back(context, ref, before)),)


@dataclass(frozen=True, slots=True)
class UnmarkBad:
    """Say that a thing is not bad after all."""

    kind: ClassVar[str] = "lineage-unmark"
    role: ClassVar[Role] = "approver"

    project: str | None
    thing: str
    reason: str

    @property
    def title(self) -> str:
        """What it does."""
        return f"Take the mark of {self.thing[:120]} back"

    @property
    def subject(self) -> str:
        """The thing."""
        return f"lineage:{self.thing[:280]}"

    def check(self, context: Context, actor: Actor) -> None:
        """Refuse what is not marked, and a mark of another project's thing."""
        del actor
        mark = marked.mark_of(context.journal, must(self.thing))
        if mark is None:
            raise NotFoundError(f"{self.thing[:120]} is not marked as bad.")
        if mark.project != self.project:
            raise InputError(f"{self.thing[:120]} is of {mark.project or 'no project alone'}.")
        if not self.reason.strip() or len(self.reason) > _REASON_LIMIT:
            raise InputError(f"Say why, in up to {_REASON_LIMIT:,} characters.")

    def consequences(self, context: Context) -> tuple[str, ...]:
        """Return what will be different."""
        mark = marked.mark_of(context.journal, must(self.thing))
        was = f"It was marked by {mark.by}: {mark.reason}" if mark else "It is not marked."
        return (was, "What came of it is no longer shown as bad because of it.")

    def steps(self, context: Context, deed: Deed) -> tuple[Step, ...]:
        """Return the steps."""
        ref = must(self.thing)
        before = _remembered(context, deed, ref)

        def do() -> str:
            marked.take_back(context.journal, ref)
            return f"taken back: {self.reason.strip()}"

        return (Step("Take the mark back", do, lambda: _put_back(context, ref, before)),)


def must(thing: str) -> Ref:
    """Return what an id names.

    Raises:
        InputError: It names nothing that can be bad.
    """
    ref = ref_of(thing)
    if ref is None or ref.kind not in MARKABLE:
        raise InputError(
            f"{thing[:120]!r} cannot be marked.",
            "Mark data:REVISION, models:REVISION, workflow:DAG/RUN, run:ID or "
            "version:PROJECT/MODEL:NUMBER.",
        )
    return ref


def node_of(context: Context, thing: str) -> Node:
    """Return the thing that an id names.

    Raises:
        InputError: It names nothing that can be bad.
    """
    return _asked(context).node(must(thing))


def _asked(context: Context) -> Lineage:
    home = Home.locate()
    watched = monitored(context.journal, home)
    return Lineage(home, context.mirror, context.journal, context.data, watched=watched)


def _remembered(context: Context, deed: Deed, ref: Ref) -> Mark | None:
    """Return the mark as it was before; written down first, for the undo."""
    if "before" not in deed.memory:
        mark = marked.mark_of(context.journal, ref)
        deed.memory["before"] = None if mark is None else mark_json(mark)
    was = deed.memory["before"]
    if was is None:
        return None
    return Mark(ref, was["project"], was["reason"], was["by"], was["at"], was["action"])


def _put_back(context: Context, ref: Ref, before: Mark | None) -> None:
    if before is None:
        marked.take_back(context.journal, ref)
    else:
        marked.put(context.journal, before)
