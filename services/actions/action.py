"""What an action is: typed parameters, a role, a check, consequences, and steps.

A step is idempotent: after a crash it is done again, and the engine's own state decides whether
anything is left to do. What a step learns and a later one (or the undo) needs goes into ``memory``,
which is journalled with the step.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Protocol, runtime_checkable

from services.actions.journal import Journal
from services.actions.roles import Actor, Role
from services.data.service import DataService
from services.engines.registry import late_airflow
from services.errors import MlopsError
from services.home import Home
from services.mirror.queries import Mirror
from services.resources.offers import Offers
from services.serving.workbench import Workbench
from services.telemetry.fleet import Fleet
from services.workflows.kept import Overrides

if TYPE_CHECKING:
    from services.engines.airflow.adapter import Airflow

Memory = dict[str, Any]
Lane = Literal["quick", "data", "serving"]
"""Which loop of the controller executes it: what moves much data, and what packages models, must
not keep the others waiting."""


class NotYetError(MlopsError):
    """A step is under way elsewhere: it is asked again after a pause, and nobody waits meanwhile.

    The message says how far it is. Any number of actions are at such a step at a time.
    """

    def __init__(self, message: str, pause_s: float = 0.5) -> None:
        super().__init__(message)
        self.pause_s = pause_s


class Tracking(Protocol):
    """What actions ask of runs; the project is the workspace."""

    def set_run_tag(self, workspace: str, run_id: str, key: str, value: str, /) -> None:
        """Set one tag of a run."""

    def delete_run_tag(self, workspace: str, run_id: str, key: str, /) -> None:
        """Remove one tag of a run."""

    def delete_run(self, workspace: str, run_id: str, /) -> None:
        """Archive a run."""

    def restore_run(self, workspace: str, run_id: str, /) -> None:
        """Bring an archived run back."""

    def run_lifecycle(self, workspace: str, run_id: str, /) -> str:
        """Return ``active`` or ``deleted``."""


class Registry(Protocol):
    """What actions ask of registered models."""

    def alias(self, workspace: str, model: str, alias: str, /) -> int | None:
        """Return the version that carries the alias."""

    def set_alias(self, workspace: str, model: str, alias: str, version: int, /) -> None:
        """Point the alias at a version."""

    def delete_alias(self, workspace: str, model: str, alias: str, /) -> None:
        """Remove the alias."""

    def set_version_tag(
        self, workspace: str, model: str, version: int, key: str, value: str, /
    ) -> None:
        """Set one tag of a version."""

    def delete_version_tag(self, workspace: str, model: str, version: int, key: str, /) -> None:
        """Remove one tag of a version."""


def _airflow_here() -> "Airflow":
    return late_airflow(Home.locate())


@dataclass(frozen=True, slots=True)
class Context:
    """What an action may touch. ``tracking`` and ``registry`` are the MLflow adapter.

    ``airflow`` is met when it is first asked; ``check`` and ``consequences`` ask the mirror, for a
    page waits for them, and Airflow only of what the mirror does not know yet.
    """

    journal: Journal
    mirror: Mirror
    tracking: Tracking
    registry: Registry
    data: DataService = field(default_factory=DataService.here)
    fleet: Fleet = field(default_factory=Fleet.here)
    airflow: "Airflow" = field(default_factory=_airflow_here)
    overrides: Overrides = field(default_factory=Overrides.here)
    offers: Offers = field(default_factory=Offers.here)
    serving: Workbench = field(default_factory=Workbench.here)


@dataclass(frozen=True, slots=True)
class Deed:
    """One execution of an action: its number, who asked, and what its steps learned."""

    id: int
    actor: Actor
    memory: Memory = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Step:
    """One step; ``do`` returns a sentence of what was done, ``undo`` takes it back."""

    name: str
    do: Callable[[], str]
    undo: Callable[[], None] | None = None


class Action(Protocol):
    """One file of this package implements one of these as a frozen dataclass."""

    kind: ClassVar[str]
    role: ClassVar[Role]

    @property
    def project(self) -> str | None:
        """The project it concerns; None is the whole platform."""

    @property
    def title(self) -> str:
        """What it does, as a short sentence without an end mark."""

    @property
    def subject(self) -> str:
        """What it changes. Actions on one subject run one after another, in the order asked."""

    def check(self, context: Context, actor: Actor) -> None:
        """Refuse what cannot or must not be done, before anything is journalled as begun."""

    def consequences(self, context: Context) -> tuple[str, ...]:
        """Return what will be different, a sentence each."""

    def steps(self, context: Context, deed: Deed) -> tuple[Step, ...]:
        """Return the steps in order."""


@runtime_checkable
class Pinned(Protocol):
    """An action that fixes at submission what it read off the present state."""

    def pinned(self, context: Context, /) -> Action:
        """Return the same action with everything spelled out."""


@runtime_checkable
class Told(Protocol):
    """An action that says itself how it ended; of others the details of the steps are joined."""

    def outcome(self, context: Context, deed: Deed, said: Sequence[str], /) -> str:
        """Return one sentence that goes on from the title; ``said`` are the steps' details."""


@runtime_checkable
class Ranked(Protocol):
    """An action whose role depends on what is asked; ``role`` is the least of them."""

    @property
    def needed_role(self) -> Role:
        """The role that this one takes."""


def needed_role(action: Action) -> Role:
    """Return the role an action takes."""
    return action.needed_role if isinstance(action, Ranked) else action.role
