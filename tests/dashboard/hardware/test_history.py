from datetime import UTC, datetime, timedelta

from dashboard.charts.timeline import Band
from dashboard.hardware.access import Window, standing
from dashboard.hardware.history import PANELS, bands, curves_of, marks, reason
from services.engines.silicon.models import METRICS, Machine
from services.telemetry.models import Event, HostState, Series

START = datetime(2026, 11, 1, 12, 0, tzinfo=UTC)
WINDOW = Window(START, START + timedelta(seconds=60))


def at(second: float) -> datetime:
    return START + timedelta(seconds=second)


def series(metric: str, *values: float | None, reasons: tuple[str, ...] = ()) -> Series:
    times = tuple(at(10 * n) for n in range(len(values)))
    return Series("bob", metric, 10.0, times, values, values, values, frozenset(), reasons)


def test_every_metric_of_a_panel_exists():
    assert {metric for panel in PANELS for metric, _ in panel.metrics} <= set(METRICS)


def test_bands_begin_and_end_where_the_level_does():
    found = {"thermal_level": series("thermal_level", 0, 1, 2, 0, None, 1)}
    assert bands(found, WINDOW) == [
        Band(at(10), at(30), "thermal"),
        Band(at(50), at(60), "thermal"),
    ]


def test_a_machine_that_tells_no_level_has_no_band():
    assert bands({"thermal_level": series("thermal_level", None, None)}, WINDOW) == []
    assert bands({}, WINDOW) == []


def test_a_warning_of_memory_is_a_band_and_normal_is_none():
    found = {"memory_pressure": series("memory_pressure", 1, 2, 1)}
    assert bands(found, WINDOW) == [Band(at(10), at(20), "memory pressure")]


def test_only_what_has_a_value_is_drawn_and_a_zero_is_one():
    power = next(panel for panel in PANELS if panel.title == "Power")
    found = {
        "cpu_w": series("cpu_w", None, 3.0),
        "ane_w": series("ane_w", 0.0, 0.0),
        "gpu_w": series("gpu_w", None, None, reasons=("no NVIDIA GPU here",)),
    }
    assert set(curves_of(power, found)) == {"CPU", "Neural Engine"}
    gpu = {"gpu_w": found["gpu_w"]}
    assert curves_of(power, gpu) == {}
    assert reason(power, gpu) == "no NVIDIA GPU here"
    assert reason(power, {}) == "nothing was sampled"


def test_runs_and_deployments_are_marked_and_the_machines_states_are_not():
    happened = [
        Event(at(1), "bob", "run.started", "Run a started"),
        Event(at(2), "bob", "throttling.began", "bob is throttled"),
        Event(at(3), "bob", "deploy", "clip v2 was deployed"),
    ]
    assert [mark.title for mark in marks(happened)] == ["Run a started", "clip v2 was deployed"]
    many = [Event(at(n), "bob", "run.started", str(n)) for n in range(500)]
    assert [mark.title for mark in marks(many)][-1] == "499"
    assert len(marks(many)) == 40


def test_a_machine_that_fell_silent_is_stale():
    machine = Machine("bob", None, apple_silicon=False, os="")
    assert standing(HostState(machine, None, ())) == "never"
    assert standing(HostState(machine, at(0), ()), at(19)) == "live"
    assert standing(HostState(machine, at(0), ()), at(21)) == "stale"
    # One that samples every minute is not lost between two samples.
    assert standing(HostState(machine, at(0), (), interval_s=60.0), at(200)) == "live"
