"""All of lineage for one person: threads, what is marked as bad, broken links."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import cached_property

from sqlalchemy import select, tuple_

from services.actions.journal import Journal
from services.data.service import DataService
from services.errors import InputError, NotFoundError
from services.home import Home
from services.lineage import links, marked, tags
from services.lineage.finding import Finder
from services.lineage.models import NUMBERED, Broken, Direction, Mark, Node, Ref, Thread
from services.lineage.radius import Radius, radius
from services.lineage.source import Projects, Source, sees
from services.lineage.sources.collected import CollectedSource, Rows
from services.lineage.sources.data import DataSource, Revisions, revisions
from services.lineage.sources.files import Files, FilesSource
from services.lineage.sources.registry import RegistrySource
from services.lineage.sources.serving import ServingSource, Use, used_by_days, used_exactly
from services.lineage.sources.watched import Watched, WatchedSource
from services.lineage.sources.workflow import WorkflowSource
from services.lineage.walking import DIRECTIONS, LIMITS, Limits, described, walk
from services.mirror import schema
from services.mirror.queries import Mirror
from services.serving import store


@dataclass(frozen=True, slots=True)
class Spoilt:
    """A thing marked as bad, and what came of it."""

    mark: Mark
    radius: Radius


class Lineage:
    """Asks one moment: what it read of the data repositories is kept as long as it lives."""

    def __init__(
        self,
        home: Home,
        mirror: Mirror,
        journal: Journal,
        data: DataService,
        projects: Projects = None,
        watched: Watched | None = None,
        used: Use | None = None,
    ) -> None:
        """Take what there is to ask.

        Args:
            home: Where bundles and predictions are.
            mirror: What engines said.
            journal: What is deployed, and what is marked.
            data: The data repositories.
            projects: Those the asker sees; None: all.
            watched: Monitoring; None: threads end at the predictions.
            used: What tells what a version answered; left out: the prediction log.
        """
        self._home = home
        self._mirror = mirror
        self._journal = journal
        self._data = data
        self._projects = projects
        self._watched = watched
        self._used = used or used_by_days(home, used_exactly(home))

    @cached_property
    def _revisions(self) -> Revisions:
        return revisions(self._data)

    @cached_property
    def _first(self) -> frozenset[str]:
        """Runs of what is live: walked before others."""
        wanted = {
            (one.project, one.model, one.live.version)
            for one in store.endpoints(self._journal)
            if one.live is not None
        }
        if not wanted:
            return frozenset()
        table = schema.versions
        place = tuple_(table.c.project, table.c.name, table.c.version)
        rows = self._mirror.rows(select(table.c.run_id).where(place.in_(sorted(wanted))))
        return frozenset(row.run_id for row in rows if row.run_id)

    @cached_property
    def _files(self) -> Files:
        return Files(lambda: self._revisions, self._data.held)

    @cached_property
    def _rows(self) -> Rows:
        return Rows(lambda: self._revisions, self._journal)

    def _foremost(self, marks: Collection[Ref]) -> list[str]:
        """Return revisions that are always compared: those marked, and those of what is live."""
        live = tags.of_runs(self._mirror, sorted(self._first), (tags.DATA,)).values()
        return [one.key for one in marks if one.kind == "data"] + [one[tags.DATA] for one in live]

    def _sources(self, marks: Collection[Ref] = ()) -> tuple[Source, ...]:
        """Return what a walk asks: made anew for each, for some remember where it was."""
        mirror, projects = self._mirror, self._projects
        found: tuple[Source, ...] = (
            DataSource(mirror, lambda: self._revisions, projects, lambda: self._first, marks),
            FilesSource(self._files, lambda: self._foremost(marks)),
            CollectedSource(self._rows, lambda: self._foremost(marks)),
            WorkflowSource(mirror, projects),
            RegistrySource(mirror),
            ServingSource(self._home, self._journal, self._used, self._rows),
        )
        return found if self._watched is None else (*found, WatchedSource(self._watched, projects))

    def thread(
        self,
        ref: Ref,
        directions: Sequence[Direction] = DIRECTIONS,
        limits: Limits = LIMITS,
    ) -> Thread:
        """Return what a thing came from, and what came of it.

        Raises:
            InputError: The id is none of its kind's.
            NotFoundError: There is no such thing, or the asker does not see it.
            PlatformError: The journal cannot be read.
        """
        self._check(ref)
        marks = marked.marks(self._journal)
        found = walk(ref, self._sources(marks), marks, self._projects, directions, limits)
        if found.start.state == "gone" and not found.links:
            raise _nothing(ref)
        return found

    def node(self, ref: Ref) -> Node:
        """Return one thing.

        Raises:
            InputError: The id is none of its kind's.
            NotFoundError: The asker does not see it.
        """
        self._check(ref)
        return described([ref], self._sources())[ref]

    def nodes(self, refs: Sequence[Ref]) -> tuple[Node, ...]:
        """Return some things, those that the asker sees."""
        found = described(refs, self._sources())
        return tuple(found[one] for one in refs if sees(self._projects, found[one].project))

    def _check(self, ref: Ref) -> None:
        if ref.kind in NUMBERED:
            ref.numbered  # noqa: B018 - refuses what is none
        if ref.kind in WatchedSource.kinds and self._watched is None:
            raise _nothing(ref)
        if ref.kind == "workflow" and "/" not in ref.key:
            raise InputError(f"{ref.id[:100]!r} names no workflow run.", "Write workflow:DAG/RUN.")
        if not sees(self._projects, described([ref], self._sources())[ref].project):
            raise _nothing(ref)

    def find(self, text: str) -> tuple[Ref, ...]:
        """Return what a text may mean, the likeliest first.

        Raises:
            PlatformError: The mirror or the journal cannot be read.
        """
        return Finder(
            self._mirror, self._journal, lambda: self._revisions, self._projects, self._watched
        ).find(text)

    def radius(self, ref: Ref) -> Radius:
        """Return all that came of a thing, and what of it answers requests.

        Raises:
            InputError: Nothing is made of such a thing.
            PlatformError: The mirror or the journal cannot be read.
        """
        return radius(self._mirror, self._journal, ref, self._projects, self._files, self._rows)

    def marks(self) -> dict[Ref, Mark]:
        """Return what is marked as bad, as far as the asker sees it, the newest first.

        Raises:
            JournalError: The journal cannot be read.
        """
        return marked.marks(self._journal, self._projects)

    def spoilt(self) -> tuple[Spoilt, ...]:
        """Return what is marked as bad, each with what came of it.

        Raises:
            PlatformError: The mirror or the journal cannot be read.
        """
        return tuple(Spoilt(one, self.radius(one.ref)) for one in self.marks().values())

    def broken(self) -> tuple[Broken, ...]:
        """Return every broken link of the projects that the asker sees.

        Raises:
            PlatformError: The mirror or the journal cannot be read.
        """
        return self._broken[0]

    @cached_property
    def _broken(self) -> tuple[tuple[Broken, ...], tuple[str, ...]]:
        return links.broken(
            self._home, self._mirror, self._journal, self._revisions, self._projects,
            self._data.lost, self._rows,
        )  # fmt: skip

    @property
    def unread(self) -> tuple[str, ...]:
        """Return what was not looked at for broken links, as sentences."""
        return (*self._revisions.unread, *self._broken[1])


def _nothing(ref: Ref) -> NotFoundError:
    return NotFoundError(
        f"There is no {ref.kind} {ref.key[:100]!r}, or it is of a project that you do not see.",
        "`mlops lineage ID` takes a revision, a run, PROJECT/MODEL:VERSION or DAG/RUN.",
    )
