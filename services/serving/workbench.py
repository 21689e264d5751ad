"""What actions on endpoints ask outside the journal: the engine's word, packages, and room.

It is the one seam between actions and what packages, plans and serves; tests put another one in.
"""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson

from services.errors import PlatformError
from services.home import Home
from services.serving import figures, paths, status
from services.serving.figures import Figures
from services.serving.models import BundleInfo, Target
from services.serving.status import ServingStatus

if TYPE_CHECKING:
    from services.engines.mlflow.adapter import MLflow
    from services.settings import Settings

SWITCHED_OFF = "Serving is switched off in this installation."
SWITCH_ON = "Set serving_enabled to true (or MLOPS_SERVING_ENABLED=1), then `mlops up`."


@dataclass(frozen=True, slots=True)
class Outlook:
    """Whether a version fits, before anything is changed."""

    fits: bool
    said: str
    """As a sentence; of one that does not fit by how much, and what would make room."""
    memory_bytes: int
    """What one replica reserves."""
    memory_said: str
    """What that figure rests on."""
    backend: str = ""
    backend_reason: str = ""
    short_bytes: int = 0
    room: tuple[str, ...] = ()
    """What would make room, a phrase each."""


@dataclass(frozen=True)
class Workbench:
    """What there is on this machine of serving."""

    home: Home

    @classmethod
    def here(cls) -> "Workbench":
        """Return this installation's."""
        return cls(Home.locate())

    @cached_property
    def _settings(self) -> "Settings":
        from services.settings import Settings

        try:
            return Settings()
        except ValueError as error:  # pydantic's and TOML's
            raise PlatformError(
                f"The settings cannot be used: {error}.", "`mlops doctor` says which is wrong."
            ) from error

    @property
    def enabled(self) -> bool:
        """Whether this installation serves at all.

        Raises:
            PlatformError: The settings cannot be used.
        """
        return self._settings.serving_enabled

    def status(self) -> ServingStatus | None:
        """Return what the serving engine last saw."""
        return status.read(self.home)

    def figures(self) -> Figures | None:
        """Return what the gateway last counted."""
        return figures.read(self.home)

    # Packages

    def known(self, project: str, model: str, version: int) -> BundleInfo | None:
        """Return what a version is as it was packaged, None when it was not yet.

        Only to tell of it: whoever loads it looks at signature and hashes first.
        """
        try:
            said = (paths.bundle(self.home, project, model, version) / "serving.json").read_bytes()
            return BundleInfo.from_json(orjson.loads(said))
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def package(
        self, mlflow: "MLflow", folder: Path, project: str, model: str, version: int
    ) -> BundleInfo:
        """Package and sign a version, unless that was done.

        Raises:
            MlopsError: It holds what must not be loaded, MLflow has it not, or the disk is full.
        """
        from services.projects.contract import require
        from services.serving import bundle

        contract = require(folder)
        made = bundle.build(mlflow, self.home, folder, contract, project, model, version)
        return made.info

    def bento(self, folder: Path, project: str, model: str, version: int) -> str:
        """Make the bento of a packaged version in the project's environment; return its tag.

        Raises:
            MlopsError: The package is not what was signed, or the environment cannot be made.
        """
        from services.projects import environment
        from services.serving import bento, bundle

        python = environment.prepare(folder, self.home)
        packaged = bundle.open(self.home, project, model, version)
        return bento.build(self.home, packaged, folder, python)

    # Room

    def outlook(self, project: str, model: str, target: Target) -> Outlook | None:
        """Return whether a packaged version fits beside all else; None: it was not packaged yet.

        Raises:
            MlopsError: The ledger cannot be read.
        """
        info = self.known(project, model, target.version)
        if info is None:
            return None
        from services.serving import planner

        found: Any = planner.outlook(self.home, info, target)
        return Outlook(
            fits=found.plan.fits,
            said=found.plan.said,
            memory_bytes=found.estimate.bytes,
            memory_said=found.estimate.basis,
            backend=found.choice.backend,
            backend_reason=found.choice.reason,
            short_bytes=found.plan.short_bytes,
            room=tuple(found.plan.would_make_room),
        )
