"""What techniques cost, asked of a mirror of many runs: leaderboard before and after, Pareto.

    .venv/bin/python -m benchmarks.technique_costs [--runs 100000] [--home FOLDER]

The runs are generated (seeded, so every machine gets the same) and written as the controller writes
them. They exist to be counted and are never shown as a result. ``--home`` keeps them.
"""

import argparse
import random
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil

from services.engines.mlflow.models import Metric, TrackedRun
from services.mirror import schema
from services.mirror.main_metric import Primary
from services.mirror.models import RunQuery
from services.mirror.queries import Mirror
from services.mirror.store import Store
from services.telemetry.conditions import Conditions, Neighbour
from services.telemetry.economics import technique_costs
from services.telemetry.repeats import read_ahead, repeats_of
from services.telemetry.trades import trade

PROJECTS, TECHNIQUES = 9, 6
BEGIN_MS = 1_760_000_000_000
_BATCH = 5_000


def generated(project: int, count: int) -> Iterator[TrackedRun]:
    """Yield one project's runs: each with the metrics and tags the controller leaves."""
    chance = random.Random(project)  # noqa: S311 - data to count, not a secret
    for index in range(count):
        technique = index % TECHNIQUES
        seconds = chance.lognormvariate(4 + technique / 4, 0.2)
        began = BEGIN_MS + (project * count + index) * 1000
        values = {
            "val_accuracy": chance.gauss(0.8 + technique / 60, 0.01),
            "loss": chance.random(),
            "system/energy_j": seconds * chance.gauss(9, 0.5),
            "system/cpu_s": seconds,
            "system/gpu_s": seconds / 2,
            "system/peak_memory_bytes": chance.gauss(4e8 + 1e8 * technique, 1e6),
            "system/mlx_peak_bytes": chance.gauss(3e8 + 1e8 * technique, 1e6),
        } | {f"metric_{number}": chance.random() for number in range(13)}
        if index % 10 == 9:
            del values["system/energy_j"]
        yield TrackedRun(
            run_id=f"{project:02d}{index:030d}",
            experiment_id=str(project),
            name=f"run-{index}",
            status="finished" if index % 20 else "failed",
            user="ana",
            started_ms=began,
            ended_ms=began + int(seconds * 1000),
            deleted=False,
            artifact_uri=None,
            metrics={name: Metric(value, 10, began) for name, value in values.items()},
            params={f"param_{number}": str(chance.randrange(20)) for number in range(15)},
            tags=_tags(chance, project, technique, seconds, told=index % 10 != 9),
        )


def conditions(chance: random.Random, seconds: float) -> Conditions:
    """Return what a run ran under, as the controller leaves it."""
    hot = round(chance.random() * 5, 1)
    return Conditions(
        host="mac-mini-1", seconds=seconds, coverage=0.98, chip="Apple M4", gpu_cores=10,
        thermal_max=1, thermal_mean=hot / 100, thermal_s={"0": seconds - hot, "1": hot},
        low_power=0.0, battery=0.0, pressure=0.0, pressure_max=1, swap_in_bytes=0.0, fallback=False,
        neighbours=(Neighbour("", round(chance.random() / 10, 3), None),),
    )  # fmt: skip


def _tags(
    chance: random.Random, project: int, technique: int, seconds: float, *, told: bool
) -> dict[str, str]:
    ran_under = conditions(chance, seconds)
    found = {
        "mlops.project": f"project-{project}",
        "mlops.technique": f"technique-{technique}",
        "mlops.host": "mac-mini-1",
        "mlops.chip": "Apple M4",
        "mlops.energy.quality": "measured" if told else "unavailable",
        "mlops.conditions": ran_under.to_json(),
    }
    found |= {"mlops.energy.boundary": "cpu+gpu+ane"} if told else {}
    found |= {} if told else {"mlops.energy.reason": "nothing was sampled at that time"}
    return found | ({"mlops.role": "baseline"} if technique == 0 else {})


def build(url: str, runs: int) -> None:
    """Write the mirror as the controller would at its first read."""
    engine, _ = schema.prepare(url)
    store = Store(engine)
    for project in range(PROJECTS):
        name = f"project-{project}"
        document = {"title": name, "primary_metric": "val_accuracy", "goal": "max"}
        store.write_project(name, "connected", document)
        batch = []
        for run in generated(project, runs // PROJECTS):
            batch.append(run)
            if len(batch) == _BATCH:
                store.write_runs(name, batch, first_read=True)
                batch = []
        store.write_runs(name, batch, first_read=True)
    engine.dispose()


def told(what: str, ask: Callable[[], object], times: int) -> None:
    """Print the first time and the spread of the others, in milliseconds; CPU time beside."""
    taken, cpu = [], []
    for _ in range(times):
        start, began = time.perf_counter(), time.thread_time()
        ask()
        taken.append((time.perf_counter() - start) * 1000)
        cpu.append((time.thread_time() - began) * 1000)
    later = sorted(taken[1:])
    print(
        f"{what:28} first {taken[0]:7.1f}  p50 {statistics.median(later):6.1f}  "
        f"p95 {later[int(len(later) * 0.95)]:6.1f}  CPU p50 {statistics.median(cpu):6.1f}"
    )


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=100_000)
    parser.add_argument("--home", type=Path)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        home = (options.home or Path(scratch)).resolve()
        home.mkdir(parents=True, exist_ok=True)
        url = f"sqlite:///{home / 'mirror.sqlite'}"
        if not (home / "mirror.sqlite").exists():
            start = time.perf_counter()
            build(url, options.runs)
            print(f"written in {time.perf_counter() - start:.0f} s")
        measure(Mirror(url))


def both(mirror: Mirror, judged: list[Primary], wanted: str = "") -> None:
    """Ask for what the leaderboard shows."""
    mirror.leaderboard(judged[0].project, filter=wanted)
    for repeats in repeats_of(mirror, judged, wanted):
        technique_costs(repeats)


def trades(mirror: Mirror, judged: list[Primary]) -> None:
    """Ask for what the view of trade-offs shows."""
    for repeats in repeats_of(mirror, judged):
        trade(repeats, "joules", "quality")
        technique_costs(repeats)


def measure(mirror: Mirror) -> None:
    """Ask what the pages ask."""
    start = time.perf_counter()
    mirror.runs(RunQuery())
    mirror.warm()
    print(f"columns read in {time.perf_counter() - start:.1f} s")
    every = [Primary(f"project-{number}", "val_accuracy", "max") for number in range(PROJECTS)]
    one = every[:1]
    start = time.perf_counter()
    read_ahead(mirror)
    print(f"conditions read in {time.perf_counter() - start:.1f} s")
    told("means alone, one project", lambda: mirror.leaderboard("project-0"), 60)
    told("means and costs, one project", lambda: both(mirror, one), 60)
    wanted = "metrics.metric_1 > 0.5 and params.param_3 < 10"
    told("the same, filtered", lambda: both(mirror, one, wanted), 60)
    told("trade-off, one project", lambda: trades(mirror, one), 60)
    told("trade-offs, all projects", lambda: trades(mirror, every), 60)
    print(f"memory of this process: {psutil.Process().memory_info().rss / 1e6:.0f} MB")


if __name__ == "__main__":
    main()
