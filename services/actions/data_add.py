"""Make a version of what a project's folder holds now."""

from dataclasses import dataclass
from functools import partial
from typing import ClassVar

from services.actions import data
from services.actions.action import Context, Deed, Lane, Step
from services.actions.roles import Actor, Role
from services.data.models import KINDS, Kind


@dataclass(frozen=True, slots=True)
class DataAdd:
    """Track data and models as they are; the same content again makes no version."""

    kind: ClassVar[str] = "data-add"
    role: ClassVar[Role] = "operator"
    lane: ClassVar[Lane] = "data"

    project: str

    @property
    def title(self) -> str:
        """What it does."""
        return f"Track the data and models of {self.project}"

    @property
    def subject(self) -> str:
        """The project's files."""
        return data.subject(self.project)

    def check(self, context: Context, actor: Actor) -> None:
        """Refuse a project that is not connected."""
        del actor
        data.known(context, self.project)

    def consequences(self, context: Context) -> tuple[str, ...]:
        """Return what will be different."""
        states = {s.kind: s.state for s in context.data.status(self.project)}
        changed = [kind for kind, state in states.items() if state not in {"clean", "empty"}]
        if not changed:
            return ("Nothing changed since the last versions.",)
        return (f"What {' and '.join(changed)} hold now becomes a version.",)

    def steps(self, context: Context, deed: Deed) -> tuple[Step, ...]:
        """Return the steps."""
        del deed
        folder = context.data.project(self.project).folder()

        def do(kind: Kind) -> str:
            found = context.data.track(folder, kind)
            if found.revision is None:
                return f"no {kind}"
            word = "is now" if found.changed else "is still"
            told = f"{kind} {word} {found.revision}, {data.files(found.files)}"
            return f"{told} ({found.reason.rstrip('.')})" if found.reason else told

        return tuple(Step(f"Track {kind}", partial(do, kind)) for kind in KINDS)
