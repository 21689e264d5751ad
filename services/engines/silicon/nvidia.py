"""NVIDIA GPUs by NVML (package ``nvidia-ml-py``). Several GPUs are put together."""

from types import ModuleType
from typing import Any

from services.engines.silicon.models import ProviderState, Reading
from services.engines.silicon.provider import measured
from services.errors import EngineMissingError, EngineUnreachableError

_SOURCE = "NVML"


def load() -> ModuleType:
    """Return the module.

    Raises:
        EngineMissingError: It is not installed.
    """
    try:
        import pynvml
    except ImportError as error:
        raise EngineMissingError(
            "The package nvidia-ml-py is not installed.", "pip install nvidia-ml-py"
        ) from error
    return pynvml  # type: ignore[no-any-return, unused-ignore]  # it has no types


class Nvidia:
    """NVML; the module is passed in, so that its answers can be replayed."""

    name = "NVIDIA"

    def __init__(self, nvml: ModuleType | Any | None = None) -> None:  # noqa: ANN401 - untyped
        self._nvml = nvml
        self._source = _SOURCE
        self._handles: list[object] = []

    def preflight(self) -> ProviderState:
        """Return whether a driver and a GPU are here."""
        try:
            nvml = self._nvml = self._nvml or load()
            nvml.nvmlInit()
            version = _text(nvml.nvmlSystemGetDriverVersion())
            count = nvml.nvmlDeviceGetCount()
            self._handles = [nvml.nvmlDeviceGetHandleByIndex(i) for i in range(count)]
        except EngineMissingError as error:
            return ProviderState(self.name, reason=error.message, hint=error.hint)
        except Exception as error:  # noqa: BLE001 - NVML's errors share no base before it is loaded
            return ProviderState(self.name, reason=f"There is no NVIDIA driver here ({error}).")
        if not self._handles:
            return ProviderState(self.name, version, reason="There is no NVIDIA GPU here.")
        self._source = f"NVML {version}"
        return ProviderState(self.name, version, usable=True)

    def model(self) -> str | None:
        """Return the name of the first GPU."""
        if self._nvml is None or not self._handles:
            return None
        return _text(self._nvml.nvmlDeviceGetName(self._handles[0]))

    def readings(self) -> tuple[Reading, ...]:
        """Return what the driver says now; power is the whole card's.

        Raises:
            EngineUnreachableError: The driver is gone, e.g. it was updated under us.
        """
        nvml = self._nvml
        if nvml is None or not self._handles:
            raise EngineUnreachableError("NVML was not started.")
        busy = self._each(lambda h: nvml.nvmlDeviceGetUtilizationRates(h).gpu / 100)
        clocks = self._each(lambda h: nvml.nvmlDeviceGetClockInfo(h, nvml.NVML_CLOCK_GRAPHICS))
        used = self._each(lambda h: nvml.nvmlDeviceGetMemoryInfo(h).used)
        watts = self._each(lambda h: nvml.nvmlDeviceGetPowerUsage(h) / 1000)
        heat = self._each(lambda h: nvml.nvmlDeviceGetTemperature(h, nvml.NVML_TEMPERATURE_GPU))
        return (
            measured("gpu_ratio", sum(busy) / len(busy) if busy else None, self._source),
            measured("gpu_mhz", max(clocks, default=None), self._source),
            measured("gpu_memory_used_bytes", sum(used) if used else None, self._source),
            measured("gpu_w", sum(watts) if watts else None, self._source),
            measured("gpu_temperature_c", max(heat, default=None), self._source),
        )

    def close(self) -> None:
        """Let go of the driver."""
        if self._nvml is not None and self._handles:
            self._nvml.nvmlShutdown()
            self._handles = []

    def _each(self, ask: Any) -> list[float]:  # noqa: ANN401 - a function of an untyped handle
        """Return an answer of every GPU, nothing when one does not support the question."""
        try:
            return [float(ask(handle)) for handle in self._handles]
        except Exception as error:  # its class is known only to the loaded module
            if "Not Supported" in str(error):
                return []
            raise EngineUnreachableError(f"The NVIDIA driver does not answer ({error}).") from error


def _text(said: str | bytes) -> str:
    return said.decode(errors="replace") if isinstance(said, bytes) else said
