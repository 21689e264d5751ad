"""The steps of a rollout, for people: which there are, which runs, what each ended with."""

from dataclasses import replace
from typing import Literal

from services.serving.models import RolloutStep, Strategy

LOAD, WARM, CHECK, CANARY, SHADOW, SWITCH, WATCH = (
    "Load", "Warm up", "Check", "Canary", "Shadow", "Switch", "Watch",
)  # fmt: skip
_MIDDLE: dict[Strategy, tuple[str, ...]] = {
    "blue-green": (),
    "canary": (CANARY,),
    "shadow": (SHADOW,),
}


class Steps:
    """The steps of one rollout."""

    def __init__(self, strategy: Strategy) -> None:
        names = (LOAD, WARM, CHECK, *_MIDDLE[strategy], SWITCH, WATCH)
        self.steps = [RolloutStep(name, "waiting") for name in names]

    def begin(self, name: str, said: str, now: float) -> None:
        """Begin a step; those before it are done."""
        for place, step in enumerate(self.steps):
            if step.name == name:
                began = step.began_at if step.began_at is not None else now
                self.steps[place] = replace(step, state="running", said=said, began_at=began)
                return
            if step.state in {"waiting", "running"}:
                began = step.began_at if step.began_at is not None else now
                self.steps[place] = replace(step, state="done", began_at=began, ended_at=now)

    def end(self, name: str, said: str, now: float) -> None:
        """End a step well."""
        self._close(name, "done", said, now)

    def fail(self, said: str, now: float) -> None:
        """End the step that runs, else the first that waits, not well."""
        for wanted in ("running", "waiting"):
            for step in self.steps:
                if step.state == wanted:
                    self._close(step.name, "failed", said, now)
                    return

    def _close(self, name: str, state: Literal["done", "failed"], said: str, now: float) -> None:
        for place, step in enumerate(self.steps):
            if step.name == name:
                began = step.began_at if step.began_at is not None else now
                self.steps[place] = replace(
                    step, state=state, said=said or step.said, began_at=began, ended_at=now
                )

    def restore(self, steps: tuple[RolloutStep, ...]) -> None:
        """Go on with the steps of an earlier life of this engine."""
        if [one.name for one in steps] == [one.name for one in self.steps]:
            self.steps = list(steps)
