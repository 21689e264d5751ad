"""The Experiments query against MLflow's own search: the same questions on the same data.

    .venv/bin/python -m benchmarks.runs_query [--runs 100000] [--home FOLDER]

Prints, side by side and from one run: the first full read, an idle cycle of the sync, a mix of
random questions to the mirror, and each of a few questions to both. ``--home`` keeps the data, so
that a second run needs no new read.
"""

import argparse
import random
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import httpx
import psutil

from benchmarks.mlflow_server import METRICS, PARAMS, PROJECTS, TOKEN, running, seed
from services.engines.mlflow.adapter import MLflow
from services.engines.mlflow.feed import FeedReader
from services.mirror import schema
from services.mirror.models import RunQuery
from services.mirror.queries import Mirror
from services.mirror.store import Store
from services.mirror.sync import MirrorSync

# (what, our question, MLflow's filter, MLflow's order)
QUESTIONS: list[tuple[str, RunQuery, str, str]] = [
    (
        "newest 50 of one project",
        RunQuery(project="project-0"),
        "",
        "attributes.start_time DESC",
    ),
    (
        "sort by a metric",
        RunQuery(project="project-0", sort="metrics.metric_3"),
        "",
        "metrics.metric_3 DESC",
    ),
    (
        "filter two metrics, sort by a third",
        RunQuery(
            project="project-0",
            filter="metrics.metric_1 > 0.5 and metrics.metric_2 < 0.5",
            sort="metrics.metric_3",
        ),
        "metrics.metric_1 > 0.5 and metrics.metric_2 < 0.5",
        "metrics.metric_3 DESC",
    ),
    (
        "filter a parameter, sort by a metric",
        RunQuery(project="project-0", filter="params.param_4 = 7", sort="metrics.metric_3"),
        "params.param_4 = '7'",
        "metrics.metric_3 DESC",
    ),
]


def milliseconds(ask: Callable[[], object]) -> float:
    """Return how long ``ask`` takes."""
    start = time.perf_counter()
    ask()
    return (time.perf_counter() - start) * 1000


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=100_000)
    parser.add_argument("--home", type=Path)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        home = (options.home or Path(scratch)).resolve()
        home.mkdir(parents=True, exist_ok=True)
        if not (home / "mlflow" / "mlflow.db").exists():
            with running(home):
                pass  # MLflow makes its own tables
            seed(home, options.runs)
        with running(home) as url:
            compare(home, url)


def compare(home: Path, url: str) -> None:
    """Sync, then ask both."""
    client = httpx.Client(base_url=url, headers={"Authorization": f"Bearer {TOKEN}"}, timeout=300)
    mlflow = MLflow(client)
    mirror_url = f"sqlite:///{home / 'mirror.sqlite'}"
    engine, _ = schema.prepare(mirror_url)
    store = Store(engine)
    feed = FeedReader(home / "mlflow" / "changes")
    sync = MirrorSync(store, mlflow, feed, lost_after_s=60, lost_without_heartbeat_s=1800)
    start, cpu = time.perf_counter(), time.process_time()
    done = sync.cycle()
    if done.full:
        spent = time.process_time() - cpu
        print(f"first full read: {done.runs:,} runs in {time.perf_counter() - start:.0f} s")
        print(f"  of it in the controller: {spent:.0f} s of CPU")
    sync.cycle()
    cpu = time.process_time()
    for _ in range(100):
        sync.cycle()
    print(f"idle cycle: {(time.process_time() - cpu) * 10:.2f} ms of CPU")

    mirror = Mirror(mirror_url)
    first = milliseconds(lambda: mirror.runs(RunQuery()))
    warm = milliseconds(mirror.warm)
    total = mirror.runs(RunQuery()).total
    print(f"{total:,} runs; a process's first query {first:.0f} ms, warm-up {warm / 1000:.1f} s")
    times = sorted(milliseconds(lambda q=q: mirror.runs(q)) for q in mix(600))
    p95 = times[int(len(times) * 0.95)]
    median = statistics.median(times)
    print(
        f"600 random filter × sort × page: p50 {median:.1f} ms, p95 {p95:.1f} ms, "
        f"max {times[-1]:.1f} ms"
    )
    print(f"memory of this process: {psutil.Process().memory_info().rss / 1e6:.0f} MB")
    print(f"{'question':40} {'mirror ms':>10} {'MLflow ms':>10} {'ratio':>8}")
    experiment = {e.name: e.experiment_id for e in mlflow.experiments("project-0")}["project-0"]
    for what, query, text, order in QUESTIONS:
        ours = statistics.median(milliseconds(lambda q=query: mirror.runs(q)) for _ in range(15))
        body = {
            "experiment_ids": [experiment],
            "filter": text,
            "order_by": [order],
            "max_results": 50,
        }
        headers = {"X-MLFLOW-WORKSPACE": "project-0"}
        theirs = milliseconds(
            lambda b=body, h=headers: client.post(
                "/api/2.0/mlflow/runs/search", json=b, headers=h
            ).raise_for_status()
        )
        print(f"{what:40} {ours:10.1f} {theirs:10.0f} {theirs / ours:7.0f}×")


def mix(count: int) -> list[RunQuery]:
    """Return random questions: any filter, any sort, any page."""
    rng = random.Random(11)  # noqa: S311 - which questions, not a secret
    metric = lambda: f"metrics.metric_{rng.randrange(METRICS)}"  # noqa: E731
    param = lambda: f"params.param_{rng.randrange(PARAMS)}"  # noqa: E731
    filters = [
        lambda: "",
        lambda: f"{metric()} > {rng.random():.2f}",
        lambda: f"{metric()} < 0.5 and {metric()} > 0.2 and technique in (full, dora)",
        lambda: f"{param()} = {rng.randrange(20)} and status = finished",
        lambda: f"not {param()} >= {rng.randrange(20)} or run-{rng.randrange(100)}",
        lambda: f"name ~ {rng.randrange(1000)}",
        lambda: f"{metric()} exists and duration_s < {rng.randrange(3600)}",
    ]
    sorts = [lambda: "started_at", lambda: "duration_s", lambda: "name", metric, metric, param]
    return [
        RunQuery(
            filter=rng.choice(filters)(),
            sort=rng.choice(sorts)(),
            descending=rng.random() < 0.5,
            offset=rng.choice([0, 0, 50, 500, 5000]),
            project=rng.choice([None, f"project-{rng.randrange(PROJECTS)}"]),
            columns=tuple({metric() for _ in range(6)} | {param() for _ in range(4)}),
        )
        for _ in range(count)
    ]


if __name__ == "__main__":
    main()
