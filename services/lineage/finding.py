"""What a person means by a text: an id, part of one, or a name."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from sqlalchemy import ColumnElement, Select, select

from services.actions.journal import Journal
from services.lineage.models import LONGEST, Ref, numbered, ref_of
from services.lineage.source import Projects
from services.lineage.sources.data import Revisions
from services.lineage.sources.watched import Watched
from services.mirror import schema, workflow_tables
from services.mirror.projects import CHAMPION
from services.mirror.queries import Mirror
from services.serving import store

_RUNS, _VERSIONS, _MODELS = schema.runs, schema.versions, schema.models
_FLOWS = workflow_tables.workflow_runs
_SHORTEST = 4
_EACH = 6
_HEX = frozenset("0123456789abcdef")


class Finder:
    """Looks for things by text, of the projects that a person sees."""

    def __init__(
        self,
        mirror: Mirror,
        journal: Journal,
        revisions: Callable[[], Revisions],
        projects: Projects,
        watched: Watched | None = None,
    ) -> None:
        self._mirror = mirror
        self._journal = journal
        self._revisions = revisions
        self._projects = projects
        self._watched = watched

    def find(self, text: str) -> tuple[Ref, ...]:
        """Return what a text may mean, the likeliest first; () when nothing has that name.

        Raises:
            PlatformError: The mirror or the journal cannot be read.
        """
        text = text.strip()
        if not text or len(text) > LONGEST:
            return ()
        whole = ref_of(text)
        if whole is not None:
            return (whole,)
        found: dict[Ref, None] = {}
        for ask in (self._runs, self._data, self._versions, self._flows, self._kept, self._named):
            found |= dict.fromkeys(ask(text))
        return tuple(found)

    def _mine(self, query: Select[Any], column: ColumnElement[Any]) -> Select[Any]:
        return query if self._projects is None else query.where(column.in_(self._projects))

    def _runs(self, text: str) -> Iterator[Ref]:
        """Yield runs whose id begins so."""
        if len(text) < _SHORTEST or not _HEX.issuperset(text):
            return
        end = f"{text}g"  # behind all that begins so: ids are hexadecimal
        query = select(_RUNS.c.run_id).where(_RUNS.c.run_id >= text, _RUNS.c.run_id < end)
        query = self._mine(query, _RUNS.c.project).order_by(_RUNS.c.run_id).limit(_EACH)
        yield from (Ref("run", row.run_id) for row in self._mirror.rows(query))

    def _data(self, text: str) -> Iterator[Ref]:
        """Yield revisions that begin so."""
        if len(text) < _SHORTEST or not _HEX.issuperset(text):
            return
        for (kind, revision), versions in self._revisions().known.items():
            seen = self._projects is None or any(v.project in self._projects for v in versions)
            if seen and revision.startswith(text):
                yield Ref(kind, revision)

    def _versions(self, text: str) -> Iterator[Ref]:
        """Yield the version that ``PROJECT/MODEL[@ALIAS|:NUMBER]`` or ``PROJECT.MODEL`` names."""
        name, at, alias = text.partition("@")
        number = ""
        if not at:
            head, colon, tail = text.rpartition(":")
            name, number = (head, tail) if colon and tail.isdecimal() else (text, "")
        for project, model in self._models(name):
            if number:
                yield numbered("version", project, model, int(number))
            else:
                yield from self._of_model(project, model, alias)

    def _models(self, name: str) -> list[tuple[str, str]]:
        query = self._mine(select(_MODELS.c.project, _MODELS.c.name), _MODELS.c.project)
        rows = self._mirror.rows(query.order_by(_MODELS.c.project, _MODELS.c.name))
        names = [(row.project, row.name) for row in rows]
        whole = [(p, m) for p, m in names if name in {f"{p}/{m}", f"{p}.{m}"}]
        return whole or [(p, m) for p, m in names if name == m][:_EACH]

    def _of_model(self, project: str, model: str, alias: str) -> Iterator[Ref]:
        """Yield the version with an alias; without one, what is live, champion, or the newest."""
        if not alias:
            endpoints = store.endpoints(self._journal, [project])
            live = next((e.live for e in endpoints if e.model == model and e.live), None)
            if live is not None:
                yield numbered("version", project, model, live.version)
                return
        found = self._mirror.model(project, model)
        chosen = found.with_alias(alias or CHAMPION)
        if chosen is None and not alias and found.versions:
            chosen = found.versions[0]
        if chosen is not None:
            yield numbered("version", project, model, chosen.version)

    def _flows(self, text: str) -> Iterator[Ref]:
        """Yield the workflow runs that ``DAG/RUN`` or ``RUN`` names, or the last ones of a DAG."""
        dag, slash, run = text.partition("/")
        query = self._mine(select(_FLOWS.c.dag_id, _FLOWS.c.run_id), _FLOWS.c.project)
        if slash:
            query = query.where(_FLOWS.c.dag_id == dag, _FLOWS.c.run_id == run)
        else:
            query = query.where((_FLOWS.c.run_id == text) | (_FLOWS.c.dag_id == text))
        rows = self._mirror.rows(query.order_by(_FLOWS.c.due_ms.desc()).limit(_EACH))
        yield from (Ref("workflow", f"{row.dag_id}/{row.run_id}") for row in rows)

    def _kept(self, text: str) -> Iterator[Ref]:
        """Yield the verdict, alert or retraining of this id."""
        if self._watched is None:
            return
        if self._watched.verdict(text) is not None:
            yield Ref("verdict", text)
        if self._watched.alert(text) is not None:
            yield Ref("alert", text)
        if self._watched.retraining(text) is not None:
            yield Ref("retraining", text)

    def _named(self, text: str) -> Sequence[Ref]:
        """Return the newest runs of this name."""
        query = select(_RUNS.c.run_id).where(_RUNS.c.name == text)
        query = self._mine(query, _RUNS.c.project)
        rows = self._mirror.rows(query.order_by(_RUNS.c.started_ms.desc()).limit(_EACH))
        return [Ref("run", row.run_id) for row in rows]
