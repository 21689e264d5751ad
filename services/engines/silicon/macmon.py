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
"""What is this busy uses power; 0 W beside it says that the counter cannot be read."""

_SCALED = "weighted with the clock: macmon 0.7 does not tell the share of the time"

_MOST_MHZ = 20_000.0
_FAN_OVER = 1.5
"""A fan may turn a little faster than its maximum says, not half as fast again."""

Tier = Literal["super", "performance", "efficiency"]
_TIERS: Mapping[str, Tier] = {"S": "super", "P": "performance", "E": "efficiency"}


@dataclass(frozen=True, slots=True)
class Tiers:
    """What macmon's two clusters are on this chip: on an M5 Pro or Max the lower is no E tier."""

    low: Tier | None = "efficiency"
    """None: cores of two kinds are put together in it, and it says nothing of either."""
    high: Tier = "performance"


def tiers_of(
    chip: str | None, low_label: str = "", high_label: str = "", *, kinds: int = 2
) -> Tiers:
    """Return the tiers of a chip, by macmon's labels, else by the chip's name.

    Args:
        chip: Its name.
        low_label: What macmon calls the slower cluster: E or P.
        high_label: What macmon calls the faster cluster: P or S.
        kinds: How many kinds of cores macOS tells of; macmon tells two clusters of any.
    """
    if kinds > 2:
        return Tiers(None, "super")
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
    whole = sample.ratio("cpu_active_ratio"), sample.ratio("cpu_usage_pct")
    return (
        _share("cpu_ratio", *whole, source, window_s),
        *_cluster(sample, "pcpu", tiers.high, source, window_s),
        *_cluster(sample, "ecpu", tiers.low, source, window_s),
        *_gpu(sample, source, window_s),
        measured("cpu_temperature_c", sample.temperature("cpu_temp_avg"), source),
        measured("gpu_temperature_c", sample.temperature("gpu_temp_avg"), source),
        *_memory(sample, source),
        *_power(sample, source, window_s),
        *_fans(sample, source),
    )


def _share(
    metric: str, active: float | None, scaled: float | None, source: str, window_s: float
) -> Reading:
    """Return the share of the time something was active; one weighted with the clock estimates."""
    if active is None and scaled is not None:
        return measured(
            metric, scaled, source, window_s=window_s, quality="estimated", reason=_SCALED
        )
    return measured(metric, active, source, window_s=window_s)


def _cluster(
    sample: "_Sample", prefix: str, tier: Tier | None, source: str, window_s: float
) -> tuple[Reading, ...]:
    clock, scaled = sample.clock(f"{prefix}_freq_mhz", f"{prefix}_usage")
    active = sample.ratio(f"{prefix}_active_ratio")
    if tier is None or (not clock and sample.is_empty(f"{prefix}_cores")):
        return ()  # there are no such cores: their zeros are no readings
    return (
        _share(f"cpu_{tier}_ratio", active, scaled, source, window_s),
        _clock(f"cpu_{tier}_mhz", clock, source, window_s),
    )


def _gpu(sample: "_Sample", source: str, window_s: float) -> tuple[Reading, ...]:
    clock, scaled = sample.clock("gpu_freq_mhz", "gpu_usage")
    active = sample.ratio("gpu_active_ratio")
    return (
        _share("gpu_ratio", active, scaled, source, window_s),
        _clock("gpu_mhz", clock, source, window_s),
    )


def _clock(metric: str, mhz: float | None, source: str, window_s: float) -> Reading:
    """Return a clock; 0 MHz is none: what stood all the time has no clock."""
    if mhz == 0.0:
        return unavailable(metric, source, "it stood: macmon tells the clock of what runs")
    return measured(metric, mhz, source, window_s=window_s)


def _memory(sample: "_Sample", source: str) -> list[Reading]:
    return [
        measured("memory_total_bytes", sample.inner("memory", "ram_total"), source),
        measured("memory_used_bytes", sample.inner("memory", "ram_usage"), source),
        measured("swap_used_bytes", sample.inner("memory", "swap_usage"), source),
    ]


def _power(sample: "_Sample", source: str, window_s: float) -> list[Reading]:
    cpu, gpu = sample.number("cpu_power"), sample.number("gpu_power")
    busy = sample.busy("cpu_active_ratio", "pcpu_usage", "ecpu_usage")
    drawing = sample.busy("gpu_active_ratio", "gpu_usage")
    unread: dict[str, str] = {}
    if gpu == 0.0 and drawing >= _BUSY:
        unread = dict.fromkeys(("gpu_w", "package_w"), _unread("GPU", drawing))
    if cpu == 0.0 and busy >= _BUSY:
        # Seen on macOS 27: the channels were renamed, and all counters read as nothing.
        names = ("cpu_w", "gpu_w", "ane_w", "dram_w", "package_w")
        unread = dict.fromkeys(names, _unread("CPU", busy))
    system, dram = sample.number("sys_power"), sample.number("ram_power")
    # A running machine uses power, and so does its memory: 0 is how macmon says that it could not
    # read the sensor, or found no channel.
    if system == 0.0:
        unread["system_w"] = "macmon cannot read this machine's power sensor"
    if dram == 0.0:
        unread.setdefault("dram_w", "macmon finds no counter of this machine's memory")
    watts = {
        "cpu_w": cpu,
        "gpu_w": gpu,
        "ane_w": sample.number("ane_power"),
        "dram_w": dram,
        "package_w": sample.number("all_power"),
        "system_w": system,
    }
    return [
        unavailable(metric, source, unread[metric])
        if metric in unread
        else measured(metric, value, source, window_s=window_s)
        for metric, value in watts.items()
    ]


def _unread(part: str, busy: float) -> str:
    return f"macmon says 0 W of a {part} that is {busy:.0%} busy: its counters cannot be read"


def _fans(sample: "_Sample", source: str) -> list[Reading]:
    fans = sample.fans()
    if fans is None:
        return []
    if not fans:
        reason = "this machine has no fan that can be read"
        return [unavailable(name, source, reason) for name in ("fan_rpm", "fan_ratio")]
    shares = [min(rpm / most, 1.0) for rpm, most in fans if most]
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

    def ratio(self, key: str) -> float | None:
        return _ratio(self._said.get(key), key)

    def clock(self, key: str, pair: str) -> tuple[float | None, float | None]:
        """Return the clock, and the share of 0.7's pair of the two."""
        clock, scaled = self.pair(pair)
        own = _number(self._said.get(key), key, high=_MOST_MHZ)
        return clock if own is None else own, scaled

    def pair(self, key: str) -> tuple[float | None, float | None]:
        """Return clock and share as 0.7 tells them; newer ones tell them beside their own keys."""
        pair = self._said.get(key)
        if pair is None:
            return None, None
        if not isinstance(pair, list) or len(pair) != 2:
            raise _wrong(key)
        return _number(pair[0], key, high=_MOST_MHZ), _ratio(pair[1], key)

    def busy(self, active: str, *pairs: str) -> float:
        """Return how busy something was at least; 0 when nothing is said."""
        shares = [self.ratio(active), *(self.pair(key)[1] for key in pairs)]
        return next((share for share in shares if share is not None), 0.0)

    def is_empty(self, key: str) -> bool:
        return self._said.get(key) == []

    def fans(self) -> list[tuple[float, float]] | None:
        said = self._said.get("fans")
        if said is None:
            return None
        if not isinstance(said, list) or not all(isinstance(fan, dict) for fan in said):
            raise _wrong("fans")
        fans = [(_number(f.get("rpm"), "rpm"), _number(f.get("max_rpm"), "max_rpm")) for f in said]
        if any(rpm and most and rpm > most * _FAN_OVER for rpm, most in fans):
            raise _wrong("fans")
        return [(rpm, most or 0.0) for rpm, most in fans if rpm is not None]

    def _part(self, name: str) -> Mapping[str, Any]:
        part = self._said.get(name, {})
        if not isinstance(part, dict):
            raise _wrong(name)
        return part


def _ratio(value: object, key: str) -> float | None:
    found = _number(value, key, high=1.05)
    return None if found is None else min(found, 1.0)


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
        kinds: int = 2,
        ask: Run = run,
        open_stream: Callable[[tuple[str, ...]], Stream] = Stream,
    ) -> None:
        """Prepare.

        Args:
            chip: Its name, in case macmon does not tell it.
            kinds: How many kinds of cores it has.
            ask: Runs a program.
            open_stream: Starts a program that prints lines.
        """
        self._chip = chip
        self._kinds = kinds
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
        return to_readings(said, tiers_of(chip, *labels, kinds=self._kinds), self._source)

    def close(self) -> None:
        """End the program."""
        if self._stream is not None:
            self._stream.close()
            self._stream = None
