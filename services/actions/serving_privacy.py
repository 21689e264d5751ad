"""Say what the prediction log keeps of a project's inputs and outputs."""

from dataclasses import dataclass, replace
from typing import ClassVar

from services.actions.action import Context, Deed, Step
from services.actions.journal import Journal
from services.actions.roles import Actor, Role
from services.errors import ConflictError, InputError
from services.serving import store
from services.serving.models import Endpoint, Privacy

KEPT: dict[Privacy, str] = {
    "full": "Inputs and outputs of every prediction are kept.",
    "hash": "Of inputs and outputs only hashes are kept: equal ones can be told, nothing else.",
    "sample": "Inputs and outputs of a share of the predictions are kept, of the others neither.",
    "off": "Neither inputs nor outputs are kept: drift and accuracy cannot be watched.",
}


@dataclass(frozen=True, slots=True)
class SetPrivacy:
    """Set it for all endpoints of a project; one that is made later takes it over."""

    kind: ClassVar[str] = "serving-privacy"
    role: ClassVar[Role] = "approver"

    project: str
    privacy: Privacy
    sample: float = 1.0
    """Share whose columns are kept; with ``sample`` alone."""

    @property
    def title(self) -> str:
        """What it does."""
        share = f" {self.sample * 100:.4g} %" if self.privacy == "sample" else ""
        return f"Have the prediction log of {self.project[:64]} keep {self.privacy}{share}"

    @property
    def subject(self) -> str:
        """The project's endpoints."""
        return f"serving-privacy:{self.project}"

    def check(self, context: Context, actor: Actor) -> None:
        """Refuse an unknown project or word, and where nothing is in service."""
        del actor
        if self.privacy not in KEPT:
            raise InputError(
                f"{str(self.privacy)[:40]!r} is no way to keep predictions.",
                f"There are {', '.join(KEPT)}.",
            )
        if not 0 < self.sample <= 1:  # NaN is in no range
            raise InputError("The share that is kept is more than 0 and up to 1.")
        if self.privacy != "sample" and self.sample != 1:
            raise InputError("A share goes with sample alone.")
        context.mirror.project(self.project)
        if not store.endpoints(context.journal, [self.project]):
            raise ConflictError(
                f"Nothing of {self.project} is in service.",
                "Deploy it first: `mlops deploy PROJECT/MODEL --privacy` says it from the start.",
            )

    def consequences(self, context: Context) -> tuple[str, ...]:
        """Return what will be different."""
        now = store.endpoints(context.journal, [self.project])
        names = ", ".join(one.name for one in now)
        return (
            KEPT[self.privacy],
            f"It counts within a second, for {names} and what is deployed of {self.project} later.",
            "What was kept before stays as long as predictions are kept.",
        )

    def steps(self, context: Context, deed: Deed) -> tuple[Step, ...]:
        """Return the steps; what it was before is written down first."""
        journal = context.journal
        if "before" not in deed.memory:
            now = store.endpoints(journal, [self.project])
            deed.memory["before"] = {one.model: [one.privacy, one.sample] for one in now}
        before: dict[str, tuple[Privacy, float]] = deed.memory["before"]

        def do() -> str:
            for model in before:
                _put(journal, self.project, model, self.privacy, self.sample)
            return f"{len(before)} {'endpoint' if len(before) == 1 else 'endpoints'} follow it"

        def undo() -> None:
            for model, (privacy, sample) in before.items():
                _put(journal, self.project, model, privacy, sample)

        return (Step("Note it for the gateway", do, undo),)


def _put(journal: Journal, project: str, model: str, privacy: Privacy, sample: float) -> None:
    def how(now: Endpoint) -> Endpoint:
        return replace(now, privacy=privacy, sample=sample)

    store.change(journal, project, model, how)
