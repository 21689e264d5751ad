"""Revisions of data and models: which runs found the one and left the other."""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

from services.data.models import Kind as DataKind
from services.data.models import Version
from services.data.service import DataService
from services.errors import MlopsError
from services.lineage import tags
from services.lineage.models import Broken, Kind, Link, More, Node, Ref
from services.lineage.source import Found, Projects, of_kind, sees
from services.lineage.tags import DATA, MODELS
from services.mirror.queries import Mirror

READ, LEFT, USED, BESIDE = "was read by", "left", "was used by", "were left beside"


@dataclass(frozen=True, slots=True)
class Revisions:
    """All versions of the projects whose data repository can be read."""

    known: Mapping[tuple[DataKind, str], Sequence[Version]]
    unread: tuple[str, ...]
    """Sentences: which cannot be read, and why."""


def revisions(service: DataService) -> Revisions:
    """Return what is in all data repositories; one that is damaged leaves the others."""
    known: dict[tuple[DataKind, str], list[Version]] = {}
    unread: list[str] = []
    for project in service.projects():
        try:
            for one in service.versions(project):
                known.setdefault((one.kind, one.revision), []).append(one)
        except MlopsError as error:
            unread.append(f"Data of {project}: {error.message}")
    return Revisions(known, tuple(unread))


class DataSource:
    """Edges of revisions."""

    kinds: frozenset[Kind] = frozenset(("data", "models"))

    def __init__(
        self,
        mirror: Mirror,
        versions: Callable[[], Revisions],
        projects: Projects,
        first: Callable[[], Collection[str]] = tuple,
        marked: Collection[Ref] = (),
    ) -> None:
        """Take what is asked. One walk long: it remembers what models it came to.

        Args:
            mirror: What engines said.
            versions: What is in the data repositories.
            projects: Those the asker sees.
            first: Ids of runs that are walked first: those of what is live.
            marked: What is marked as bad: such models are shown beside the versions of their runs.
        """
        self._mirror = mirror
        self._versions = versions
        self._projects = projects
        self._first = first
        self._marked = marked
        self._passed: set[Ref] = set()

    def up(self, refs: Sequence[Ref], most: int) -> Found:
        """Return the data that runs and workflows read, and the runs that left models."""
        found = Found()
        runs = [one.key for one in of_kind(refs, "run")]
        for run, said in tags.of_runs(self._mirror, runs, (DATA,)).items():
            found.links.append(Link(Ref("data", said[DATA]), Ref("run", run), READ))
        for one in of_kind(refs, "workflow"):
            made = tags.carriers(self._mirror, tags.TASK, f"{one.key}/", self._projects, most)
            said_of = tags.of_runs(self._mirror, [row.run_id for row in made.rows], (DATA,))
            read = dict.fromkeys(said[DATA] for said in said_of.values())
            found.links += [Link(Ref("data", revision), one, USED) for revision in read]
        for one in of_kind(refs, "models"):
            if one not in self._passed:
                seen = self._carriers(one, MODELS, most, "up", found)
                found.links += [Link(Ref("run", run), one, LEFT) for run, _ in seen]
        found.links += self._beside(of_kind(refs, "version"))
        return found

    def _beside(self, versions: Sequence[Ref]) -> Iterator[Link]:
        """Yield the marked models that the runs of versions left."""
        if not of_kind(tuple(self._marked), "models"):
            return
        runs = tags.runs_of_versions(self._mirror, versions)
        said = tags.of_runs(self._mirror, list(runs.values()), (MODELS,))
        for version, run in runs.items():
            models = Ref("models", said.get(run, {}).get(MODELS, ""))
            if models in self._marked:
                self._passed.add(models)  # its other runs are no part of this thread
                yield Link(Ref("run", run), models, LEFT)
                yield Link(models, version, BESIDE)

    def down(self, refs: Sequence[Ref], most: int) -> Found:
        """Return the runs, and the workflows, that read data, and the models that runs left."""
        found = Found()
        for one in of_kind(refs, "data"):
            seen = self._carriers(one, DATA, most, "down", found)
            found.links += [Link(one, Ref("run", run), READ) for run, _ in seen]
            said = tags.of_runs(self._mirror, [run for run, _ in seen], (tags.TASK,))
            places = dict.fromkeys(filter(None, (tags.task_of(each) for each in said.values())))
            found.links += [
                Link(one, Ref("workflow", f"{dag}/{run}"), USED)
                for dag, run in dict.fromkeys((dag, run) for dag, run, _ in places)
            ]
        runs = [one.key for one in of_kind(refs, "run")]
        for one in of_kind(refs, "models"):
            if one not in self._passed:
                seen = self._carriers(one, MODELS, most, "down", found)
                made = tags.versions_of_runs(self._mirror, [run for run, _ in seen])
                found.links += [Link(one, version, BESIDE) for version in made]
        for run, said_of in tags.of_runs(self._mirror, runs, (MODELS,)).items():
            models = Ref("models", said_of[MODELS])
            self._passed.add(models)  # its own versions are reached from the run itself
            found.links.append(Link(Ref("run", run), models, LEFT))
        return found

    def _carriers(
        self, one: Ref, tag: str, most: int, direction: str, found: Found
    ) -> list[tuple[str, str]]:
        seen = tags.carriers(self._mirror, tag, one.key, self._projects, most, self._first())
        found.hidden += seen.hidden
        left = seen.total - len(seen.rows)
        if left:
            what = "found this data" if tag == DATA else "left these models"
            found.more.append(
                More(one, "down" if direction == "down" else "up", left,
                     f"{left:,} more runs {what}; those registered and the newest are shown.")
            )  # fmt: skip
        return [(row.run_id, row.project) for row in seen.rows]

    def describe(self, refs: Sequence[Ref]) -> dict[Ref, Node]:
        """Return what is known of revisions."""
        wanted = of_kind(refs, "data", "models")
        if not wanted:
            return {}
        try:
            known = self._versions()
        except MlopsError as error:
            return {one: _unread(one, error.message) for one in wanted}
        return {one: self._node(one, known) for one in wanted}

    def _node(self, one: Ref, found: Revisions) -> Node:
        kind: DataKind = "data" if one.kind == "data" else "models"
        everywhere = found.known.get((kind, one.key), ())
        versions = [v for v in everywhere if sees(self._projects, v.project)]
        if everywhere and not versions:
            return Node(one, _title(one), everywhere[0].project, "")
        if not versions and found.unread:
            return _unread(one, found.unread[0])
        if not versions:
            return Node(one, _title(one), None, "in no project's data repository", None, "gone")
        own = min(versions, key=lambda v: (v.from_project is not None, v.at, v.project))
        others = sorted({v.project for v in versions} - {own.project})
        also = f", also in {', '.join(others)}" if others else ""
        files = "file" if own.files == 1 else "files"
        rows = sum(row.rows for row in own.collected)
        collected = "collected row" if rows == 1 else "collected rows"
        asked = f", {rows:,} {collected}" if rows else ""
        said = f"{own.files:,} {files}{asked}{also}"
        return Node(one, _title(one), own.project, said, own.at.timestamp())


def broken(node: Node, users: Sequence[str]) -> Broken:
    """Return what is said of a revision that some name and no repository has."""
    word = "Data" if node.ref.kind == "data" else "Models"
    by = f" {users[0]} names it." if users else ""
    return Broken(
        node.ref,
        node.id,
        node.project,
        f"{word} {node.ref.key} are in no project's data repository.{by}",
        "Fetch the project's data repository again, or accept that this run cannot be repeated.",
    )


def _title(one: Ref) -> str:
    return one.key[:12]


def _unread(one: Ref, why: str) -> Node:
    return Node(one, _title(one), None, why, None, "unknown")
