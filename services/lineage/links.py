"""Broken links of the whole installation: what names something that is not there."""

import json
from collections.abc import Collection, Iterator

from sqlalchemy import func, select

from services.actions.journal import Journal
from services.home import Home
from services.lineage import missing, tags
from services.lineage.models import Broken, Ref, numbered
from services.lineage.source import Projects
from services.lineage.sources.collected import Rows
from services.lineage.sources.data import Revisions
from services.lineage.sources.registry import without_run
from services.mirror import schema, workflow_tables
from services.mirror.queries import Mirror

_RUNS, _TAGS, _VERSIONS = schema.runs, schema.tags, schema.versions
_FLOWS = workflow_tables.workflow_runs


def broken(
    home: Home,
    mirror: Mirror,
    journal: Journal,
    known: Revisions,
    projects: Projects = None,
    look: missing.Look | None = None,
    rows: Rows | None = None,
) -> tuple[tuple[Broken, ...], tuple[str, ...]]:
    """Return every broken link, what is in service first, and sentences: what was not looked at.

    A revision or workflow run that many runs name is told once.

    Args:
        home: Where bundles are.
        mirror: What engines said.
        journal: What is deployed, and what was retrained.
        known: What is in the data repositories.
        projects: Those the asker sees; None: all.
        look: What looks for the files of a revision; None: they are not looked for.
        rows: What knows what was collected; None: that is not looked at.

    Raises:
        PlatformError: The mirror or the journal cannot be read.
    """
    found = [*missing.served(home, mirror, journal), *missing.aliases(mirror)]
    lost, unknown = missing.files(mirror, journal, known, look, projects) if look else ([], [])
    found += lost
    found += _versions(mirror)
    found += _revisions(mirror, known, projects)
    if rows is not None and not known.unread:
        found += missing.collected(rows)
    found += missing.bases(mirror, (_values(mirror, name, (), projects) for name in tags.BASE))
    found += missing.retrainings(mirror, journal)
    found += _tasks(mirror, projects)
    seen = tuple(
        one for one in found if projects is None or one.project is None or one.project in projects
    )
    return seen, tuple(unknown)


def _versions(mirror: Mirror) -> Iterator[Broken]:
    """Yield versions whose run is not there, or that name none."""
    here = _VERSIONS.outerjoin(_RUNS, _RUNS.c.run_id == _VERSIONS.c.run_id)
    query = select(_VERSIONS).select_from(here).where(_RUNS.c.rid.is_(None))
    for row in mirror.rows(query.order_by(_VERSIONS.c.created_ms.desc())):
        one = numbered("version", row.project, row.name, row.version)
        if not row.run_id:
            yield without_run(one, row.project)
            continue
        data = json.loads(row.tags).get(tags.DATA)
        also = f" Its own tags name the data {data}." if data else ""
        yield Broken(
            one, Ref("run", row.run_id).id, row.project,
            f"{row.project}/{row.name} {row.version} was registered from the run {row.run_id[:12]},"
            f" which MLflow does not know.{also}",
            "It was deleted for good, or belongs to another MLflow: train and register again.",
        )  # fmt: skip


def _revisions(mirror: Mirror, known: Revisions, projects: Projects) -> Iterator[Broken]:
    """Yield revisions that runs name and no data repository has."""
    if known.unread:  # it may be in one of them
        return
    for kind, name in (("data", tags.DATA), ("models", tags.MODELS)):
        there = {revision for of, revision in known.known if of == kind}
        for value, (project, run_id, count) in _values(mirror, name, there, projects).items():
            runs = "One run names" if count == 1 else f"{count:,} runs name"
            word = "data" if kind == "data" else "models"
            yield Broken(
                Ref("run", run_id), f"{kind}:{value}", project,
                f"{runs} the {word} {value[:16]}, which are in no project's data repository; "
                f"the newest is {run_id[:12]} of {project}.",
                "Bring the project's data repository back: those runs cannot be repeated without.",
            )  # fmt: skip


def _tasks(mirror: Mirror, projects: Projects) -> Iterator[Broken]:
    """Yield workflow runs that training runs name and Airflow does not know."""
    rows = mirror.rows(select(_FLOWS.c.dag_id, _FLOWS.c.run_id))
    there = {f"{row.dag_id}/{row.run_id}" for row in rows}
    lost: dict[str, tuple[str, str, int]] = {}
    for value, (project, run_id, count) in _values(mirror, tags.TASK, (), projects).items():
        place = tags.task_of({tags.TASK: value})
        if place is None or f"{place[0]}/{place[1]}" in there:
            continue
        key = f"{place[0]}/{place[1]}"
        before = lost.get(key)
        lost[key] = (project, run_id, count + (before[2] if before else 0))
    for key, (project, run_id, count) in lost.items():
        runs = "One run was" if count == 1 else f"{count:,} runs were"
        yield Broken(
            Ref("run", run_id), f"workflow:{key}", project,
            f"{runs} made by the workflow run {key}, which Airflow does not know.",
            "Airflow keeps runs for a time; runs, data and versions are not concerned.",
        )  # fmt: skip


def _values(
    mirror: Mirror, name: str, there: Collection[str], projects: Projects
) -> dict[str, tuple[str, str, int]]:
    """Return the values of a tag that are not there: project, id of the newest run, how many."""
    number = tags.key_ids(mirror, (name,)).get(name)
    if number is None:
        return {}
    grouped = select(_TAGS.c.value, func.max(_TAGS.c.rid), func.count()).group_by(_TAGS.c.value)
    grouped = grouped.where(_TAGS.c.key_id == number)
    if projects is not None:
        mine = _RUNS.c.project.in_(projects)
        grouped = grouped.join(_RUNS, _RUNS.c.rid == _TAGS.c.rid).where(mine)
    found = {
        value: (int(rid), int(count))
        for value, rid, count in mirror.rows(grouped)
        if value not in there
    }
    rids = {rid: value for value, (rid, _) in found.items()}
    query = select(_RUNS.c.rid, _RUNS.c.project, _RUNS.c.run_id)
    return {
        rids[row.rid]: (row.project, row.run_id, found[rids[row.rid]][1])
        for row in tags.rows_of(mirror, query, _RUNS.c.rid, list(rids))
    }
