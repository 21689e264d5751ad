"""Fair share over a simulated day: 200 jobs of nine projects, and how far each is from its share.

    .venv/bin/python -m benchmarks.fair_share [--jobs 200] [--days 10]

Each "day" is another seed. Jobs come over the day in bursts, as people launch them; lengths, sizes
and how many each project wants differ widely; the policy knows the median of earlier ones, not the
real length. The share error is the largest distance of a project's use from the max-min fair
division of what was used in the day, in points of all use. First come, first served is beside it:
the same days with everybody in one project.
"""

import argparse
import math
import random
import statistics
import time
from dataclasses import replace
from typing import Any

from services.resources.ledger import cost
from services.resources.models import GIB, Capacity, Needs
from services.workflows.decision import Facts, decide
from services.workflows.models import Job, Share, Use
from services.workflows.simulation import Arrival, Setup, share_error, simulate

PROJECTS = (
    "lora-finetuning", "stable-diffusion", "quantized-optimization", "cpu-compression",
    "clip-finetuning", "federated-learning", "adaptive-diffusion", "meta-learning-peft",
    "self-improving-diffusion",
)  # fmt: skip
DAY_S = 86_400.0
BEGIN = 1_760_000_000.0
HOSTS = (
    Capacity("mac-a", 28 * GIB, gpu_slots=1),
    Capacity("mac-b", 50 * GIB, gpu_slots=1),
)


def day(
    count: int, seed: int, *, weights: bool, length_s: float = DAY_S
) -> tuple[list[Arrival], dict[str, Share]]:
    """Return a day's jobs and shares: the same for the same seed."""
    chance = random.Random(seed)  # noqa: S311 - jobs to order, not a secret
    wants = [chance.uniform(0.5, 3) for _ in PROJECTS]
    median_s = {name: chance.uniform(600, 2400) for name in PROJECTS}
    size = {name: chance.choice((3, 6, 12, 20)) * GIB for name in PROJECTS}
    shares = {
        name: Share(name, chance.choice((1.0, 1.0, 2.0)) if weights else 1.0, chance.randint(3, 8))
        for name in PROJECTS
    }
    found: list[Any] = []
    while len(found) < count:
        project = chance.choices(PROJECTS, wants)[0]
        at = BEGIN + chance.uniform(0, 0.6) * length_s
        for _ in range(min(chance.randint(1, 12), count - len(found))):
            number = len(found)
            needs = Needs(size[project], gpu_slots=1)
            job = Job(
                f"{project}.train/{number}/train",
                project,
                at + chance.uniform(0, 60),
                needs,
                expected_s=median_s[project],
                late_s=median_s[project] * 1.6,
                cost=cost(needs, HOSTS),
            )
            seconds = median_s[project] * math.exp(chance.gauss(0, 0.3))
            found.append(Arrival(job, seconds))
    return found, shares


def first_come(arrivals: list[Arrival]) -> list[Arrival]:
    """Return the same jobs as if they were all of one project: first come, first served."""
    return [replace(one, job=replace(one.job, project="all", priority=5)) for one in arrivals]


def one_day(count: int, seed: int, *, weights: bool) -> tuple[float, float, float, float, int]:
    """Return both share errors in points, seconds of a simulation, load, and jobs never started."""
    arrivals, shares = day(count, seed, weights=weights)
    started = time.perf_counter()
    outcomes = simulate(arrivals, Setup(HOSTS, shares), BEGIN)
    took = time.perf_counter() - started
    error = 100 * share_error(outcomes, arrivals, shares, BEGIN, BEGIN + DAY_S)
    projects = {one.job.id: one.job.project for one in arrivals}
    plain = [
        replace(one, job=replace(one.job, project=projects[one.job.id]))
        for one in simulate(first_come(arrivals), Setup(HOSTS), BEGIN)
    ]
    without = 100 * share_error(plain, arrivals, shares, BEGIN, BEGIN + DAY_S)
    wanted = sum(one.job.cost * one.seconds for one in arrivals)
    load = wanted / (DAY_S * sum(host.gpu_slots for host in HOSTS))
    return error, without, took, load, sum(one.begin is None for one in outcomes)


def decisions(count: int, repeats: int = 20) -> tuple[float, float]:
    """Return the median seconds of a decision over so many waiting jobs: without and with starts.

    With starts: the policy is also run ahead to say when each is expected to start.
    """
    arrivals, shares = day(count, 0, weights=True)
    now = max(one.job.submitted for one in arrivals)
    waiting = tuple(one.job for one in arrivals)
    uses = tuple(Use(PROJECTS[n % 9], now - (n + 1) * 900, now - n * 900 - 100) for n in range(500))
    facts = Facts(now, HOSTS, waiting=waiting, uses=uses, shares=shares)

    def measured(*, ahead: bool, times: int) -> float:
        took = []
        for _ in range(times):
            started = time.perf_counter()
            decide(facts, ahead=ahead)
            took.append(time.perf_counter() - started)
        return statistics.median(took)

    return measured(ahead=False, times=repeats), measured(ahead=True, times=3)


def main() -> None:
    """Simulate and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--jobs", type=int, default=200)
    parser.add_argument("--days", type=int, default=10)
    options = parser.parse_args()
    for weights in (False, True):
        found = [one_day(options.jobs, seed, weights=weights) for seed in range(options.days)]
        errors, without, took, loads, never = zip(*found, strict=True)
        kind = "weights 1 and 2" if weights else "equal weights"
        print(f"\n{options.jobs} jobs, {len(PROJECTS)} projects, {kind}, {options.days} days")
        median, most = statistics.median(errors), max(errors)
        print(f"  share error         median {median:5.2f}  most {most:5.2f} points")
        median, most = statistics.median(without), max(without)
        print(f"  first come, served  median {median:5.2f}  most {most:5.2f} points")
        print(f"  wanted              {min(loads):.2f} to {max(loads):.2f} of what the day has")
        print(f"  never started       {sum(never)} jobs")
        print(f"  a simulation        median {statistics.median(took):.2f} s")
    plain, ahead = decisions(options.jobs)
    print(f"\nOne decision over {options.jobs} waiting jobs and 500 that ended")
    print(f"  what Airflow is told          {1000 * plain:.0f} ms")
    print(f"  with expected starts of all   {ahead:.2f} s")


if __name__ == "__main__":
    main()
