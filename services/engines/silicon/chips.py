"""Facts about Apple's chips: cores, clocks, memory bandwidth.

Apple publishes core counts, memory bandwidth and maximum memory. GPU clocks come from what the
chips' own tables say; fp32 throughput is computed from them (cores × 128 lanes × 2 operations ×
clock) and so an estimate. None: not published and not read anywhere.
"""

import re
from dataclasses import dataclass
from typing import Literal

_LANES = 128
"""fp32 lanes of one Apple GPU core; each does a multiply and an add a cycle."""

Tier = Literal["super", "performance", "efficiency"]


@dataclass(frozen=True, slots=True)
class Chip:
    """One chip with one number of GPU cores."""

    name: str
    high: Tier
    high_cores: tuple[int, ...]
    """As sold: a chip comes in one or two sizes."""
    low: Tier
    low_cores: tuple[int, ...]
    gpu_cores: tuple[int, ...]
    gpu_mhz: float | None
    bandwidth_gb_s: tuple[float, ...]
    """Decimal GB/s; where there are two, the smaller goes with the fewer GPU cores."""
    memory_gb: int
    """The most that is sold."""
    certain: bool = True
    """False: the GPU clock was taken from a sibling."""

    def bandwidth_bytes_s(self, gpu_cores: int | None) -> float | None:
        """Return the memory bandwidth; None when it depends on a core count that is not known."""
        if len(self.bandwidth_gb_s) == 1:
            return self.bandwidth_gb_s[0] * 1e9
        if gpu_cores not in self.gpu_cores:
            return None
        return self.bandwidth_gb_s[self.gpu_cores.index(gpu_cores)] * 1e9

    def fp32_flops(self, gpu_cores: int | None) -> float | None:
        """Return the estimated peak of the GPU in fp32 operations per second."""
        cores = gpu_cores if gpu_cores is not None else self._only_size()
        if cores is None or self.gpu_mhz is None:
            return None
        return cores * _LANES * 2 * self.gpu_mhz * 1e6

    def _only_size(self) -> int | None:
        return self.gpu_cores[0] if len(self.gpu_cores) == 1 else None


def _m(
    name: str, high: tuple[int, ...], low: tuple[int, ...], gpu: tuple[int, ...], mhz: float,
    bandwidth: tuple[float, ...], memory: int, *, certain: bool = True,
    tiers: tuple[Tier, Tier] = ("performance", "efficiency"),
) -> Chip:  # fmt: skip
    return Chip(
        f"Apple {name}", tiers[0], high, tiers[1], low, gpu, mhz, bandwidth, memory, certain
    )


_ALL = (
    _m("M1", (4,), (4,), (7, 8), 1278, (68.25,), 16),
    _m("M1 Pro", (6, 8), (2,), (14, 16), 1296, (200,), 32),
    _m("M1 Max", (8,), (2,), (24, 32), 1296, (400,), 64),
    _m("M1 Ultra", (16,), (4,), (48, 64), 1296, (800,), 128),
    _m("M2", (4,), (4,), (8, 10), 1398, (100,), 24),
    _m("M2 Pro", (6, 8), (4,), (16, 19), 1398, (200,), 32),
    _m("M2 Max", (8,), (4,), (30, 38), 1398, (400,), 96),
    _m("M2 Ultra", (16,), (8,), (60, 76), 1398, (800,), 192),
    _m("M3", (4,), (4,), (8, 10), 1380, (100,), 24),
    _m("M3 Pro", (5, 6), (6,), (14, 18), 1380, (150,), 36),
    _m("M3 Max", (10, 12), (4,), (30, 40), 1380, (300, 400), 128),
    _m("M3 Ultra", (20, 24), (8,), (60, 80), 1380, (819,), 512),
    _m("M4", (4,), (4, 6), (8, 10), 1470, (120,), 32, certain=False),
    _m("M4 Pro", (8, 10), (4,), (16, 20), 1578, (273,), 64),
    _m("M4 Max", (10, 12), (4,), (32, 40), 1578, (410, 546), 128),
    _m("M5", (4,), (6,), (8, 10), 1620, (153,), 32, certain=False, tiers=("super", "efficiency")),
    _m("M5 Pro", (5, 6), (10, 12), (16, 20), 1620, (307,), 64, certain=False,
       tiers=("super", "performance")),
    _m("M5 Max", (6,), (12,), (32, 40), 1620, (460, 614), 128, tiers=("super", "performance")),
    Chip("Apple A18 Pro", "performance", (2,), "efficiency", (4,), (5, 6), None, (60,), 8),
)  # fmt: skip

CHIPS: dict[str, Chip] = {chip.name: chip for chip in _ALL}


def chip(name: str | None) -> Chip | None:
    """Return the facts of a chip by the name macOS gives it; None for one not listed."""
    found = re.match(r"Apple (?:M\d+(?: (?:Pro|Max|Ultra))?|A\d+ Pro)", name or "")
    return CHIPS.get(found[0]) if found else None
