"""The data service: what pages, commands, actions and the client's hook ask."""

from dataclasses import dataclass
from pathlib import Path

from services.data import checkout, holding, looking, pruning, sharing, tracking, transfers, using
from services.data.models import (
    KINDS,
    Changes,
    Held,
    Kind,
    Lost,
    Prunable,
    Pruned,
    Queued,
    Room,
    Share,
    Standing,
    Status,
    Tracked,
    Underway,
    Use,
    Version,
)
from services.data.project import ProjectData, projects
from services.data.remote import Remote
from services.data.room import measure
from services.engines.dvc.models import Report, silent
from services.errors import InputError, PlatformError
from services.home import Home
from services.mirror.queries import Mirror
from services.projects.contract import require


@dataclass(frozen=True)
class DataService:
    """All projects' data and models. What a method raises is told by the function it calls."""

    remote: Remote

    @classmethod
    def here(cls) -> "DataService":
        """Return the service of this installation, as its settings say."""
        from services.settings import Settings

        try:
            settings = Settings()
        except ValueError as error:  # pydantic's and TOML's
            raise PlatformError(
                f"The settings cannot be used: {error}.", "`mlops doctor` says which is wrong."
            ) from error
        return cls(Remote(Home.locate(), settings.dvc_remote, settings.dvc_remote_options))

    def project(self, project_id: str) -> ProjectData:
        """Return one project's versions, whether it has any yet or not."""
        return ProjectData(project_id, self.remote)

    def projects(self) -> tuple[str, ...]:
        """Return the ids of the projects that have a data repository."""
        return tuple(project.id for project in projects(self.remote))

    def configure(self, project_id: str, folder: Path) -> None:
        """Give a project its data repository on the shared cache and remote; again is harmless."""
        self.project(project_id).configure(folder)

    def track(self, folder: Path, kind: Kind, report: Report = silent) -> Tracked:
        """Make a version of what a project's folder holds, if it differs from the last one."""
        contract = require(folder)
        return tracking.track(self.project(contract.id), folder, contract, kind, report)

    def release(self, folder: Path, kind: Kind) -> int:
        """Make a kind's files writable again; return how many were not."""
        contract = require(folder)
        return tracking.release(self.project(contract.id), folder, contract, kind)

    def versions(self, project_id: str, kind: Kind | None = None) -> tuple[Version, ...]:
        """Return a project's versions, the one tracked last first."""
        return self.project(project_id).versions(kind)

    def find(self, project_id: str, revision: str) -> Version:
        """Return one of a project's own versions."""
        return self.project(project_id).find(revision)

    def changes(
        self, project_id: str, revision: str, against: str | None = None, *, fetch: bool = True
    ) -> Changes:
        """Return what a version changed, against another or the one before it.

        Either may be one that another project shares with this one.
        """
        project = self.project(project_id)
        owner, version = sharing.find_for(project, revision)
        if against:
            other: Version | None = sharing.find_for(project, against)[1]
        else:
            other = looking.before(owner, version)
        return looking.changes(project, version, other, fetch=fetch)

    def held(self, of: Version, by: Version) -> Held:
        """Return how many of a version's files another holds, by content."""
        return holding.held(self.remote, of, by)

    def lost(self, version: Version, most: int = 0) -> Lost | None:
        """Return what of a version is neither here nor, as far as is known, on the remote."""
        return holding.lost(self.remote, version, most)

    def status(self, project_id: str) -> tuple[Status, ...]:
        """Return a project's data and models as they are now."""
        project = self.project(project_id)
        return tuple(looking.status(project, project.folder(), kind) for kind in KINDS)

    def push(self, project_id: str, revision: str, report: Report = silent) -> int:
        """Send a version to the remote; return how many files it had not."""
        project = self.project(project_id)
        return transfers.push(project, project.find(revision), report)

    def push_waiting(self, report: Report = silent) -> int:
        """Send all that waits for the remote; return how many versions were sent."""
        return transfers.push_waiting(self.remote, report)

    def queue(self) -> tuple[Queued, ...]:
        """Return what waits for the remote, of all projects."""
        return tuple(q for project in projects(self.remote) for q in transfers.queue(project))

    def pull(self, project_id: str, revision: str, report: Report = silent) -> int:
        """Have a version's files here, undamaged; return how many were fetched."""
        project = self.project(project_id)
        return transfers.pull(project, project.find(revision), project.folder(), report)

    def planned(self, project_id: str, revision: str) -> checkout.Plan:
        """Return what a checkout would do to the folder as it is."""
        project = self.project(project_id)
        return checkout.plan(project, revision, project.folder())

    def checkout(
        self, project_id: str, revision: str, report: Report = silent
    ) -> tuple[Version, checkout.Plan]:
        """Make a project's folder hold a version, byte for byte."""
        project = self.project(project_id)
        return checkout.checkout(project, revision, project.folder(), report)

    def prune(self, project_id: str, keep: int = 1, report: Report = silent) -> Pruned:
        """Free the cache of a project's old versions that the remote has."""
        if keep < 1:
            raise InputError("The present version always stays: keep at least 1.")
        return pruning.prune(self.project(project_id), keep, report)

    def prunable(self, project_id: str, keep: int = 1) -> Prunable:
        """Return what pruning would remove and free."""
        return pruning.prunable(self.project(project_id), keep)

    def share(self, project_id: str, with_project: str, kind: Kind, by: str) -> None:
        """Let another project check out a project's versions."""
        sharing.share(self.project(project_id), with_project, kind, by)

    def unshare(self, project_id: str, with_project: str, kind: Kind) -> None:
        """Take a share back."""
        sharing.unshare(self.project(project_id), with_project, kind)

    def shares(self, project_id: str) -> tuple[Share, ...]:
        """Return with whom a project shares what."""
        return sharing.shares(self.project(project_id))

    def shared_with(self, project_id: str) -> tuple[Version, ...]:
        """Return the versions other projects let this one check out."""
        return sharing.shared_with(self.project(project_id))

    def uses(
        self, mirror: Mirror, project_id: str, kind: Kind, visible: tuple[str, ...] | None = None
    ) -> dict[str, Use]:
        """Return by revision who uses a project's versions: itself, and those it shares with.

        ``visible`` are the projects whose runs may be told of, None for all.
        """
        among = {project_id} | {s.with_project for s in self.shares(project_id) if s.kind == kind}
        told = among if visible is None else among & set(visible)
        return using.uses(mirror, kind, tuple(sorted(told)))

    def standing(self) -> Standing:
        """Return how the remote stands, without asking it over a network."""
        return transfers.standing(self.remote)

    def room(self) -> Room:
        """Return what the cache takes; each file is looked at once."""
        return measure(self.remote.cache)

    def underway(self, project_id: str) -> Underway | None:
        """Return what is being done with a project's files now, for a progress bar."""
        return looking.underway(self.project(project_id))
