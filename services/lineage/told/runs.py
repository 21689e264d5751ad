"""Training runs: what they read, what they made, and the workflow run that began them."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from sqlalchemy import Row, func, select

from services.lineage import tags
from services.lineage.openlineage import Event, Part, Type, dataset, job, run, run_event, run_uuid
from services.lineage.told.points import AT_ONCE, Point, chunked, of_this
from services.lineage.told.workflows import workflow_uuid
from services.mirror import schema
from services.mirror.queries import Mirror

_ENDS: Mapping[str, Type] = {
    "finished": "COMPLETE", "failed": "FAIL", "killed": "ABORT", "lost": "ABORT",
}  # fmt: skip
_RUNS, _VERSIONS = schema.runs, schema.versions
_SAID = (tags.DATA, tags.MODELS, tags.TASK, *tags.BASE)
_NONE = (0, 0)
"""Number and moment (ms since 1970) that every version of a model is above."""


def events(mirror: Mirror, run_ids: Sequence[str]) -> Iterator[Event]:
    """Yield the events of training runs, each run's in the order they happened.

    Raises:
        PlatformError: The mirror cannot be read.
    """
    rows = tags.runs(mirror, run_ids)
    said = tags.of_runs(mirror, run_ids, _SAID)
    made: dict[str, list[Part]] = {}
    columns = (_VERSIONS.c.project, _VERSIONS.c.name, _VERSIONS.c.version, _VERSIONS.c.run_id)
    for row in tags.rows_of(mirror, select(*columns), _VERSIONS.c.run_id, list(rows)):
        made.setdefault(row.run_id, []).append(_version(row))
    for run_id in dict.fromkeys(run_ids):
        if run_id in rows and rows[run_id].started_ms is not None:
            yield from _events(rows[run_id], said.get(run_id, {}), made.get(run_id, ()))


def _events(row: Row[Any], said: Mapping[str, str], made: Sequence[Part]) -> Iterator[Event]:
    run_, job_ = _run(row, said)
    inputs = [dataset(f"{row.project}/data", said[tags.DATA])] if tags.DATA in said else []
    inputs += [dataset(*one) for one in _bases(said)]
    yield run_event("START", row.started_ms, run_, job_, inputs)
    end = _ENDS.get(row.status)
    if end is None or row.ended_ms is None:
        return
    models = [dataset(f"{row.project}/models", said[tags.MODELS])] if tags.MODELS in said else []
    yield run_event(end, row.ended_ms, run_, job_, inputs, [*made, *models])


def _run(row: Row[Any], said: Mapping[str, str]) -> tuple[Part, Part]:
    place = tags.task_of(said)
    if place is None:
        name, parent = f"{row.project}.training", None
    else:
        dag, dag_run, task = place
        name, parent = f"{dag}.{task}", (workflow_uuid(dag, dag_run), dag)
    return run(run_uuid(row.run_id), parent), job(name, "TRAINING", "MLFLOW")


def _bases(said: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Yield the versions that a run says it was made from; what names none is left out."""
    for name in tags.BASE:
        place, _, number = said.get(name, "").rpartition(":")
        if place and number.isdecimal():
            yield place, number


def _version(row: Row[Any]) -> Part:
    return dataset(f"{row.project}/{row.name}", str(row.version))


class Begun:
    """Runs that are under way: each is told once more when it has ended."""

    name = "begun"

    def __init__(self, mirror: Mirror) -> None:
        self._mirror = mirror

    def new(self, after: Point, /) -> Iterator[tuple[Point, list[Event]]]:
        """Yield the START of runs that were not there before."""
        point = of_this(self._mirror, after)
        last = int(point.get("run", 0))
        top = self._mirror.rows(select(func.max(_RUNS.c.rid)))[0][0] or 0
        if top <= last:
            return
        here = (_RUNS.c.rid > last) & (_RUNS.c.rid <= top) & _RUNS.c.ended_ms.is_(None)
        rows = self._mirror.rows(
            select(_RUNS.c.run_id, _RUNS.c.rid).where(here).order_by(_RUNS.c.rid)
        )
        for some in chunked(rows):
            found = list(events(self._mirror, [row.run_id for row in some]))
            yield {**point, "run": int(some[-1].rid)}, found
        yield {**point, "run": int(top)}, []


class Ended:
    """Runs that ended, and those that changed since."""

    name = "ended"

    def __init__(self, mirror: Mirror) -> None:
        self._mirror = mirror

    def new(self, after: Point, /) -> Iterator[tuple[Point, list[Event]]]:
        """Yield START and end of runs in the order they changed.

        Many runs have one change number: a synchronization writes thousands in one transaction.
        """
        point = of_this(self._mirror, after)
        change, rid = int(point.get("change", 0)), int(point.get("run", 0))
        while True:
            later = (_RUNS.c.change > change) | ((_RUNS.c.change == change) & (_RUNS.c.rid > rid))
            query = select(_RUNS.c.run_id, _RUNS.c.change, _RUNS.c.rid).where(
                later, _RUNS.c.ended_ms.is_not(None)
            )
            rows = self._mirror.rows(query.order_by(_RUNS.c.change, _RUNS.c.rid).limit(AT_ONCE))
            if not rows:
                return
            change, rid = int(rows[-1].change), int(rows[-1].rid)
            found = list(events(self._mirror, [row.run_id for row in rows]))
            yield {**point, "change": change, "run": rid}, found


class Registered:
    """Versions: a run may have ended before its model is registered."""

    name = "registered"

    def __init__(self, mirror: Mirror) -> None:
        self._mirror = mirror

    def new(self, after: Point, /) -> Iterator[tuple[Point, list[Event]]]:
        """Yield one more event of the run of each version that was registered since."""
        point = of_this(self._mirror, after)
        told: dict[str, list[int]] = dict(point.get("newest", {}))
        for some in chunked(self._fresh(told)):
            said = tags.of_runs(self._mirror, [row.run_id for row in some], _SAID)
            found = [
                run_event(
                    "OTHER", row.created_ms, *_run(row, said.get(row.run_id, {})),
                    outputs=[_version(row)],
                )
                for row in some
                if row.started_ms is not None
            ]  # fmt: skip
            for row in some:
                last, latest = told.get(f"{row.project}/{row.name}", _NONE)
                newest = [max(last, row.version), max(latest, row.created_ms)]
                told[f"{row.project}/{row.name}"] = newest
            yield {"born": point["born"], "newest": dict(told)}, found

    def _fresh(self, told: Mapping[str, Sequence[int]]) -> Iterator[Row[Any]]:
        """Yield the versions with a higher number, or made later, than all that were told.

        Numbers of a model only grow, until it is deleted and made again: then they begin at 1.
        """
        place, made = (_VERSIONS.c.project, _VERSIONS.c.name), _VERSIONS.c.created_ms
        newest = select(
            *place, func.max(_VERSIONS.c.version).label("top"), func.max(made).label("latest")
        ).group_by(*place)
        for model in self._mirror.rows(newest.order_by(*place)):
            last, latest = told.get(f"{model.project}/{model.name}", _NONE)
            if model.top <= last and model.latest <= latest:
                continue
            query = (
                select(_VERSIONS, _RUNS.c.started_ms)
                .outerjoin(_RUNS, _RUNS.c.run_id == _VERSIONS.c.run_id)
                .where(_VERSIONS.c.project == model.project, _VERSIONS.c.name == model.name)
                .where((_VERSIONS.c.version > last) | (made > latest))
            )
            # By when they were made, so that what is noted in between leaves none out.
            yield from self._mirror.rows(query.order_by(made, _VERSIONS.c.version))
