"""Programs whose output was recorded, in the place of the real ones."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from services.engines.silicon.models import Reading
from services.errors import EngineMissingError

FIXTURES = Path(__file__).parent / "fixtures"


def recorded(name: str) -> str:
    return (FIXTURES / name).read_text()


def programs(answers: Mapping[str, str | Exception]) -> Callable[[Sequence[str], float], bytes]:
    """Answer by the whole command line, else by the program's name; else it is not installed."""

    def run(arguments: Sequence[str], timeout_s: float) -> bytes:
        said = answers.get(" ".join(arguments), answers.get(arguments[0]))
        if said is None:
            raise EngineMissingError(f"The program {arguments[0]} is not installed.")
        if isinstance(said, Exception):
            raise said
        return said.encode()

    return run


def values(readings: Sequence[Reading]) -> dict[str, float | None]:
    return {reading.metric: reading.value for reading in readings}


def of(readings: Sequence[Reading], metric: str) -> Reading:
    return next(reading for reading in readings if reading.metric == metric)


MAC = {
    "sw_vers -productVersion": "27.0\n",
    "notifyutil": "com.apple.system.thermalpressurelevel 2\n",
    "ioreg -r -d 1 -w 0 -c IOAccelerator": recorded("ioreg_accelerator.txt"),
    "ioreg -rd1 -c IOPlatformExpertDevice": (
        '    "IOPlatformUUID" = "11111111-2222-3333-4444-555555555555"\n'
    ),
    "sysctl": recorded("sysctl_warning.txt"),
    "vm_stat": recorded("vm_stat_macos_27.txt"),
    "pmset -g": recorded("pmset_g.txt"),
    "pmset -g batt": recorded("pmset_batt.txt"),
    "macmon --version": "macmon 0.8.2\n",
}
