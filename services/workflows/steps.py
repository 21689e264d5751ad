"""The platform's steps of a workflow, each a function from what earlier tasks answered to its own.

An answer is a small JSON object. ``said`` is the sentence for the log; ``skip`` is a sentence why
what follows is not to be done.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from services.actions import gates
from services.errors import EngineRefusedError, InputError, NotFoundError, PlatformError
from services.home import Home
from services.projects.contract import Contract, Project, look
from services.workflows import release

if TYPE_CHECKING:
    from services.actions.action import Context
    from services.data.service import DataService
    from services.engines.mlflow.adapter import MLflow
    from services.engines.mlflow.models import TrackedRun, Version
    from services.serving.workbench import Workbench

_WAIT_S = 900.0
"""So long a check waits for another one that is under way."""
Answer = dict[str, Any]
Inputs = Mapping[str, Any]


@dataclass(frozen=True)
class Desk:
    """What the steps of one project work with."""

    project: Project
    home: Home
    tracking: "MLflow | None" = None
    """Given by tests; else this installation's."""
    context: "Context | None" = None
    """The same of what actions are checked against."""

    @property
    def contract(self) -> Contract:
        """The project's contract.

        Raises:
            InputError: It is broken; the message says how.
        """
        if self.project.contract is None:
            raise InputError(
                f"{self.project.path} is not a toolkit project: {' '.join(self.project.reasons)}"
            )
        return self.project.contract

    @cached_property
    def mlflow(self) -> "MLflow":
        """The shared MLflow."""
        if self.tracking is not None:
            return self.tracking
        from services.engines.registry import build_engines
        from services.settings import Settings

        settings = Settings()
        return build_engines(self.home, settings.mlflow_url, settings.mlflow_port).mlflow

    @property
    def serving(self) -> "Workbench":
        """What there is of serving on this machine."""
        from services.serving.workbench import Workbench

        return self.context.serving if self.context is not None else Workbench(self.home)

    @cached_property
    def acting(self) -> "Context":
        """What actions are checked against and act on.

        Raises:
            PlatformError: The journal cannot be used.
        """
        if self.context is not None:
            return self.context
        from services.actions.action import Context
        from services.actions.journal import Journal
        from services.mirror.queries import Mirror
        from services.settings import Settings

        settings = Settings()
        journal, mirror = Journal.open(settings), Mirror.open(settings)
        return Context(journal, mirror, self.mlflow, self.mlflow)

    def say(self, line: str) -> None:
        """Write a line into the task's log."""
        _say(line)

    @cached_property
    def data(self) -> "DataService":
        """The versions of data."""
        from services.data.service import DataService

        return DataService.here()


def desk(home: Home, project_id: str) -> Desk:
    """Return the desk of a project by its spec file: the folder Airflow knows it by.

    Raises:
        NotFoundError: No such project was ever written down for Airflow.
    """
    import json

    path = home.root / "airflow" / "specs" / f"{project_id}.json"
    try:
        folder = Path(json.loads(path.read_bytes())["path"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise NotFoundError(
            f"Airflow knows no project {project_id[:64]!r}.", "`mlops projects list` names them."
        ) from error
    return Desk(look(folder), home)


def data_pull(at: Desk, inputs: Inputs) -> Answer:
    """Have the project's environment ready and its data there.

    With ``data_revision`` among the parameters that version is checked out; without, the folder
    stays as it is, and only when it is empty the last version is brought back.

    Raises:
        PlatformError: The environment could not be made.
        ConflictError: A checkout would lose files that are in no version.
        EngineError: Files are needed from the remote, and it cannot give them.
    """
    from services.projects import environment

    contract = at.contract
    environment.prepare(at.project.path, at.home, _say)
    wanted = str((inputs.get("params") or {}).get("data_revision") or "")
    if not contract.data:
        if wanted:
            raise InputError(
                f"{contract.title} declares no data, so there is no version {wanted} of it.",
                'Add data = ["data/"] to [tool.mlops].',
            )
        return {"revision": None, "said": "The project declares no data; there is nothing to pull."}
    at.data.configure(contract.id, at.project.path)
    return _pulled(at, contract, wanted)


def _pulled(at: Desk, contract: Contract, wanted: str) -> Answer:
    status = next(one for one in at.data.status(contract.id) if one.kind == "data")
    if not wanted and status.state not in {"empty", "unfinished"} and not _is_bare(at, contract):
        at_revision = f"version {status.revision}" if status.state == "clean" else "no version yet"
        said = f"The folder's data is used as it is ({at_revision})."
        return {"revision": status.revision if status.state == "clean" else None, "said": said}
    revision = wanted or (status.revision or "")
    if not revision:
        said = "There is no data yet and no version of it: the training has to make its own."
        return {"revision": None, "said": said}
    version, plan = at.data.checkout(contract.id, revision)
    said = f"The data is version {version.revision}: {len(plan.placed)} files placed."
    return {"revision": version.revision, "said": said}


def _is_bare(at: Desk, contract: Contract) -> bool:
    """Return whether none of the data paths holds anything."""
    folders = (at.project.path / path for path in contract.data)
    return not any(p.is_file() or (p.is_dir() and any(p.iterdir())) for p in folders)


def evaluate_check(at: Desk, inputs: Inputs) -> Answer:
    """Check that every run of the training ended and told the project's metric.

    Raises:
        PlatformError: One did not; the message names it.
        EngineError: MLflow did not answer.
    """
    contract = at.contract
    runs = _runs(at, inputs)
    metric = contract.primary_metric.name if contract.primary_metric else None
    wrong = [fault for run in runs if (fault := _unfinished(run))]
    if wrong:
        raise PlatformError(" ".join(wrong), "The log of the task train says why.")
    values = {run.run_id: _value(run, metric) for run in runs} if metric else {}
    if runs and metric and not any(value is not None for value in values.values()):
        raise PlatformError(
            f"None of the {len(runs)} runs logged {metric}, by which the project is judged.",
            "Log it, or correct primary_metric in [tool.mlops].",
        )
    said = f"{len(runs)} runs ended well." if runs else "The training logged no run."
    return {"metric": metric, "values": values, "said": said}


def _unfinished(run: "TrackedRun") -> str:
    return "" if run.status == "finished" else f"Run {run.name or run.run_id} is {run.status}."


def register(at: Desk, inputs: Inputs) -> Answer:
    """Find the version that the training registered; it registers by itself, with the client.

    Raises:
        EngineError: MLflow did not answer.
    """
    ids = _run_ids(inputs)
    if not ids:
        said = "The training logged no run, so there is no model to register."
        return {"skip": said, "said": said, "versions": []}
    project = at.contract.id
    found = [v for v in at.mlflow.versions(project) if v.run_id in ids]
    if not found:
        said = (
            f"None of its {len(ids)} runs registered a model; what follows is left out. "
            "`log_model` of mlops_client registers one."
        )
        return {"skip": said, "said": said, "versions": []}
    newest = sorted(found, key=lambda v: (v.created_ms, v.version))
    told = [_told(version) for version in newest]
    names = ", ".join(f"{v.model} version {v.version}" for v in newest)
    return {"versions": told, "said": f"Registered: {names}."}


def _told(version: "Version") -> Answer:
    return {"model": version.model, "version": version.version, "run_id": version.run_id}


def gate(at: Desk, inputs: Inputs) -> Answer:
    """Hold the newest registered version against the project's gates.

    Raises:
        InputError: A gate is malformed.
        EngineError: MLflow did not answer.
    """
    versions = (inputs.get("register") or {}).get("versions") or []
    if not versions:
        said = "No version was registered, so there is nothing to hold against the gates."
        return {"passed": False, "reasons": [said], "skip": said, "said": said}
    chosen = versions[-1]
    run = at.mlflow.run(at.contract.id, chosen["run_id"])
    metrics = {name: metric.value for name, metric in run.metrics.items()}
    results = gates.evaluate(at.contract.gates, metrics)
    failing = [result.sentence for result in results if not result.passed]
    named = f"{chosen['model']} version {chosen['version']}"
    told = {**chosen, "passed": not failing, "reasons": [r.sentence for r in results]}
    if failing:
        said = f"{named} does not pass: {' '.join(failing)}"
        return {**told, "skip": said, "said": said}
    said = f"{named} passes: {' '.join(told['reasons'])}" if results else f"{named}: no gates."
    return {**told, "said": said}


def compare(at: Desk, inputs: Inputs) -> Answer:
    """Lay the runs of several trainings side by side.

    Raises:
        EngineError: MLflow did not answer.
    """
    from services.workflows.comparing import table

    trainings = [one for one in inputs.get("train") or () if isinstance(one, dict)]
    planned = [one for one in inputs.get("plan") or () if isinstance(one, dict)]
    return table(at.mlflow, at.home, planned, trainings)


def monitor(at: Desk, inputs: Inputs) -> Answer:
    """Check deployments for drift: all that have something new, or those that are named.

    Raises:
        NotFoundError: A named one takes no requests.
        PlatformError: One or more could not be checked, each said in the log; or none could.
    """
    from services.monitoring import checking, deployed
    from services.monitoring.checking import Asked

    params = inputs.get("params") or {}
    names = tuple(str(name) for name in params.get("deployments") or ())
    asked = Asked(
        names, report=True if params.get("report") else None, by="platform.monitor", wait_s=_WAIT_S
    )
    came = checking.run(at.home, asked, at.say, at.tracking)
    for (project, model, version), error in came.failed.items():
        at.say(f"Version {version} of {project}.{model} could not be checked: {error}")
    if came.failed:
        raise PlatformError(came.said, "Each is an alert of its own; the others were checked.")
    told = [line for one, each in came.checked.items() for line in deployed.documents(one, each)]
    drifted = [str(line["said"]) for line in told if line["state"] == "drifted"]
    return {"verdicts": told, "said": "\n".join([came.said, *drifted])}


def _run_ids(inputs: Inputs) -> set[str]:
    trained = inputs.get("train") or inputs.get("server") or {}
    return {str(run_id) for run_id in trained.get("run_ids") or ()}


def _runs(at: Desk, inputs: Inputs) -> list["TrackedRun"]:
    found = []
    for run_id in sorted(_run_ids(inputs)):
        try:
            found.append(at.mlflow.run(at.contract.id, run_id))
        except EngineRefusedError as error:
            raise PlatformError(f"MLflow has no run {run_id} ({error.message}).") from error
    return found


def _value(run: "TrackedRun", metric: str) -> float | None:
    found = run.metrics.get(metric)
    return found.value if found is not None and math.isfinite(found.value) else None


def _say(line: str) -> None:
    print(line if line.endswith((".", "…")) else f"{line} …", flush=True)  # noqa: T201 - the task's log


STEPS: Mapping[str, Callable[[Desk, Inputs], Answer]] = {
    "data-pull": data_pull,
    "evaluate-check": evaluate_check,
    "register": register,
    "gate": gate,
    "compare": compare,
    "package": release.package,
    "deploy": release.deploy,
    "smoke": release.smoke_test,
    "monitor": monitor,
}
