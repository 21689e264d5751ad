"""How long lineage takes over a large mirror: walks, what came of data, broken links, searches.

    .venv/bin/python -m benchmarks.lineage [--runs 100000] [--versions 5000] [--home FOLDER]

Nine projects, 100 revisions of data a project, a tenth of the runs made by workflow runs; nine
endpoints are live. Nothing is cached between the walks but what SQLite and the file system keep.
``--home`` keeps what was made, so that a second run begins at once.
"""

import argparse
import random
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import orjson
from sqlalchemy import Engine, Table, insert

from services.actions import schema as journal_schema
from services.actions.journal import Journal
from services.data.remote import Remote
from services.data.service import DataService
from services.home import Home
from services.lineage.asking import Lineage
from services.lineage.models import Ref, numbered
from services.mirror import schema, workflow_tables
from services.mirror.queries import Mirror
from services.serving.models import Endpoint, Target

PROJECTS = tuple(f"project-{n}" for n in range(9))
BEGUN_MS = 1_700_000_000_000
_REVISIONS, _EACH_MS = 100, 1_000
_TIMES = 30
_AT_ONCE = 20_000


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=100_000)
    parser.add_argument("--versions", type=int, default=5_000)
    parser.add_argument("--home", type=Path)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        home = Home((options.home or Path(scratch)).resolve())
        home.create()
        path = home.databases / "mirror.sqlite"
        if not path.exists():
            fill(home, options.runs, options.versions)
        _measure(home, options.runs, options.versions)


def fill(home: Home, runs: int, versions: int) -> None:
    """Write runs from ``BEGUN_MS`` on, versions, workflow runs and live endpoints."""
    engine, _ = schema.prepare(f"sqlite:///{home.databases / 'mirror.sqlite'}")
    names = ("mlops.data.revision", "mlops.task", "mlops.technique")
    with engine.begin() as connection:
        keys = [{"key_id": n + 1, "kind": "t", "name": name} for n, name in enumerate(names)]
        connection.execute(insert(schema.keys), keys)
    write_many(engine, schema.runs, (_run(n) for n in range(runs)))
    write_many(engine, schema.tags, (row for n in range(runs) for row in _tags(n)))
    write_many(engine, schema.versions, (_version(n, runs, versions) for n in range(versions)))
    write_many(engine, schema.models, (
        {"project": p, "name": "model", "description": "", "aliases": b'{"champion": 1}',
         "tags": b"{}"} for p in PROJECTS))  # fmt: skip
    write_many(engine, workflow_tables.workflow_runs, (_flow(n) for n in range(runs // 10)))
    engine.dispose()
    journal = Journal(f"sqlite:///{home.databases / 'journal.sqlite'}")
    with journal.write() as connection:
        for project in PROJECTS:
            one = Endpoint(project, "model", Target(1))
            connection.execute(insert(journal_schema.serving_endpoints).values(
                name=one.name, project=project, model="model", generation=1, changed_ms=0,
                desired=orjson.dumps(one.as_json()).decode()))  # fmt: skip
    journal.close()


def write_many(engine: Engine, table: Table, rows: Iterator[dict[str, object]]) -> None:
    """Write rows of any number, some thousands in each transaction."""
    some: list[dict[str, object]] = []
    for row in rows:
        some.append(row)
        if len(some) == _AT_ONCE:
            with engine.begin() as connection:
                connection.execute(insert(table), some)
            some = []
    if some:
        with engine.begin() as connection:
            connection.execute(insert(table), some)


def run_id(number: int) -> str:
    return f"{number * 2654435761 % 2**64:016x}{number:016x}"


def _revision(number: int) -> str:
    return f"{(number % 9 * 1000 + number // 9 % _REVISIONS + 1) * 2654435761 % 2**64:016x}"


def _place(number: int) -> str:
    return f"{PROJECTS[number % 9]}.train/run-{number // 10}"


def _run(n: int) -> dict[str, object]:
    return {
        "rid": n + 1, "run_id": run_id(n), "project": PROJECTS[n % 9], "experiment_id": "1",
        "name": f"run-{n}", "status": "finished", "status_reason": "", "technique": None,
        "baseline": False, "started_ms": BEGUN_MS + n * _EACH_MS,
        "ended_ms": BEGUN_MS + n * _EACH_MS + 500, "user": "u", "host": "h",
        "archived": False, "artifact_uri": None, "heartbeat_ms": None, "sign_ms": None, "change": 1,
    }  # fmt: skip


def _tags(n: int) -> Iterator[dict[str, object]]:
    yield {"key_id": 1, "rid": n + 1, "value": _revision(n)}
    yield {"key_id": 3, "rid": n + 1, "value": "lora"}
    if n % 10 == 0:
        yield {"key_id": 2, "rid": n + 1, "value": f"{_place(n)}/train/1"}


def _version(n: int, runs: int, versions: int) -> dict[str, object]:
    run = n * (runs // versions)
    run += (n % 9 - run % 9) % 9  # of the same project
    return {
        "project": PROJECTS[n % 9], "name": "model", "version": n // 9 + 1, "run_id": run_id(run),
        "created_ms": BEGUN_MS + n, "status": "READY", "description": "", "source": "",
        "tags": b"{}",
    }  # fmt: skip


def _flow(n: int) -> dict[str, object]:
    dag, _, run = _place(n * 10).partition("/")
    at = BEGUN_MS + n * 10 * _EACH_MS
    return {
        "dag_id": dag, "run_id": run, "project": PROJECTS[n * 10 % 9], "state": "success",
        "kind": "manual", "due_ms": at, "queued_ms": at, "started_ms": at, "ended_ms": at + 500,
        "document": b"{}",
    }  # fmt: skip


def _measure(home: Home, runs: int, versions: int) -> None:
    mirror = Mirror(f"sqlite:///{home.databases / 'mirror.sqlite'}")
    journal = Journal(f"sqlite:///{home.databases / 'journal.sqlite'}")
    data = DataService(Remote(home))

    def here() -> Lineage:
        return Lineage(home, mirror, journal, data)

    chance = random.Random(3)  # noqa: S311 - the same each time
    print(f"{runs:,} runs, {versions:,} versions, nine endpoints; p50 and longest of {_TIMES}")

    def told(what: str, ask: Callable[[int], object]) -> None:
        times = []
        for _ in range(_TIMES):
            number = chance.randrange(runs)
            start = time.perf_counter()
            ask(number)
            times.append((time.perf_counter() - start) * 1000)
        print(f"  {what:44} {statistics.median(times):8.1f} ms {max(times):8.1f} ms")

    told("walk of a run, both ways", lambda n: here().thread(Ref("run", run_id(n))))
    told("walk of a workflow run, both ways",
         lambda n: here().thread(Ref("workflow", _place(n // 10 * 10))))  # fmt: skip
    told("walk of a live version, both ways",
         lambda n: here().thread(numbered("version", PROJECTS[n % 9], "model", 1)))  # fmt: skip
    told("walk of a revision, both ways", lambda n: here().thread(Ref("data", _revision(n))))
    told("all that came of a revision", lambda n: here().radius(Ref("data", _revision(n))))
    told("all that came of a version",
         lambda n: here().radius(numbered("version", PROJECTS[n % 9], "model", 1)))  # fmt: skip
    told("search by part of a run's id", lambda n: here().find(run_id(n)[:12]))
    told("broken links of everything", lambda _: here().broken())


if __name__ == "__main__":
    main()
