"""The two operators: a command of a project, and a step of the platform."""

import json
import os
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

from airflow.sdk import BaseOperator
from airflow.sdk.exceptions import AirflowException, AirflowFailException, AirflowSkipException

from mlops_workflows import facts, hold
from mlops_workflows.order import Order
from mlops_workflows.place import Place
from mlops_workflows.spec import Spec, SpecError, load
from mlops_workflows.starting import NoEvidenceError, Watched

_FINAL = frozenset({"timeout", "not started", "packages", "data"})
"""Outcomes that another try would only repeat. ``cancelled`` is none: who cancels tells Airflow,
which starts no other try; else the platform went down, or its scheduler was killed."""

MACHINE = "MLOPS_WORKER"
"""The variable in which a worker names its machine; a task of the scheduler's own has none."""
AWAY = "MLOPS_WORKER_AWAY"
"""Set where the worker's machine is not the platform's."""

_OF_THE_PLATFORM = (
    "MLOPS_", "UV_", "PIP_", "SSL_", "REQUESTS_CA_BUNDLE", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY",
    "http_proxy", "https_proxy", "no_proxy", "AWS_", "GOOGLE_", "AZURE_", "XDG_",
)  # fmt: skip
"""Beginnings of the variables that a step gets: settings, and how to reach packages and remotes."""


class WatchedTask(BaseOperator):
    """Runs a command under a runner: streamed, measured, ended whole, never twice at once."""

    _watched: Watched | None = None

    def follow(self, order: Order, ti: Any) -> dict[str, Any]:
        """Run the command of an order and return its evidence.

        On a machine away from the platform's it is handed on as XCom ``evidence``: the platform
        writes it beside all others.

        Raises:
            AirflowException: It failed; the message is a sentence. ``AirflowFailException`` when
                another try would only repeat it.
        """
        self.log.info("%s", " ".join(order.command).partition(" --input ")[0])
        try:
            self._watched = Watched(order)
            found = self._watched.follow(lambda line: self.log.info("%s", line))
        except (NoEvidenceError, OSError) as error:
            raise AirflowException(str(error)) from error
        finally:
            self._watched = None
        if os.environ.get(AWAY):
            ti.xcom_push(key="evidence", value=found)
        _tell(self, found)
        if found["outcome"] != "succeeded":
            final = found["outcome"] in _FINAL or found.get("stopped") == "memory"
            fault = AirflowFailException if final else AirflowException
            raise fault(found["sentence"])
        return found

    def on_kill(self) -> None:
        """Ask for the command's end. It gets its grace even though this process does not."""
        if self._watched is not None:
            self._watched.cancel()


class ProjectTask(WatchedTask):
    """Runs a command of a project in the project's own environment.

    Args:
        spec: The project's spec file, read again when the task runs.
        entry: Which command: ``train``, ``evaluate``, ``server`` or ``client``.
        overrides: Parameters that win over those of the launch.
        variables_from: A task whose answer ``variables`` go into the environment.
        number: Of a federated client; it finds it as ``MLOPS_CLIENT``.
    """

    ui_color = "#e7f0e4"

    def __init__(
        self,
        *,
        spec: str,
        entry: str = "train",
        overrides: Mapping[str, Any] | None = None,
        variables_from: str = "",
        number: int | None = None,
        **options: Any,
    ) -> None:
        super().__init__(**options)
        self.spec = spec
        self.entry = entry
        self.overrides = dict(overrides or {})
        self.variables_from = variables_from
        self.number = number

    def execute(self, context: Any) -> dict[str, Any]:
        """Run it."""
        spec = _spec(self.spec)
        found = self.follow(self._order(spec, context), context["ti"])
        return {
            "project": spec.project,
            "run_ids": [run["run_id"] for run in found.get("runs") or ()],
            "seconds": found["seconds"],
            "peak_bytes": found["memory"]["peak_bytes"],
            "overrides": self.overrides,
        }

    def _order(self, spec: Spec, context: Any) -> Order:
        params = {**dict(context["params"]), **self.overrides}
        _check_data(spec, params.get("data_revision"))
        variables: dict[str, str] = {}
        if self.variables_from:
            told = context["ti"].xcom_pull(task_ids=self.variables_from, key="variables")
            variables = {str(name): str(value) for name, value in (told or {}).items()}
        if self.number is not None:
            variables["MLOPS_CLIENT"] = str(self.number)
        known = {one.name: params[one.name] for one in spec.parameters if one.name in params}
        try:
            command = [*spec.words(self.entry), *spec.arguments(known, self.entry)]
        except (SpecError, ValueError) as error:
            raise AirflowFailException(str(error)) from error
        return Order(
            place=place_of(context),
            evidence=spec.evidence,
            command=tuple(command),
            folder=spec.path,
            project=spec.project,
            env_file=spec.env,
            environment=spec.path / ".venv",
            variables=variables,
            parameters=known,
            timeout_s=spec.timeout_s,
            memory_limit_bytes=spec.memory_limit_bytes,
            data=spec.data,
            told=spec.home / "airflow" / "weights.json",
        )


class HeavyTask(ProjectTask):
    """A command that waits for its turn: training, alone or as a part of a federation.

    Args:
        at_most: How long it may run once it does; Airflow counts its own ``execution_timeout`` from
            when the task began to wait.
    """

    start_from_trigger = True
    start_trigger_args = hold.IN_TRIGGERER

    def __init__(self, *, at_most: timedelta | None = None, **options: Any) -> None:
        super().__init__(**options)
        self.at_most = at_most

    def pre_execute(self, context: Any) -> None:
        """Begin to count."""
        del context
        self.execution_timeout = self.at_most

    def execute(self, context: Any) -> dict[str, Any]:
        """Run it as soon as it may: who runs a task by hand comes here, past the triggerer."""
        name = hold.name_of(context["ti"])
        found = hold.verdict(name)
        here = not found.host or found.host == os.environ.get(MACHINE, found.host)
        if not (found.may_start and here):
            self.log.info("It waits: %s", found.said if here else f"It goes to {found.host}.")
            self.defer(trigger=hold.Released(name), method_name="resume")
        return super().execute(context)

    def resume(self, context: Any, event: Any = None) -> dict[str, Any]:
        """Run it: it was released."""
        del event
        return super().execute(context)


class PlatformTask(WatchedTask):
    """Runs a step of the platform, ``python -m services.workflows STEP``; returns its answer.

    An answer with a ``skip`` is a sentence why what follows is not to be done.

    Args:
        spec: A spec file: it names the platform's Python.
        step: The step.
        inputs_from: Tasks whose answers the step gets.
        events: Whether it gets what the assets told that set the run off.
        memory_limited: Whether it runs code of the project, under the project's limit.
        timeout_s: After which it is ended; None: as the project's own commands are.
    """

    ui_color = "#e4eaf3"

    def __init__(
        self,
        *,
        spec: str,
        step: str,
        inputs_from: tuple[str, ...] = (),
        events: bool = False,
        memory_limited: bool = False,
        timeout_s: float | None = None,
        **options: Any,
    ) -> None:
        super().__init__(**options)
        self.spec = spec
        self.step = step
        self.inputs_from = tuple(inputs_from)
        self.events = events
        self.memory_limited = memory_limited
        self.timeout_s = timeout_s

    def execute(self, context: Any) -> dict[str, Any]:
        """Run it."""
        spec = _spec(self.spec)
        answer = self.follow(self._order(spec, context), context["ti"]).get("answer") or {}
        if answer.get("skip"):
            context["ti"].xcom_push(key="skipped", value=answer)
            raise AirflowSkipException(str(answer["skip"]))
        for asset in self.outlets:
            context["outlet_events"][asset].extra = {k: v for k, v in answer.items() if k != "said"}
        return dict(answer)

    def _order(self, spec: Spec, context: Any) -> Order:
        inputs = {
            "params": dict(context["params"]),
            **{task: _pulled(context, task) for task in self.inputs_from},
        }
        if self.events:
            inputs["events"] = _told_by_assets(context)
        command = (spec.python, "-m", "services.workflows", self.step, "--project", spec.project)
        return Order(
            place=place_of(context),
            evidence=spec.evidence,
            command=(*command, "--input", json.dumps(inputs)),
            folder=spec.toolkit,
            project=spec.project,
            inherited=_OF_THE_PLATFORM,
            variables={"MLOPS_HOME": str(spec.home)},
            timeout_s=spec.timeout_s if self.timeout_s is None else self.timeout_s,
            memory_limit_bytes=spec.memory_limit_bytes if self.memory_limited else None,
            answers=True,
        )


def place_of(context: Any) -> Place:
    """Return which try of which task runs."""
    ti = context["ti"]
    index = getattr(ti, "map_index", -1)
    return Place(ti.dag_id, ti.run_id, ti.task_id, ti.try_number, -1 if index is None else index)


def _told_by_assets(context: Any) -> list[dict[str, Any]]:
    """Return what came with the events that set the run off; none when a person did."""
    events = context.get("triggering_asset_events") or {}
    return [dict(event.extra or {}) for asset in events for event in events[asset]]


def _pulled(context: Any, task: str) -> Any:
    found = context["ti"].xcom_pull(task_ids=task)
    return found if found is None or isinstance(found, dict) else list(found)


def _spec(path: str) -> Spec:
    try:
        return load(Path(path))
    except SpecError as error:
        raise AirflowFailException(str(error)) from error


def _check_data(spec: Spec, wanted: Any) -> None:
    """Refuse to train on other data than was asked for.

    The step before checks data out on the platform's machine; on another one it is as it is.

    Raises:
        AirflowFailException: The data here is of another version.
    """
    if not wanted or not os.environ.get(AWAY):
        return
    there = facts.revisions(spec.path)["data"]
    if there is None or not there.startswith(str(wanted)):
        raise AirflowFailException(
            f"The run asks for version {wanted} of the data; on {os.environ.get(MACHINE)} is "
            f"{there or 'none that was recorded'}. There: `mlops data checkout {spec.project} "
            f"{wanted}`."
        )


def _tell(task: BaseOperator, found: Mapping[str, Any]) -> None:
    peak = found["memory"]["peak_bytes"]
    limit = found["memory"]["limit_bytes"]
    held = "" if peak is None else f" It held {peak / 1e9:.2f} GB of memory at most."
    if peak is not None and limit is not None and peak > limit:
        held += f" For a moment that was above the {limit / 1e9:.2f} GB it declares."
    if found["outcome"] == "succeeded":
        task.log.info("It ended well after %.1f s.%s", found["seconds"], held)
    else:
        task.log.error("%s %s", found["sentence"], found["hint"])
