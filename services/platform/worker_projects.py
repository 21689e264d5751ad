"""The projects of a worker's machine: found there, told where MLflow is, and made ready.

The worker fetches nothing of a project: its folder is there, or the machine is not asked for it.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from services.errors import MlopsError
from services.home import Home
from services.platform.worker_joining import Invitation
from services.projects import discovery, environment, onboarding
from services.projects.conformance import ENV_FILE
from services.projects.contract import Contract, Project
from services.workflows.specs import Specs

_NOT_HERE = "MLOPS_TRACK"
"""Versions of data are kept by the platform's machine; there is nobody here to do it."""


@dataclass(slots=True)
class Projects:
    """What a worker makes of the projects on its machine."""

    home: Home
    root: Path
    invitation: Invitation
    say: Callable[[str], None]
    _said: dict[str, str] = field(default_factory=dict)

    def ready(self) -> tuple[str, ...]:
        """Bring Airflow's files in line with the projects, and return those that can run here.

        Raises:
            PlatformError: A file of Airflow's cannot be written.
        """
        found = discovery.found(self.root, ())
        if not found:
            self._note("", f"There is no project in {self.root}: no task can run here.")
        Specs(self.home).write(found)
        return tuple(one.contract.id for one in found if one.contract and self._is_ready(one))

    def _is_ready(self, project: Project) -> bool:
        contract = project.contract
        assert contract is not None  # noqa: S101 - the caller looked
        token = self.invitation.tokens.get(contract.id, "")
        if self.invitation.tokens and not token:
            self._note(
                contract.id,
                f"{contract.id}: the platform did not know this project when it invited this "
                "machine. `mlops worker --invite` there, once it is in `mlops projects list`.",
            )
            return False
        try:
            self._connect(project.path, contract, token)
        except MlopsError as error:
            self._note(contract.id, f"{contract.id} cannot run here: {error}")
            return False
        self._note(contract.id, f"{contract.id} can run here.")
        return True

    def _connect(self, path: Path, contract: Contract, token: str) -> None:
        url = self.invitation.mlflow_url
        wanted = onboarding.endpoints(path, contract, self.home, url, token)
        wanted.pop(_NOT_HERE)
        if not onboarding.is_connected(path, wanted):
            onboarding.write_env_file(path, wanted)
        environment.prepare(
            path, self.home, lambda line: self._note(contract.id, f"{contract.id}: {line}.")
        )

    def _note(self, project: str, sentence: str) -> None:
        if self._said.get(project) != sentence:
            self._said[project] = sentence
            self.say(sentence)


def forget(paths: Sequence[Path]) -> None:
    """Take the tokens out of project folders: what a worker that leaves had written there."""
    for path in paths:
        (path / ENV_FILE).unlink(missing_ok=True)
