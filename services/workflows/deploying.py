"""Putting what was released into service, as the policy ``release``.

A version that passed its gates takes over from the one that is live. What was never in service is
left alone, unless a person launched the release with that model: memory is given by people. What a
retraining trained is left to it: it stands beside the live version first. What came from what is
marked as bad is left to people.
"""

import secrets
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from services.errors import ConflictError, PlatformError
from services.workflows.packaging import Package

if TYPE_CHECKING:
    from services.actions.action import Context
    from services.actions.records import ActionRecord
    from services.actions.roles import Actor

POLICY = "release"
_PAUSE_S = 1.0
_PATIENCE_S = 3600.0

Say = Callable[[str], None]


def switched_off(project: str, packages: Sequence[Package]) -> dict[str, Any]:
    """Return the answer of the step ``deploy`` where nothing serves."""
    from services.serving.workbench import SWITCH_ON, SWITCHED_OFF

    where = ", ".join(str(package.folder) for package in packages)
    said = (
        f"{SWITCHED_OFF} Nothing of {project} was deployed: ready at {where}. Load it from there, "
        f"or with `models:/NAME/VERSION` from the shared MLflow. {SWITCH_ON}"
    )
    return {"skip": said, "said": said, "deployments": []}


@dataclass(frozen=True)
class Deployer:
    """Deploys the packages of one project."""

    context: "Context"
    project: str
    say: Say = print
    """Told each step, for the task's log."""
    pause_s: float = _PAUSE_S
    patience_s: float = _PATIENCE_S
    """How long a rollout, or another one before it, is waited for."""

    def deploy(self, packages: Sequence[Package], *, asked: bool) -> dict[str, Any]:
        """Deploy packages; return the answer of the step ``deploy``.

        Args:
            packages: What was released.
            asked: Whether a person asked for these versions.

        Raises:
            PlatformError: A version went back by itself; the message says why.
            MlopsError: It was refused.
        """
        told = list(self._each(packages, asked=asked))
        done = [one for one in told if isinstance(one, dict)]
        said = "\n".join(one if isinstance(one, str) else str(one["said"]) for one in told)
        skip = {} if done else {"skip": said or "Nothing was packaged."}
        return {**skip, "said": said, "deployments": done}

    def _each(self, packages: Sequence[Package], *, asked: bool) -> Iterator[dict[str, Any] | str]:
        """Yield what was deployed, or a sentence why it was not."""
        for package in packages:
            model, version = str(package.manifest["model"]), int(package.manifest["version"])
            run_id = str(package.manifest.get("run_id") or "")
            if not asked and (left := self._retrained(model, version, run_id)):
                yield left
                continue
            self._settled(model)
            left = self._left_alone(model, version, asked=asked) or self._bad(model, version)
            yield left or self._deployed(model, version)

    def _retrained(self, model: str, version: int, run_id: str) -> str:
        """Return why a version is left to the retraining that trained it, empty when none did."""
        from services.retraining import store
        from services.retraining.looking import made_by

        place = made_by(self.context, run_id)
        found = store.of_workflow(self.context.journal, *place) if place else None
        if found is None:
            return ""
        return (
            f"Version {version} of {model} comes from retraining {found.id}, which puts it beside "
            "the live version and decides by what it shows there."
        )

    def _left_alone(self, model: str, version: int, *, asked: bool) -> str:
        """Return why a version is not deployed, empty when it is."""
        from services.actions import serving

        now = serving.endpoint_of(self.context, self.project, model)
        live = now.live if now else None
        if live is None:
            where = f"{self.project}/{model}:{version}"
            said = (
                f"{model} is not in service, so version {version} is not deployed by itself. Put "
                f"it in service once (`mlops deploy {where}`); later versions then follow."
            )
            return "" if asked else said
        if live.version == version:
            return f"Version {version} of {model} is live already."
        if live.version > version and not asked:
            return f"Version {live.version} of {model} is live, which is newer than {version}."
        return ""

    def _bad(self, model: str, version: int) -> str:
        """Return why a version is left to people, empty when nothing is known against it."""
        from services.actions import flags
        from services.lineage.models import numbered

        one = numbered("version", self.project, model, version)
        why = flags.against(self.context, one, self.project)
        if not why:
            return ""
        where = f"{self.project}/{model}:{version}"
        return f"{why} So it is not deployed by itself; a person may: `mlops deploy {where}`."

    def _settled(self, model: str) -> None:
        """Wait for a rollout that is under way.

        Raises:
            ConflictError: It does not end.
        """
        from services.actions import serving

        end, said = time.monotonic() + self.patience_s, False
        while True:
            now = serving.endpoint_of(self.context, self.project, model)
            if now is None or now.rollout is None:
                return
            if now.rollout.strategy != "blue-green" or time.monotonic() > end:
                serving.check_idle(now)
            if not said:
                said = True
                self.say(f"It waits for the rollout of version {now.rollout.target.version}.")
            time.sleep(self.pause_s)

    def _deployed(self, model: str, version: int) -> dict[str, Any]:
        from services.actions.deploy import Deploy
        from services.actions.executor import Executor

        action = Deploy(self.project, model, version)
        record = Executor(self.context).submit(self._policy, action, secrets.token_hex(12))
        ended = self._followed(record)
        if ended.state != "done":
            raise PlatformError(f"{ended.title}: {ended.error}", ended.hint)
        endpoint = f"{self.project}.{model}"
        said = f"{endpoint} serves version {version}."
        told = {"model": model, "version": version, "endpoint": endpoint, "action": ended.id}
        return {**told, "said": said}

    @property
    def _policy(self) -> "Actor":
        from services.actions.roles import policy

        return policy(POLICY, "approver", (self.project,))

    def _followed(self, record: "ActionRecord") -> "ActionRecord":
        """Return the action when it ended; the controller executes it.

        Raises:
            ConflictError: It is still under way when the time is up.
        """
        from services.actions.records import record as read

        end = time.monotonic() + self.patience_s
        told: dict[str, str] = {}
        while not record.ended:
            if time.monotonic() > end:
                raise ConflictError(
                    f"{record.title} is still under way: {record.error or 'nobody took it up'}",
                    "It goes on by itself; `mlops deployments` tells of it.",
                )
            time.sleep(self.pause_s)
            record = read(self.context.journal, record.id)
            for step in record.steps:
                if told.get(step.name) != step.detail:
                    told[step.name] = step.detail
                    self.say(f"{step.name}: {step.detail or '…'}")
        return record
