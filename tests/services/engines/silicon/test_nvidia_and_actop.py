import time
from types import SimpleNamespace

import pytest

from services.engines.silicon.actop import Actop, to_readings
from services.engines.silicon.macmon import Tiers
from services.engines.silicon.nvidia import Nvidia
from services.errors import EngineMissingError, EngineUnreachableError
from tests.services.engines.silicon.replay import of, values


class Nvml:
    """NVML's functions as the package has them, of two cards."""

    NVML_CLOCK_GRAPHICS = 0
    NVML_TEMPERATURE_GPU = 0

    def __init__(self, cards: int = 2, *, broken: str = "") -> None:
        self.cards = cards
        self.broken = broken
        self.ended = False

    def nvmlInit(self) -> None:  # noqa: N802 - NVML's names
        if self.broken == "driver":
            raise RuntimeError("Driver Not Loaded")

    def nvmlShutdown(self) -> None:  # noqa: N802
        self.ended = True

    def nvmlSystemGetDriverVersion(self) -> bytes:  # noqa: N802
        return b"570.86"

    def nvmlDeviceGetCount(self) -> int:  # noqa: N802
        return self.cards

    def nvmlDeviceGetHandleByIndex(self, index: int) -> int:  # noqa: N802
        return index

    def nvmlDeviceGetName(self, handle: int) -> str:  # noqa: N802
        return "NVIDIA L4"

    def nvmlDeviceGetUtilizationRates(self, handle: int) -> SimpleNamespace:  # noqa: N802
        if self.broken == "gone":
            raise RuntimeError("GPU is lost")
        return SimpleNamespace(gpu=(40, 60)[handle])

    def nvmlDeviceGetClockInfo(self, handle: int, kind: int) -> int:  # noqa: N802
        return (1000, 1500)[handle]

    def nvmlDeviceGetMemoryInfo(self, handle: int) -> SimpleNamespace:  # noqa: N802
        return SimpleNamespace(used=(1 + handle) * 2**30)

    def nvmlDeviceGetPowerUsage(self, handle: int) -> int:  # noqa: N802
        if self.broken == "power":
            raise RuntimeError("Not Supported")
        return 30_000

    def nvmlDeviceGetTemperature(self, handle: int, kind: int) -> int:  # noqa: N802
        return (50, 61)[handle]


def test_two_cards_are_put_together():
    nvidia = Nvidia(Nvml())
    state = nvidia.preflight()
    assert (state.usable, state.version, nvidia.model()) == (True, "570.86", "NVIDIA L4")
    assert values(nvidia.readings()) == {
        "gpu_ratio": 0.5,
        "gpu_mhz": 1500,
        "gpu_memory_used_bytes": 3 * 2**30,
        "gpu_w": 60.0,
        "gpu_temperature_c": 61,
    }
    nvidia.close()
    with pytest.raises(EngineUnreachableError):
        nvidia.readings()


def test_a_card_that_does_not_tell_its_power_has_none():
    nvidia = Nvidia(Nvml(broken="power"))
    nvidia.preflight()
    assert of(nvidia.readings(), "gpu_w").quality == "unavailable"
    assert of(nvidia.readings(), "gpu_ratio").value == 0.5


def test_a_card_that_was_lost_is_an_error():
    nvidia = Nvidia(Nvml(broken="gone"))
    nvidia.preflight()
    with pytest.raises(EngineUnreachableError, match="lost"):
        nvidia.readings()


def test_without_a_driver_or_a_card_it_is_not_used():
    assert "no NVIDIA driver" in Nvidia(Nvml(broken="driver")).preflight().reason
    assert "no NVIDIA GPU" in Nvidia(Nvml(0)).preflight().reason


def snapshot(**fields: object) -> SimpleNamespace:
    core = SimpleNamespace(active_pct=50)
    said = {
        "cpu_watts": 4.0, "gpu_watts": 0.0, "ane_watts": 0.0, "package_watts": 4.0,
        "ecpu_util_pct": 25.0, "pcpu_util_pct": 50.0, "gpu_util_pct": 0.0, "cpu_temp_c": 55.0,
        "gpu_temp_c": 0.0, "ecpu_freq_mhz": 1200, "pcpu_freq_mhz": 3000, "gpu_freq_mhz": 0,
        "ram_used_bytes": 8_000_000_000, "ram_total_bytes": 16_000_000_000,
        "fan_available": False, "fans": [], "e_cores": [core], "p_cores": [core],
    }  # fmt: skip
    return SimpleNamespace(**(said | fields))


def test_actops_zeros_are_missing_where_they_cannot_be_measured():
    said = values(to_readings(snapshot(), Tiers(), "actop 1.9.12"))
    assert said["gpu_temperature_c"] is None
    assert said["gpu_mhz"] is None
    assert said["fan_rpm"] is None
    assert said["gpu_ratio"] == 0.0  # an idle GPU
    assert said["gpu_w"] == 0.0
    assert said["cpu_ratio"] == 0.5
    assert said["cpu_efficiency_mhz"] == 1200


def test_actops_busy_cpu_without_power_is_unavailable():
    readings = to_readings(snapshot(cpu_watts=0.0), Tiers(), "actop")
    assert of(readings, "cpu_w").value is None
    assert "busy" in of(readings, "gpu_w").reason


def test_a_chip_without_one_kind_of_cores_has_no_share_of_it():
    said = values(to_readings(snapshot(e_cores=[]), Tiers("performance", "super"), "actop"))
    assert said["cpu_performance_ratio"] is None
    assert said["cpu_super_ratio"] == 0.5


class Monitor:
    def __init__(self, interval_s: float) -> None:
        self.closed = False
        self.said = 0

    def get_snapshot(self) -> SimpleNamespace:
        time.sleep(0.01)
        self.said += 1
        if self.said > 50:
            raise RuntimeError("IOReport went away")
        return snapshot()

    def close(self) -> None:
        self.closed = True


def test_actop_answers_from_its_own_thread_and_says_how_it_ended():
    provider = Actop(load=lambda: ("1.9.12", Monitor))
    assert provider.preflight().usable
    assert of(provider.readings(), "cpu_w").source == "actop 1.9.12"
    provider.close()
    ends = Actop(load=lambda: ("1.9.12", failing), now=lambda: 0.0)
    ends.preflight()
    with pytest.raises(EngineUnreachableError, match="no counters"):
        ends.readings()


def failing(interval_s: float) -> Monitor:
    raise RuntimeError("no counters")


def test_a_mac_without_actop_is_told_how_to_get_it():
    def missing() -> tuple[str, type[Monitor]]:
        raise EngineMissingError("The package actop is not installed.", "pip install actop")

    state = Actop(load=missing).preflight()
    assert (state.usable, state.hint) == (False, "pip install actop")
