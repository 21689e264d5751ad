"""What actions on endpoints ask outside the journal: the engine's word, packages, and room.

It is the one seam between actions and what packages, plans and serves; tests put another one in.
"""

from collections.abc import Collection
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import orjson

from services.errors import PlatformError
from services.home import Home
from services.serving import figures, paths, status
from services.serving.figures import Figures
from services.serving.models import BundleInfo, Target
from services.serving.status import ServingStatus

if TYPE_CHECKING:
    from services.engines.mlflow.adapter import MLflow
    from services.serving.foreseen import Foreseen, Foresight
    from services.serving.planning import Room
    from services.settings import Settings

SWITCHED_OFF = "Serving is switched off in this installation."
SWITCH_ON = "Set serving_enabled to true (or MLOPS_SERVING_ENABLED=1), then `mlops up`."
PATIENCE_S = 10.0
"""So long MLflow is waited for where no page is drawn meanwhile."""
_MLFLOW_S = 5.0
_FORESEEN = (
    "It rests on the sizes of its files in the registry: the version was not packaged here yet. On "
    "the way it is loaded once and measured, before anything is replaced."
)


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
    estimate_said: str = ""
    """It with its range, as a sentence."""
    error_said: str = ""
    """How far estimates were off so far."""
    backend: str = ""
    backend_reason: str = ""
    backends: tuple[str, ...] = ()
    """What it could compute on, best first."""
    short_bytes: int = 0
    free_bytes: int | None = None
    room: tuple[str, ...] = ()
    """What would make room, a sentence each."""
    packaged: bool = True
    """Whether it rests on the version's package; else on what the registry lists of its files."""

    @property
    def rests_on(self) -> str:
        """Return what is to be known of a figure that rests on no package; empty for others."""
        return "" if self.packaged else _FORESEEN


@dataclass(frozen=True)
class Workbench:
    """What there is on this machine of serving."""

    home: Home
    patience_s: float = PATIENCE_S
    """So long MLflow is waited for when a version was not packaged yet."""

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
        """Make the bento of a packaged version; return its tag.

        Raises:
            MlopsError: The package is not what was signed, or BentoML could not build it.
        """
        from services.serving import bento, bundle

        packaged = bundle.open(self.home, project, model, version)
        return bento.build(self.home, packaged, folder)

    # Room

    def _room(self, pinned: Collection[str]) -> "Room":
        from services.serving.planning import Room

        return Room(self.home, pinned, most_bytes=self._settings.serving_memory_bytes)

    def measure(
        self, folder: Path, project: str, model: str, target: Target, pinned: Collection[str] = ()
    ) -> None:
        """Load a packaged version once and keep what it took, unless that is known.

        Raises:
            MlopsError: It does not load or does not answer its example; or its package is not what
                was signed.
        """
        from services.projects import environment
        from services.serving import bundle, trial

        packaged = bundle.open(self.home, project, model, target.version)
        python = environment.prepare(folder, self.home)
        place = trial.Place(python, folder, paths.sockets(self.home))
        self._room(pinned).measure(packaged, place, target)

    def outlook(
        self,
        project: str,
        model: str,
        target: Target,
        pinned: Collection[str] = (),
        folder: Path | None = None,
    ) -> Outlook | None:
        """Return whether a version fits beside all else; None: not known.

        Of one that was not packaged yet MLflow is asked how large its files are and of what form.
        None: it takes longer than ``patience_s``, or nobody knows the project's folder.

        Args:
            project: Whose it is.
            model: Which model.
            target: Which version, and how it is to be served.
            pinned: Endpoints that are never evicted.
            folder: The project's; None: nobody knows whether its environment has torch.

        Raises:
            InputError: The backend asked for cannot be, or the project's contract is broken.
            EngineError: It was not packaged yet, and MLflow cannot be asked.
            BundleError: It will be refused when it is packaged; the message says why.
            PlatformError: The ledger cannot be read.
        """
        info, half = self.known(project, model, target.version), None
        packaged = info is not None
        if info is None:
            seen = self._foreseen(project, model, target.version, folder)
            if seen is None:
                return None
            info, half = seen.info, seen.half_bytes
        room, environment = self._room(pinned), folder and folder / ".venv"
        found = room.outlook(info, target, environment, half_bytes=half)
        return Outlook(
            fits=found.plan.fits,
            said=found.plan.said,
            memory_bytes=found.estimate.reserve_bytes,
            memory_said=found.estimate.basis,
            estimate_said=found.estimate.said,
            error_said=found.error_said,
            backend=found.choice.backend,
            backend_reason=found.choice.reason,
            backends=found.possible,
            short_bytes=found.plan.short_bytes,
            free_bytes=found.plan.free_bytes,
            room=found.plan.would_make_room,
            packaged=packaged,
        )

    def _foreseen(
        self, project: str, model: str, version: int, folder: Path | None
    ) -> "Foreseen | None":
        if folder is None:
            return None
        return self._foresight.ask(folder, project, model, version, self.patience_s)

    @cached_property
    def _foresight(self) -> "Foresight":
        from services.serving.foreseen import Foresight

        return Foresight(self._mlflow)

    def _mlflow(self) -> "MLflow":
        from services.engines.registry import build_engines
        from services.errors import EngineMissingError

        wanted = self._settings
        try:
            engines = build_engines(self.home, wanted.mlflow_url, wanted.mlflow_port)
            return replace(engines, timeout_s=_MLFLOW_S).mlflow
        except PlatformError as error:  # its token was never made
            raise EngineMissingError(error.message, error.hint) from error
