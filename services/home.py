"""Where one installation keeps its state.

Standard library only: ``mlops status`` must not pay for anything heavier.
"""

import os
from dataclasses import dataclass
from pathlib import Path


def toolkit_root() -> Path:
    """Return the folder that holds this project (``MLOPS_TOOLKIT`` overrides it)."""
    override = os.environ.get("MLOPS_TOOLKIT")
    return Path(override).resolve() if override else Path(__file__).resolve().parent.parent


@dataclass(frozen=True, slots=True)
class Home:
    """The folder tree of one installation; deleting it gives a fresh machine."""

    root: Path

    @classmethod
    def locate(cls) -> "Home":
        """Return the home named by ``MLOPS_HOME``, else ``.mlops`` in the toolkit root."""
        override = os.environ.get("MLOPS_HOME")
        return cls(Path(override).expanduser().resolve() if override else toolkit_root() / ".mlops")

    @property
    def secrets(self) -> Path:
        """Keys, tokens and passwords of engines: folder 0700, files 0600."""
        return self.root / "secrets"

    @property
    def logs(self) -> Path:
        """One rotated log a process."""
        return self.root / "logs"

    @property
    def run(self) -> Path:
        """Process ids, ports and the supervisor's state."""
        return self.root / "run"

    @property
    def databases(self) -> Path:
        """``mirror.sqlite`` (rebuildable) and ``journal.sqlite`` (the one thing to back up)."""
        return self.root / "db"

    @property
    def mlflow(self) -> Path:
        """MLflow's own database, artifacts and change feed."""
        return self.root / "mlflow"

    @property
    def airflow(self) -> Path:
        """All of Airflow: configuration, DAG files, database, logs of tasks."""
        return self.root / "airflow"

    @property
    def telemetry(self) -> Path:
        """What machines did over time, one folder a machine."""
        return self.root / "telemetry"

    @property
    def serving(self) -> Path:
        """Bundles, bentos, the prediction log, and what models were measured to take."""
        return self.root / "serving"

    @property
    def machines(self) -> Path:
        """What administrators said that machines offer to jobs: a file beside the settings."""
        return self.root / "machines.json"

    def create(self) -> None:
        """Make the folders, a new home and the secrets readable by their owner alone."""
        self.root.mkdir(mode=0o700, parents=True, exist_ok=True)
        for folder in (self.logs, self.run, self.databases, self.mlflow):
            folder.mkdir(exist_ok=True)
        self.secrets.mkdir(mode=0o700, exist_ok=True)
        self.secrets.chmod(0o700)
