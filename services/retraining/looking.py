"""What is known of a retraining now: of its workflow, its version, its rollout and its actions."""

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from services.actions import gates, records, serving
from services.actions.action import Context
from services.actions.workflow_launch import launched
from services.errors import NotFoundError, PlatformError
from services.lineage.tags import TASK, task_of
from services.mirror.models import ModelVersion, ProjectSummary
from services.mirror.projects import CHAMPION
from services.mirror.workflow_models import ACTIVE_RUNS, TaskRun
from services.mirror.workflow_queries import Workflows
from services.retraining import collecting, history, logged
from services.retraining.known import Asked, Beside, End, Known, Ran, Trained
from services.retraining.logged import Logged
from services.retraining.models import BY_POLICY, Proposal
from services.serving import figures, store
from services.serving.models import Endpoint, EventKind

if TYPE_CHECKING:
    from services.actions.records import ActionRecord
    from services.home import Home

_LOG_EACH_S = 60.0
"""Reading the prediction log costs some tenths of a second: so often it is done."""
_REGISTER = "register"
_BESIDE: tuple[EventKind, ...] = ("canary", "shadow")


@dataclass(slots=True)
class Looking:
    """Looks at retrainings."""

    context: Context
    home: "Home"
    _logged: dict[int, Logged] = field(default_factory=dict)

    def look(self, one: Proposal, now: float) -> Known:
        """Return what is known of one.

        Raises:
            PlatformError: The mirror or the journal cannot be read.
        """
        if one.state == "accepted":
            return self._accepted(one, now)
        if one.state == "running":
            return Known(now, run=self._run(one), trained=self._trained(one))
        return self._judging(one, now)

    def _accepted(self, one: Proposal, now: float) -> Known:
        collect = None if one.collected else self._asked(one.collect)
        data = None
        if collect is not None and collect.state == "done":
            data = collecting.learned(self.context, one, collect.id)
        return Known(now, collect, data, launch=self._asked(one.launch))

    # Actions

    def _asked(self, action: int | None) -> Asked | None:
        if action is None:
            return None
        try:
            found = records.record(self.context.journal, action)
        except NotFoundError:
            return None
        if found.state == "done":
            return Asked(found.id, "done", found.result, launched(found))
        if found.ended:
            return Asked(found.id, "failed", f"{found.error} {found.hint}".strip())
        return Asked(found.id, "under way", _under_way(found))

    # The workflow

    def _run(self, one: Proposal) -> Ran | None:
        if one.workflow is None:
            return None
        flows = Workflows(self.context.mirror)
        try:
            run = flows.run(*one.workflow)
        except NotFoundError:
            return None
        tasks = flows.tasks(*one.workflow)
        if run.state in ACTIVE_RUNS:
            return Ran("active", _active(tasks))
        took = None
        if run.started_at is not None and run.ended_at is not None:
            took = (run.ended_at - run.started_at).total_seconds() / 60
        if run.state == "failed":
            return Ran("failed", _failed(tasks), minutes=took)
        states = [task.state for task in tasks if task.task_id == _REGISTER]
        registers = None if not states else "skipped" not in states
        return Ran("success", registers=registers, minutes=took)

    def _trained(self, one: Proposal) -> Trained | None:
        made = self._candidate(one)
        if made is None or made.run_id is None:
            return None
        project = self.context.mirror.project(one.project)
        before = self._of(one, one.version)
        metric = project.primary_metric
        minutes, joules = self._took(one)
        return Trained(
            made.version, made.run_id, self._gates(project, made), minutes, joules, metric,
            _metric(before, metric), _metric(made, metric), project.goal, _alike(before, made),
        )  # fmt: skip

    @staticmethod
    def _gates(project: ProjectSummary, made: ModelVersion) -> tuple[gates.GateResult, ...]:
        return gates.evaluate(project.gates, made.metrics)

    def _candidate(self, one: Proposal) -> ModelVersion | None:
        """Return the version that it trained: the newest of the model that its workflow made."""
        if one.candidate is not None:
            return self._of(one, one.candidate)
        if one.workflow is None:
            return None
        ids = {
            name
            for task in Workflows(self.context.mirror).tasks(*one.workflow)
            for name in task.run_ids
        }
        made = [version for version in self._versions(one) if version.run_id in ids]
        return max(made, key=lambda version: version.version, default=None)

    def _versions(self, one: Proposal) -> Sequence[ModelVersion]:
        try:
            return self.context.mirror.model(one.project, one.model).versions
        except NotFoundError:
            return ()

    def _of(self, one: Proposal, number: int | None) -> ModelVersion | None:
        return next((v for v in self._versions(one) if v.version == number), None)

    def _champion(self, one: Proposal) -> int | None:
        try:
            holder = self.context.mirror.model(one.project, one.model).with_alias(CHAMPION)
        except NotFoundError:
            return None
        return None if holder is None else holder.version

    def _took(self, one: Proposal) -> tuple[float | None, float | None]:
        for found in history.trainings(self.context.mirror, one.project):
            if found.place == one.workflow:
                return found.minutes, found.joules
        return None, None

    # Serving

    def _judging(self, one: Proposal, now: float) -> Known:
        endpoint = serving.endpoint_of(self.context, one.project, one.model)
        mine = one.deploy is not None and _is_of(endpoint, one.deploy)
        # The rollout is looked at first: it goes and the line of its end comes in one step.
        end = None if one.deploy is None else self._end(one)
        return Known(
            now,
            trained=self._trained(one) if one.deploy is None else None,
            live=endpoint.live.version if endpoint and endpoint.live else None,
            off=self._off() if one.deploy is None else "",
            champion=self._champion(one) if one.deploy is None else None,
            busy=_busy(endpoint, one) if one.deploy is None else "",
            deploy=self._asked(one.deploy),
            beside=self._beside(one, now) if mine and end is None else None,
            end=end,
            steer=self._asked(one.steer),
            alias=self._asked(one.alias),
        )

    def _off(self) -> str:
        try:
            serving.check_on(self.context)
        except PlatformError as error:
            return str(error)
        return ""

    def _end(self, one: Proposal) -> End | None:
        found = store.events(
            self.context.journal, one.name, 1, serving.ENDINGS, action_id=one.deploy
        )
        if not found:
            return None
        kind = next(word for word in serving.ENDINGS if word == found[0].kind)
        return End(kind, found[0].said)

    def _beside(self, one: Proposal, now: float) -> Beside | None:
        deployed = store.events(
            self.context.journal, one.name, 1, ("deploy",), action_id=one.deploy
        )
        if not deployed:
            return None
        begun = [
            event
            for event in store.events(
                self.context.journal, one.name, 20, _BESIDE, after=deployed[0].id
            )
            if event.version == one.candidate
        ]
        if not begun:
            return None
        since = begun[-1].at
        found = self._log(one, since, now)
        return Beside(
            since, max(self._answered(one), found.requests), found.worse, found.said,
            found.labelled, found.cured, found.own,
        )  # fmt: skip

    def _answered(self, one: Proposal) -> int:
        seen = figures.read(self.home)
        if seen is None or one.candidate is None:
            return 0
        found = seen.of(one.name, one.candidate)
        return found.compared if one.policy.strategy == "shadow" else found.answered

    def _log(self, one: Proposal, since: float, now: float) -> Logged:
        before, tick = self._logged.get(one.id), time.monotonic()
        if before is not None and tick - before.read_at < _LOG_EACH_S:
            return before
        self._logged[one.id] = logged.read(self.context, self.home, one, since, now)
        return self._logged[one.id]


def made_by(context: Context, run_id: str | None) -> tuple[str, str] | None:
    """Return the workflow run that made a training run; None: none did, or it is not known.

    Raises:
        PlatformError: The mirror cannot be read.
    """
    if run_id is None:
        return None
    try:
        tags = context.mirror.run(run_id).run.tags
    except NotFoundError:
        return None
    place = task_of({TASK: tags.get(TASK, "")})
    return (place[0], place[1]) if place else None


def _is_of(endpoint: Endpoint | None, action: int) -> bool:
    rollout = endpoint.rollout if endpoint else None
    return rollout is not None and rollout.action_id == action


def _busy(endpoint: Endpoint | None, one: Proposal) -> str:
    """Return which rollout is in the way; one's own is not, though nobody wrote it down yet."""
    rollout = endpoint.rollout if endpoint else None
    if endpoint is None or rollout is None:
        return ""
    version = rollout.target.version
    if version == one.candidate and rollout.actor == BY_POLICY:
        return ""
    return f"It waits for the rollout of version {version} of {endpoint.name}."


def _metric(version: ModelVersion | None, metric: str | None) -> float | None:
    value = version.metrics.get(metric) if version is not None and metric is not None else None
    return value if value is not None and math.isfinite(value) else None


def _alike(before: ModelVersion | None, made: ModelVersion) -> bool:
    """Return whether both learned from, and were evaluated with, the same version of the data."""
    return (
        before is not None
        and made.data_revision is not None
        and before.data_revision == made.data_revision
    )


def _under_way(record: "ActionRecord") -> str:
    begun = [step for step in record.steps if step.detail]
    return record.error or (f"{begun[-1].name}: {begun[-1].detail}" if begun else "")


def _active(tasks: Sequence[TaskRun]) -> str:
    going = [task.label for task in tasks if task.state not in {"success", "skipped"}]
    done = len(tasks) - len(going)
    return (
        f"Task {going[0]} is next or under way; {done} of {len(tasks)} are done." if going else ""
    )


def _failed(tasks: Sequence[TaskRun]) -> str:
    for task in tasks:
        if task.state == "failed":
            said = str(task.evidence.get("sentence") or "")
            return f"Task {task.label}: {said}" if said else f"Task {task.label} failed."
    return ""
