"""Telemetry of imagined Macs for the benchmark: loads that come and go, drift and noise.

Regimes (idle, building, training) switch at random; what hangs together in a machine hangs together
here: power follows load, temperature follows power slowly, clocks fall when it is hot. On top of
each goes a walk that forgets slowly and noise of every sample. Memory moves in pages of 16 KiB.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import orjson
from scipy.signal import lfilter

from services.engines.silicon.models import METRICS
from services.telemetry.folder import HOUR_S
from services.telemetry.frames import SAMPLE, SAMPLE_HEAD, SHAPE, WHO, framed
from services.telemetry.shapes import LARGEST, Said, Who, steps

Floats = npt.NDArray[np.float64]
INTERVAL_S = 2
PER_HOUR = HOUR_S // INTERVAL_S
PAGE = 16_384
_GB = 2.0**30
_MISSING = {
    "cpu_super_ratio": "This chip has no super cores.",
    "cpu_super_mhz": "This chip has no super cores.",
    "gpu_memory_used_bytes": "Memory is shared with the CPU.",
}
_ESTIMATED = {"dram_w", "cpu_mhz"}
_ENGINES = (
    "mlflow", "mlflow", "airflow", "airflow", "airflow", "airflow", "ray", "ray", "ray",
    "controller", "dashboard", "gateway",
)  # fmt: skip


@dataclass(frozen=True)
class Hours:
    """Some hours of one host, in steps."""

    times_us: npt.NDArray[np.int64]
    windows_ms: npt.NDArray[np.int64]
    figures: npt.NDArray[np.int64]
    """A row a sample, a column a metric of ``METRICS``."""
    uses: npt.NDArray[np.int64]
    """Samples × processes × (who, six figures of ``shapes.Use``)."""
    present: npt.NDArray[np.bool_]
    """Samples × processes."""


class Mac:
    """One machine that goes on where it stopped."""

    def __init__(self, seed: int, start_s: int) -> None:
        self._rng = np.random.default_rng(seed)
        self._at_s = start_s
        self._levels: dict[str, float] = {}
        self.memory = float(self._rng.choice([16, 32, 64])) * _GB
        engines = [Who(100 + n, start_s - 9000.5 + n, name, f"engine:{name}", "")
                   for n, name in enumerate(_ENGINES)]  # fmt: skip
        runs = [Who(900 + n, start_s - 50.25, "python", f"run:{seed:08x}{n:024x}", f"project-{n}")
                for n in range(2)]  # fmt: skip
        self.who = [*engines, *runs]
        self._resident = self._rng.integers(2000, 40_000, len(self.who)).astype(np.float64)

    def hours(self, count: int) -> Hours:
        """Return the next hours."""
        n = count * PER_HOUR
        busy, build = self._regimes(n)
        columns = self._columns(n, busy, build)
        figures = np.zeros((n, len(METRICS)), dtype=np.int64)
        for place, name in enumerate(METRICS):
            if name in columns:
                scaled = np.rint(columns[name] * steps(name))
                figures[:, place] = np.clip(scaled, -LARGEST, LARGEST)
        ideal = (self._at_s + np.arange(n) * INTERVAL_S) * 1_000_000
        times = ideal + self._rng.gamma(2.0, 700.0, n).astype(np.int64)
        windows = np.rint(np.diff(times, prepend=times[0] - 2_000_000) / 1000).astype(np.int64)
        self._at_s += n * INTERVAL_S
        uses, present = self._processes(n, busy)
        return Hours(times, windows, figures, uses, present)

    def _regimes(self, n: int) -> tuple[Floats, Floats]:
        busy, build = np.zeros(n), np.zeros(n)
        at = 0
        while at < n:
            length = int(self._rng.exponential(1200)) + 30
            what = self._rng.choice(3, p=[0.6, 0.15, 0.25])
            if what:
                (build if what == 1 else busy)[at : at + length] = self._rng.uniform(0.6, 1.0)
            at += length
        return busy, build

    def _walk(self, name: str, n: int, size: float, forget: float = 0.01) -> Floats:
        steps_ = self._rng.normal(0, size, n)
        before = self._levels.get(name, 0.0)
        walk, _ = lfilter([1.0], [1.0, forget - 1.0], steps_, zi=[before * (1 - forget)])
        self._levels[name] = float(walk[-1])
        return np.asarray(walk)

    def _noise(self, n: int, size: float) -> Floats:
        return self._rng.normal(0, size, n)

    def _slow(self, name: str, target: Floats, pace: float) -> Floats:
        before = self._levels.get(name, float(target[0]))
        slow, _ = lfilter([pace], [1.0, pace - 1.0], target, zi=[before * (1 - pace)])
        self._levels[name] = float(slow[-1])
        return np.asarray(slow)

    def _columns(self, n: int, busy: Floats, build: Floats) -> dict[str, Floats]:
        gpu = np.clip(0.94 * busy + 0.03 + self._walk("gpu", n, 0.004) + self._noise(n, 0.02), 0, 1)
        perf = np.clip(0.9 * build + 0.15 * busy + 0.05 + self._walk("p", n, 0.003)
                       + self._noise(n, 0.03), 0, 1)  # fmt: skip
        eff = np.clip(0.15 + 0.4 * build + self._walk("e", n, 0.005) + self._noise(n, 0.05), 0, 1)
        cpu_w = 0.2 + 18 * perf**1.3 + 1.5 * eff + np.abs(self._noise(n, 0.15))
        gpu_w = 0.02 + 26 * gpu**1.5 + np.abs(self._noise(n, 0.1))
        ane_w = np.where(self._rng.random(n) < 0.03, self._rng.exponential(0.8, n), 0.0)
        dram_w = 0.3 + 3 * gpu + perf + np.abs(self._noise(n, 0.05))
        heat = 38 + 1.4 * self._slow("heat", cpu_w + gpu_w, 0.01)
        level = np.select([heat > 82, heat > 74], [2.0, 1.0], 0.0)
        used = (0.5 + 0.2 * busy) * self.memory + PAGE * self._walk("mem", n, 900, 0.0005)
        used = np.rint(np.clip(used, _GB, self.memory) / PAGE) * PAGE
        total = cpu_w + gpu_w + ane_w
        bursts = self._rng.random(n)
        traffic = [np.where(bursts < p, self._rng.lognormal(9, 2, n), self._rng.poisson(300, n))
                   for p in (0.3, 0.4)]  # fmt: skip
        disk = [np.where(self._rng.random(n) < p, self._rng.integers(1, 4000, n) * 4096 / 2, 0.0)
                for p in (0.1, 0.5)]  # fmt: skip
        swap = np.cumsum(self._rng.random(n) < 0.0005) * 64.0 * PAGE
        free = 4e11 - np.cumsum(self._rng.integers(-40, 42, n)) * 4096.0
        return {
            "cpu_ratio": (perf * 6 + eff * 4) / 10,
            "cpu_performance_ratio": perf,
            "cpu_efficiency_ratio": eff,
            "cpu_mhz": 1100 + 2500 * perf + self._noise(n, 30),
            "cpu_performance_mhz": 1300 + 2900 * perf - 250 * level + self._noise(n, 40),
            "cpu_efficiency_mhz": 1020 + 1500 * eff + self._noise(n, 30),
            "gpu_ratio": gpu,
            "gpu_mhz": np.where(gpu > 0.04, 400 + 1000 * gpu - 120 * level, 338)
            + self._noise(n, 8),
            "memory_total_bytes": np.full(n, self.memory),
            "memory_used_bytes": used,
            "memory_available_bytes": self.memory - used,
            "memory_wired_bytes": np.rint((2 * _GB + 0.1 * used + self._noise(n, 3e6)) / PAGE)
            * PAGE,
            "memory_compressed_bytes": np.rint((1e9 + 1e6 * self._walk("zip", n, 0.5)) / PAGE)
            * PAGE,
            "memory_pressure": np.where(used > 0.9 * self.memory, 2.0, 1.0),
            "swap_used_bytes": swap,
            "swap_in_bytes_s": np.where(self._rng.random(n) < 0.01, PAGE * 3.0, 0.0),
            "cpu_w": cpu_w,
            "gpu_w": gpu_w,
            "ane_w": ane_w,
            "dram_w": dram_w,
            "package_w": total,
            "system_w": total + dram_w + 6 + np.abs(self._noise(n, 0.4)),
            "cpu_temperature_c": heat + 6 * perf + self._noise(n, 0.4),
            "gpu_temperature_c": heat + 4 * gpu + self._noise(n, 0.3),
            "fan_rpm": np.rint(1300 + 40 * np.maximum(heat - 55, 0) + self._noise(n, 4)),
            "fan_ratio": np.maximum(heat - 55, 0) / 60,
            "thermal_level": level,
            "low_power_mode": np.zeros(n),
            "on_battery": np.zeros(n),
            "battery_ratio": np.clip(0.8 + 0.05 * np.rint(self._walk("bat", n, 0.02)) / 5, 0, 1),
            "disk_used_ratio": 1 - free / 1e12,
            "disk_free_bytes": free,
            "disk_read_bytes_s": disk[0],
            "disk_write_bytes_s": disk[1],
            "network_in_bytes_s": np.rint(traffic[0]),
            "network_out_bytes_s": np.rint(traffic[1]),
        }

    def _processes(
        self, n: int, busy: Floats
    ) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.bool_]]:
        count, engines = len(self.who), len(_ENGINES)
        uses = np.full((n, count, 7), -1, dtype=np.int64)
        uses[:, :, 0] = np.arange(count)
        present = np.ones((n, count), dtype=bool)
        present[:, engines:] = (busy > 0)[:, None]
        rates = self._rng.choice([0.3, 2.0, 9.0], count, p=[0.5, 0.35, 0.15])
        uses[:, :, 1] = self._rng.poisson(rates, (n, count)) * 2
        moves = (self._rng.random((n, count)) < 0.08) * self._rng.integers(-30, 31, (n, count))
        resident = np.maximum(self._resident + np.cumsum(moves, axis=0), 500)
        self._resident = resident[-1]
        uses[:, :, 3] = resident.astype(np.int64) * PAGE
        shape = (n, count - engines)
        uses[:, engines:, 1] = self._rng.normal(900, 80, shape).astype(np.int64)
        uses[:, engines:, 2] = self._rng.normal(850, 60, shape).astype(np.int64)
        active = 2_000_000 + np.cumsum(self._rng.integers(-200, 201, shape), axis=0)
        uses[:, engines:, 4] = active * 256
        uses[:, engines:, 5] = np.maximum.accumulate(active, axis=0) * 256
        uses[:, engines:, 6] = self._rng.integers(100, 140, shape) * 4096 * 64
        return uses, present

    def segments(self, hours: Hours) -> Iterator[bytes]:
        """Yield each hour as the writer would have written it."""
        said = [_said(name) for name in METRICS]
        head = [framed(SHAPE, orjson.dumps([0, [list(one) for one in said]]))]
        head += [framed(WHO, orjson.dumps([n, *who])) for n, who in enumerate(self.who)]
        kept = np.zeros(hours.uses.shape[:2], dtype=[("who", "<u4"), ("use", "<i8", (6,))])
        kept["who"], kept["use"] = hours.uses[:, :, 0], hours.uses[:, :, 1:]
        counts = hours.present.sum(axis=1).tolist()
        times, windows = hours.times_us.tolist(), hours.windows_ms.tolist()
        for begin in range(0, len(times), PER_HOUR):
            parts = list(head)
            for n in range(begin, begin + PER_HOUR):
                body = SAMPLE_HEAD.pack(times[n], windows[n], 0, counts[n])
                uses = kept[n][hours.present[n]].tobytes()
                parts.append(framed(SAMPLE, body + hours.figures[n].tobytes() + uses))
            yield b"".join(parts)


def _said(name: str) -> Said:
    if name in _MISSING:
        return Said(name, "unavailable", "macmon 0.8.2", _MISSING[name], None)
    return Said(name, "estimated" if name in _ESTIMATED else "measured", "macmon 0.8.2", "", -1.0)
