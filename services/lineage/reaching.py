"""Versions by what they came from: all of them, whatever the number of runs between.

First what surely came of a thing, closed over versions that others were made from; then what
perhaps holds something of it, closed over data that answers were collected into, too; then what
only has to do with it. Whoever came several ways came the surest.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, Literal

import orjson
from sqlalchemy import ColumnElement, Row, Select, func, select

from services.data.models import Collected, Held
from services.errors import InputError
from services.lineage import tags
from services.lineage.models import NUMBERED, Ref, numbered
from services.lineage.source import Projects
from services.lineage.sources.collected import Rows, answers, told
from services.lineage.sources.files import Files
from services.mirror import schema, workflow_tables
from services.mirror.queries import Mirror

_RUNS, _TAGS, _VERSIONS = schema.runs, schema.tags, schema.versions
_FLOWS, _TASKS = workflow_tables.workflow_runs, workflow_tables.task_runs
How = Literal["itself", "from it", "beside it", "maybe"]
"""``beside it``: made by a workflow run of which another run read it, as in federated training;
``maybe``: its data hold some files of it or rows that it answered, it loaded it, or it was set off
by it."""


@dataclass(frozen=True, slots=True)
class Way:
    """How a version came of a thing."""

    how: How
    why: str = ""
    """What lies between, as words; empty: nothing."""
    through: Ref | None = None
    """The revision, workflow run or version that lies between."""
    held: Held | None = None
    """How many of its files the data of the version hold, where they are other data."""
    rows: Collected | None = None
    """What of its answers the data of the version hold."""
    learned: bool = False
    """Whether there are answers of it among them that have no label: they may have been learned."""


@dataclass(slots=True)
class Reached:
    """All that came of a thing."""

    runs: int = 0
    rows: dict[Ref, tuple[Row[Any], Way]] = field(default_factory=dict)
    unknown: list[str] = field(default_factory=list)

    def add(self, rows: Iterable[Row[Any]], way: Way) -> None:
        """Take in what is not there yet."""
        for row in rows:
            self.rows.setdefault(
                numbered("version", row.project, row.name, row.version), (row, way)
            )


def reached(
    mirror: Mirror, ref: Ref, projects: Projects, files: Files | None, rows: Rows | None = None
) -> Reached:
    """Return all versions that came of a thing.

    Raises:
        InputError: Nothing comes of such a thing: it is a verdict, an alert or a retraining.
        PlatformError: The mirror or a data repository cannot be read.
    """
    return _Reaching(mirror, projects, files, rows).all_of(ref)


class _Reaching:
    def __init__(
        self, mirror: Mirror, projects: Projects, files: Files | None, rows: Rows | None
    ) -> None:
        self._mirror = mirror
        self._projects = projects
        self._files = files
        self._rows = rows
        self._found = Reached()

    def all_of(self, ref: Ref) -> Reached:
        """Return what came of a thing."""
        later = self._later(ref)
        flows = self._of(ref, Way("from it"))
        for data, held in later.items():
            if held.all:
                flows |= self._of(data, _held("from it", data, held))
        self._close("sure")
        for data, held in later.items():
            if not held.all:
                flows |= self._of(data, _held("maybe", data, held))
        flows |= self._close("holding")
        self._set_off(flows)
        self._close("all")
        return self._found

    def _of(self, ref: Ref, way: Way) -> set[str]:
        """Add what came of a thing at one step; return the workflow runs that had to do with it."""
        if ref.kind == "data":
            self._of_tag(tags.DATA, ref.key, way)
            self._of_own_tags(tags.DATA, ref.key, way)
            return self._beside(ref.key, way)
        if ref.kind == "models":
            self._of_tag(tags.MODELS, ref.key, way)
        elif ref.kind == "workflow":
            self._of_flow(ref.key, way)
            return {ref.key}
        elif ref.kind == "run":
            self._found.runs += len(tags.runs(self._mirror, [ref.key]))
            self._found.add(self._of_runs([ref.key]), way)
        elif ref.kind in NUMBERED:
            project, model, number = ref.numbered
            here = (_VERSIONS.c.project == project, _VERSIONS.c.name == model,
                    _VERSIONS.c.version == number)  # fmt: skip
            rows = self._mirror.rows(select(_VERSIONS).where(*here))
            self._found.add(rows, replace(way, how="itself"))
        else:
            raise InputError(
                f"Nothing is made of {ref.id[:80]}.",
                "Ask of data, a workflow run, a run or a version.",
            )
        return set()

    def _later(self, ref: Ref) -> dict[Ref, Held]:
        """Return the later data that hold files of data, of those that something was made from."""
        if ref.kind != "data" or self._files is None:
            return {}
        self._found.unknown += self._files.unread
        if not self._files.later(ref.key):
            return {}
        holding = self._files.all_after(ref.key, self._used())
        self._found.unknown += holding.unknown
        return {Ref("data", key): held for key, held in holding.found.items()}

    def _used(self) -> set[str]:
        """Return the revisions that runs and versions name."""
        number = tags.key_ids(self._mirror, (tags.DATA,)).get(tags.DATA)
        query = select(_TAGS.c.value).where(_TAGS.c.key_id == number).distinct()
        found = {str(row.value) for row in self._mirror.rows(query)} if number else set()
        return found | {own[tags.DATA] for _, own in self._runless if own.get(tags.DATA)}

    @cached_property
    def _runless(self) -> list[tuple[Row[Any], dict[str, str]]]:
        """Read once: each of many later revisions is looked for in it."""
        return list(tags.runless(self._mirror))

    @cached_property
    def _made(self) -> list[tuple[Row[Any], str]]:
        """All versions that a workflow run made, each with that run. Read once, as above.

        Two steps, for in one SQLite would read all versions again for every run.
        """
        rows = self._mirror.rows(select(_VERSIONS).where(_VERSIONS.c.run_id.is_not(None)))
        runs = list(dict.fromkeys(row.run_id for row in rows))
        made = tags.of_runs(self._mirror, runs, (tags.TASK,))
        return [(row, _place(made[row.run_id][tags.TASK])) for row in rows if row.run_id in made]

    def _of_tag(self, name: str, value: str, way: Way) -> None:
        """Add the versions of all runs whose tag has a value."""
        number = tags.key_ids(self._mirror, (name,)).get(name)
        if number is None:
            return
        here = (_TAGS.c.key_id == number, tags.same(value))
        if way.how != "maybe":
            self._found.runs += self._counted(here)
        self._found.add(self._mirror.rows(_versions_with_tags().where(*here)), way)

    def _counted(self, here: tuple[ColumnElement[bool], ...]) -> int:
        counted = select(func.count()).select_from(_TAGS.join(_RUNS, _RUNS.c.rid == _TAGS.c.rid))
        if self._projects is not None:
            counted = counted.where(_RUNS.c.project.in_(self._projects))
        return int(self._mirror.rows(counted.where(*here))[0][0])

    def _of_own_tags(self, name: str, value: str, way: Way) -> None:
        """Add the versions that name it themselves, for their run is gone or never was."""
        self._found.add((row for row, own in self._runless if own.get(name) == value), way)

    def _of_runs(self, run_ids: list[str]) -> Iterator[Row[Any]]:
        return tags.rows_of(self._mirror, select(_VERSIONS), _VERSIONS.c.run_id, run_ids)

    def _of_flow(self, key: str, way: Way) -> None:
        """Add the versions of all runs that a workflow run made, also those only it noted."""
        self._of_tag(tags.TASK, f"{key}/", way)
        dag, _, run = key.partition("/")
        query = select(_TASKS.c.evidence).where(_TASKS.c.dag_id == dag, _TASKS.c.run_id == run)
        said = [orjson.loads(row.evidence).get("runs") or () for row in self._mirror.rows(query)]
        self._found.add(self._of_runs([str(one["run_id"]) for runs in said for one in runs]), way)

    def _beside(self, revision: str, way: Way) -> set[str]:
        """Add what workflow runs made of which one run read the data, and another was registered.

        Returns the workflow runs.
        """
        numbers = tags.key_ids(self._mirror, (tags.DATA, tags.TASK))
        if len(numbers) < 2:
            return set()
        read = _TAGS.alias()
        query = (
            select(_TAGS.c.value)
            .select_from(_TAGS.join(read, read.c.rid == _TAGS.c.rid))
            .where(_TAGS.c.key_id == numbers[tags.TASK], read.c.key_id == numbers[tags.DATA],
                   read.c.value == revision)
            .distinct()
        )  # fmt: skip
        places = {_place(row.value) for row in self._mirror.rows(query)}
        if not places:
            return set()
        how: How = "maybe" if way.how == "maybe" else "beside it"
        rows = (row for row, place in self._made if place in places)
        self._found.add(rows, replace(way, how=how))
        return places

    def _set_off(self, flows: set[str]) -> None:
        """Add what workflow runs made that began because of others."""
        query = select(_FLOWS.c.dag_id, _FLOWS.c.run_id, _FLOWS.c.document)
        after: dict[str, list[str]] = {}
        for row in self._mirror.rows(query.where(_FLOWS.c.kind == "asset_triggered")):
            cause = orjson.loads(row.document).get("caused_by")
            if cause:
                after.setdefault(f"{cause[0]}/{cause[1]}", []).append(f"{row.dag_id}/{row.run_id}")
        left, seen = sorted(flows), set(flows)
        while left:
            for key in after.get(left.pop(), ()):
                if key not in seen:
                    seen.add(key)
                    left.append(key)
                    one = Ref("workflow", key)
                    self._of_flow(key, Way("maybe", f"set off: {key}", one))

    def _close(self, over: Literal["sure", "holding", "all"]) -> set[str]:
        """Add what was made from what is there, again and again until nothing is new.

        Args:
            over: ``sure``: bases alone; ``holding``: also data that hold answers without a label;
                ``all``: also those with labels, and what loaded it.

        Returns:
            The workflow runs that read such data; of ``all`` what they set off is added here.
        """
        asked: set[Ref] = set()
        flows: set[str] = set()
        while new := [one for one in self._found.rows if one not in asked]:
            asked.update(new)
            self._made_from(new, tags.BASE, maybe=False)
            if over == "sure":
                continue
            found = self._learned(new, labelled=over == "all")
            flows |= found
            if over == "all":
                self._set_off(found)
                self._made_from(new, tags.LOADED, maybe=True)
        return flows

    def _learned(self, versions: list[Ref], *, labelled: bool) -> set[str]:
        """Add what was made from data that hold answers of versions; return the workflow runs."""
        flows: set[str] = set()
        if self._rows is None:
            return flows
        self._found.unknown += self._rows.unread
        for version in versions:
            for revision, rows in self._rows.into(version.key).items():
                learned = answers(rows) > 0 and not labelled
                if learned or labelled:
                    data = Ref("data", revision)
                    way = Way("maybe", told(rows, revision), data, rows=rows, learned=learned)
                    flows |= self._of(data, way)
        return flows

    def _made_from(self, bases: list[Ref], names: tuple[str, ...], *, maybe: bool) -> None:
        keys = [one.key for one in bases]
        by_run: dict[str, str] = {}
        for value, run in tags.naming(self._mirror, names, keys):
            by_run.setdefault(run, value)
        pairs = [(row, by_run[row.run_id]) for row in self._of_runs(list(by_run))]
        known = set(keys)
        pairs += [
            (row, own[name])
            for row, own in self._runless
            for name in names
            if own.get(name) in known
        ]
        for row, key in pairs:
            base = Ref("version", key)
            way = self._found.rows[base][1]
            how: How = "maybe" if maybe or way.how == "maybe" else "from it"
            word = "it loaded" if maybe else "made from"
            learned = way.learned and not maybe
            self._found.add([row], Way(how, f"{word} {key}", base, way.held, way.rows, learned))


def _held(how: How, data: Ref, held: Held) -> Way:
    count = f"all {held.of:,}" if held.all else f"{held.files:,} of {held.of:,}"
    return Way(how, f"its data {data.key[:12]} hold {count} of its files", data, held)


def _versions_with_tags() -> Select[Any]:
    joined = _VERSIONS.join(_RUNS, _RUNS.c.run_id == _VERSIONS.c.run_id)
    return select(_VERSIONS).select_from(joined.join(_TAGS, _TAGS.c.rid == _RUNS.c.rid))


def _place(task: str) -> str:
    return "/".join(task.split("/")[:2])
