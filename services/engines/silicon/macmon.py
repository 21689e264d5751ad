"""macmon (0.8.2 and newer): CPU, GPU, Neural Engine, power, temperatures and fans without sudo.

``macmon pipe`` prints one JSON object a line. The layout of 0.7 (pairs of clock and share) is read
as well, so that older recordings replay.
"""

import json
import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from services.engines.command import Run, run
from services.engines.silicon.models import ProviderState, Reading
from services.engines.silicon.provider import measured, unavailable
from services.engines.silicon.stream import Stream
from services.errors import EngineError, EngineProtocolError

SAFE = (0, 8, 2)
"""Older ones misread the power of new chips."""

INTERVAL_S = 2.0
"""Apple's energy counters are published every 2.1 s: asking more often gives zeros and doubles."""

_BUSY = 0.02
"""A CPU this busy uses power; 0 W beside it says that the counter cannot be read."""

Tier = Literal["super", "performance", "efficiency"]
_TIERS: Mapping[str, Tier] = {"S": "super", "P": "performance", "E": "efficiency"}


@dataclass(frozen=True, slots=True)
class Tiers:
    """What macmon's two clusters are on this chip: on an M5 Pro or Max the lower is no E tier."""

    low: Tier = "efficiency"
    high: Tier = "performance"


def tiers_of(chip: str | None, low_label: str = "", high_label: str = "") -> Tiers:
    """Return the tiers of a chip, by macmon's labels, else by the chip's name."""
    if low_label.upper() in _TIERS and high_label.upper() in _TIERS:
        return Tiers(_TIERS[low_label.upper()], _TIERS[high_label.upper()])
    found = re.match(r"Apple M(\d+)\b ?(Pro|Max|Ultra)?", chip or "")
    if found and int(found[1]) >= 5:
        return Tiers("performance" if found[2] else "efficiency", "super")
    return Tiers()


def parse(line: bytes | str) -> dict[str, Any]:
    """Return one line of ``macmon pipe``.

    Raises:
        EngineProtocolError: It is not a sample: cut, damaged, or something else.
    """
    try:
        said = json.loads(line, parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        raise EngineProtocolError("macmon printed a line that cannot be read.") from error
    if not isinstance(said, dict) or not isinstance(said.get("memory"), dict):
        raise EngineProtocolError("macmon printed a line that is no sample.")
    return said


def _no_constant(name: str) -> float:
    raise ValueError(name)


def to_readings(
    said: Mapping[str, Any], tiers: Tiers, source: str = "macmon", window_s: float = INTERVAL_S
) -> tuple[Reading, ...]:
    """Return the readings of one sample.

    Raises:
        EngineProtocolError: A figure is not of its kind: then none of them is trusted.
    """
    sample = _Sample(said)
    out = [
        measured(metric, value, source, window_s=window_s)
        for metric, value in (
            ("cpu_ratio", sample.ratio("cpu_active_ratio", "cpu_usage")),
            (f"cpu_{tiers.high}_ratio", sample.ratio("pcpu_active_ratio", "pcpu_usage")),
            (f"cpu_{tiers.low}_ratio", sample.ratio("ecpu_active_ratio", "ecpu_usage")),
            (f"cpu_{tiers.high}_mhz", sample.clock("pcpu_freq_mhz", "pcpu_usage")),
            (f"cpu_{tiers.low}_mhz", sample.clock("ecpu_freq_mhz", "ecpu_usage")),
            ("gpu_ratio", sample.ratio("gpu_active_ratio", "gpu_usage")),
            ("gpu_mhz", sample.clock("gpu_freq_mhz", "gpu_usage")),
            ("cpu_temperature_c", sample.temperature("cpu_temp_avg")),
            ("gpu_temperature_c", sample.temperature("gpu_temp_avg")),
        )
    ]
    out += _memory(sample, source)
    out += _power(sample, source, window_s)
    out += _fans(sample, source)
    return tuple(out)


def _memory(sample: "_Sample", source: str) -> list[Reading]:
    return [
        measured("memory_total_bytes", sample.inner("memory", "ram_total"), source),
        measured("memory_used_bytes", sample.inner("memory", "ram_usage"), source),
        measured("swap_used_bytes", sample.inner("memory", "swap_usage"), source),
    ]


def _power(sample: "_Sample", source: str, window_s: float) -> list[Reading]:
    busy = sample.ratio("cpu_active_ratio", "cpu_usage") or 0.0
    cpu = sample.number("cpu_power")
    if cpu == 0.0 and busy >= _BUSY:
        # Seen on macOS 27: the channels were renamed, and all counters read as nothing.
        reason = f"macmon says 0 W of a CPU that is {busy:.0%} busy: its counters cannot be read"
        names = ("cpu_w", "gpu_w", "ane_w", "dram_w", "package_w")
        out = [unavailable(name, source, reason) for name in names]
    else:
        out = [
            measured(metric, sample.number(key), source, window_s=window_s)
            for metric, key in (
                ("cpu_w", "cpu_power"),
                ("gpu_w", "gpu_power"),
                ("ane_w", "ane_power"),
                ("dram_w", "ram_power"),
                ("package_w", "all_power"),
            )
        ]
    # A running machine uses power: 0 is how macmon says that it could not read the sensor.
    system = sample.number("sys_power")
    if system == 0.0:
        reason = "macmon cannot read this machine's power sensor"
        return [*out, unavailable("system_w", source, reason)]
    return [*out, measured("system_w", system, source, window_s=window_s)]


def _fans(sample: "_Sample", source: str) -> list[Reading]:
    fans = sample.fans()
    if fans is None:
        return []
    if not fans:
        reason = "this machine has no fan that can be read"
        return [unavailable(name, source, reason) for name in ("fan_rpm", "fan_ratio")]
    shares = [rpm / most for rpm, most in fans if most]
    return [
        measured("fan_rpm", max(rpm for rpm, _ in fans), source),
        measured("fan_ratio", max(shares, default=None), source),
    ]


class _Sample:
    """Reads the fields of one line, each of its kind or not at all."""

    def __init__(self, said: Mapping[str, Any]) -> None:
        self._said = said

    def number(self, key: str) -> float | None:
        return _number(self._said.get(key), key)

    def inner(self, part: str, key: str) -> float | None:
        return _number(self._part(part).get(key), key)

    def temperature(self, key: str) -> float | None:
        value = _number(self._part("temp").get(key), key, low=-50.0, high=200.0)
        return value or None  # 0 °C is how a missing sensor reads

    def ratio(self, key: str, pair: str) -> float | None:
        value = self._said.get(key)
        if value is None:
            value = self._pair(pair)[1]
        found = _number(value, key, high=1.05)
        return None if found is None else min(found, 1.0)

    def clock(self, key: str, pair: str) -> float | None:
        value = self._said.get(key)
        return _number(self._pair(pair)[0] if value is None else value, key, high=20_000.0)

    def fans(self) -> list[tuple[float, float]] | None:
        said = self._said.get("fans")
        if said is None:
            return None
        if not isinstance(said, list) or not all(isinstance(fan, dict) for fan in said):
            raise _wrong("fans")
        fans = [(_number(f.get("rpm"), "rpm"), _number(f.get("max_rpm"), "max_rpm")) for f in said]
        return [(rpm, most or 0.0) for rpm, most in fans if rpm is not None]

    def _part(self, name: str) -> Mapping[str, Any]:
        part = self._said.get(name, {})
        if not isinstance(part, dict):
            raise _wrong(name)
        return part

    def _pair(self, key: str) -> tuple[Any, Any]:
        pair = self._said.get(key)
        if pair is None:
            return None, None
        if not isinstance(pair, list) or len(pair) != 2:
            raise _wrong(key)
        return pair[0], pair[1]


def _number(value: object, key: str, *, low: float = 0.0, high: float = math.inf) -> float | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise _wrong(key)
    number = float(value) if abs(value) < 1e300 else math.inf
    if not math.isfinite(number) or not low <= number <= high:
        raise _wrong(key)
    return number


def _wrong(key: str) -> EngineProtocolError:
    return EngineProtocolError(f"macmon printed a line whose {key} is not what it should be.")


class Macmon:
    """macmon as a running program."""

    name = "macmon"

    def __init__(
        self,
        chip: str | None = None,
        *,
        ask: Run = run,
        open_stream: Callable[[tuple[str, ...]], Stream] = Stream,
    ) -> None:
        self._chip = chip
        self._ask = ask
        self._open = open_stream
        self._source = "macmon"
        self._stream: Stream | None = None

    def preflight(self) -> ProviderState:
        """Return whether a macmon that is new enough is installed."""
        hint = "brew install macmon"
        try:
            said = self._ask(("macmon", "--version"), 5.0).decode(errors="replace")
        except EngineError as error:
            return ProviderState(self.name, reason=error.message, hint=hint)
        found = re.search(r"(\d+)\.(\d+)\.(\d+)", said)
        if found is None:
            return ProviderState(self.name, reason=f"It says {said.strip()[:60]!r} of its version.")
        version = found[0]
        if tuple(map(int, found.groups())) < SAFE:
            reason = f"{version} misreads newer chips; {'.'.join(map(str, SAFE))} is needed."
            return ProviderState(self.name, version, reason=reason, hint="brew upgrade macmon")
        self._source = f"macmon {version}"
        return ProviderState(self.name, version, usable=True)

    def readings(self) -> tuple[Reading, ...]:
        """Return the newest sample; the first call starts the program and waits for one."""
        if self._stream is None:
            milliseconds = f"{INTERVAL_S * 1000:.0f}"
            self._stream = self._open(("macmon", "pipe", "-i", milliseconds, "--soc-info"))
        said = parse(self._stream.newest(INTERVAL_S * 3))
        soc = said.get("soc")
        soc = soc if isinstance(soc, dict) else {}
        chip = str(soc.get("chip_name") or self._chip or "")
        labels = str(soc.get("ecpu_label", "")), str(soc.get("pcpu_label", ""))
        return to_readings(said, tiers_of(chip, *labels), self._source)

    def close(self) -> None:
        """End the program."""
        if self._stream is not None:
            self._stream.close()
            self._stream = None
