"""What a job needs by its past, what a machine offers by its telemetry, and the pools of both."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from services.mirror import schema
from services.mirror.models import Run
from services.mirror.queries import Mirror
from services.mirror.store import Store
from services.resources.capacity import Rule, capacities, kept_bytes
from services.resources.ledger import Ledger
from services.resources.models import GIB
from services.resources.needs import PastRun, needs_of, past_runs
from services.resources.pools import UNIT_BYTES, Pool, place, pools
from tests import economics_seed, seed
from tests.services.resources.machines import NOW, lease, mac, needs, state


def past(*peaks_gb: float | None, **fields: object) -> list[PastRun]:
    return [
        PastRun(str(n), 1.0, 100.0, None if gb is None else int(gb * GIB), **fields)  # type: ignore[arg-type]
        for n, gb in enumerate(peaks_gb)
    ]


# Needs


def test_what_is_declared_counts_and_is_contradicted():
    declared = needs_of(4 * GIB, past(3.0))
    assert (declared.memory_bytes, declared.said) == (
        4 * GIB,
        "4.0 GB is what the project declares",
    )
    assert needs_of(4 * GIB, past(5.0)).said == (
        "4.0 GB is what the project declares; a run of it took 5.0 GB, so declare more"
    )


def test_what_is_not_declared_is_the_most_of_the_last_runs_and_a_margin():
    one = needs_of(None, past(4.0))
    assert one.memory_bytes == 5 * GIB
    assert one.said == "5.0 GB is its last run (4.0 GB) and 25 %"
    many = needs_of(None, past(2, 3, 4, 3, 2, None))
    assert many.memory_bytes == int(4 * 1.15 * GIB)
    assert many.said == "4.6 GB is the most of its last 5 runs (4.0 GB) and 15 %"


def test_only_the_newest_runs_count():
    assert needs_of(None, past(*[1.0] * 10, 50.0)).memory_bytes == int(1.15 * GIB)


def test_a_run_that_was_killed_for_memory_would_have_taken_more():
    found = needs_of(None, [*past(4.0), *past(8.0, killed=True)])
    assert found.memory_bytes == 15 * GIB  # 8 × 1.5 × 1.25
    assert "killed for memory" in found.said


def test_what_was_never_measured_is_taken_at_its_limit():
    assert needs_of(None, past(None), limit_bytes=8 * GIB).said == (
        "8.0 GB is its limit: no run of it was measured yet"
    )
    assert "guess" in needs_of(None, ()).said


def test_power_is_the_most_of_earlier_runs():
    assert needs_of(None, past(1.0, energy_j=2_000.0)).power_w == 20.0
    assert needs_of(None, past(1.0)).power_w is None


class Mirrored:
    """A mirror of prepared runs."""

    def __init__(self, *metrics: dict[str, float]) -> None:
        self._metrics = metrics
        self.asked: object = None

    def runs(self, query: object) -> object:
        self.asked = query
        at = datetime(2026, 11, 3, tzinfo=UTC)
        rows = [
            Run(
                run_id=str(n),
                project="lora",
                experiment_id="1",
                name="",
                status="finished",
                status_reason="",
                technique=None,
                baseline=False,
                started_at=at,
                ended_at=None if metrics.get("ended") == 0 else at.replace(minute=1),
                user=None,
                host=None,
                archived=False,
                metrics=metrics,
                params={},
                tags={},
            )
            for n, metrics in enumerate(self._metrics)
        ]
        return type("Page", (), {"rows": tuple(rows)})()


def test_peaks_are_read_off_the_mirror():
    memory, mlx = "system/peak_memory_bytes", "system/mlx_peak_bytes"
    mirror = Mirrored(
        {memory: 2.0e9, mlx: 3.0e9, "system/energy_j": 60.0},
        {memory: float("nan")},
        {memory: 0.0, mlx: float("inf")},
        {memory: 2.0e9, "ended": 0},
    )
    found = past_runs(mirror, "lora")  # type: ignore[arg-type]
    assert [(one.peak_bytes, one.energy_j, one.seconds) for one in found] == [
        (3_000_000_000, 60.0, 60.0),
        (None, None, 60.0),
        (None, None, 60.0),
    ]


# Capacity


def test_a_machine_offers_what_the_system_and_the_platform_leave():
    (here,) = capacities([state(36, available_gb=20)], NOW, here="studio")
    assert here.memory_bytes == 36 * GIB - kept_bytes(36 * GIB, platform=True)
    assert here.said == "36.0 GB less 5.4 GB for the system and the platform"
    assert (here.gpu_slots, here.power_w, here.available_bytes) == (1, None, 20 * GIB)
    (there,) = capacities([state(8)], NOW)
    assert there.memory_bytes == 6 * GIB


def test_an_administrator_has_the_last_word():
    rule = Rule(memory_bytes=10 * GIB, gpu_slots=2, power_w=60.0)
    (found,) = capacities([state(36)], NOW, {"studio": rule})
    assert (found.memory_bytes, found.gpu_slots, found.power_w) == (10 * GIB, 2, 60.0)
    assert found.said == "an administrator gave 10.0 GB to jobs"


@pytest.mark.parametrize(
    ("silent_s", "absent"),
    [
        (60, ""),
        (61, "it has been silent for 61 s"),
        (600, "it has been silent for 10 min"),
        (90_000, "it has been silent for 25 h"),
        (None, "it never sent telemetry"),
    ],
)
def test_a_silent_machine_is_absent(silent_s: float | None, absent: str):
    (found,) = capacities([state(silent_s=silent_s, available_gb=9)], NOW)
    assert found.absent == absent
    assert (found.available_bytes is None) == bool(absent)
    (here,) = capacities([state(silent_s=silent_s)], NOW, here="studio")
    assert here.absent == ""


def test_a_machine_of_unknown_memory_offers_nothing():
    (found,) = capacities([state(None)], NOW)
    assert found.memory_bytes is None
    assert "nobody knows" in found.said


# Pools


def test_pools_follow_from_the_ledger():
    ledger = Ledger(
        (mac(memory_gb=30),),
        (lease("task:a", 8, 1), lease("task:light", 3, 0), lease("deployment:chat", 6, 0)),
    )
    assert pools(ledger) == (
        Pool("mlops_gpu@studio", 1, "Heavy jobs on studio."),
        Pool(
            "mlops_memory@studio",
            64,  # 30 GB less 8 of the heavy job and 6 of the endpoint; the light one runs in it
            "16.0 GB of studio in units of 256 MB; heavy jobs and endpoints hold 14.0 GB.",
        ),
    )


def test_the_thermal_policy_shrinks_and_closes_pools():
    ledger = Ledger((mac(memory_gb=30, gpu_slots=3),))
    assert [one.slots for one in pools(ledger)] == [3, 120]
    assert [one.slots for one in pools(ledger, {"studio": "single"})] == [1, 120]
    assert [one.slots for one in pools(ledger, {"studio": "no_heavy"})] == [0, 120]
    closed = pools(ledger, {"studio": "closed"})
    assert [one.slots for one in closed] == [0, 0]
    assert closed[0].said == "Closed on studio by the thermal policy."


def test_a_silent_machine_has_closed_pools():
    absent = mac(absent="it has been silent for 5 min")
    found = pools(Ledger((absent,)))[0]
    assert (found.slots, found.said) == (
        0,
        "Closed: studio takes no job, it has been silent for 5 min.",
    )


def test_memory_that_is_promised_twice_leaves_no_slot():
    assert pools(Ledger((mac(memory_gb=4),), (lease("deployment:chat", 6, 0),)))[1].slots == 0


def test_a_task_goes_through_the_pool_of_what_it_needs():
    assert place(needs(8, 1), "studio") == ("mlops_gpu@studio", 1)
    assert place(needs(1, 0), "studio") == ("mlops_memory@studio", 4)
    assert place(type(needs())(UNIT_BYTES + 1, 0), "studio") == ("mlops_memory@studio", 2)
    assert place(type(needs())(0, 0), "studio") == ("mlops_memory@studio", 1)


def test_a_real_mirror_answers(tmp_path: Path):
    url = f"sqlite:///{tmp_path / 'mirror.sqlite'}"
    engine, _ = schema.prepare(url)
    economics_seed.fill(Store(engine), repeats=3)
    seed.tagged(url, "clip-finetuning", 12, {"mlops.role": "evaluation"})
    mirror = Mirror(url)
    found = past_runs(mirror, "clip-finetuning")
    assert len(found) == 3
    assert [one.ended_at for one in found] == sorted((o.ended_at for o in found), reverse=True)
    assert all(0.5e9 < (one.peak_bytes or 0) < 1.5e9 for one in found)
    assert needs_of(None, found).said.startswith("1.")
    assert past_runs(mirror, "unknown") == ()
    engine.dispose()
    mirror.engine.dispose()
