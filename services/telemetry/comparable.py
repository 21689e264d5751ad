"""Whether two runs ran under conditions alike enough to compare their speed and energy.

Each bound is where a difference begins to matter beside the noise between undisturbed repeats. That
noise is 3.6 % either way in the recorded harness of FACTS.md (253–272 tokens/s at thermal level 0).
"""

from collections.abc import Iterator

from services.telemetry.conditions import Conditions
from services.telemetry.figures import percent

THROTTLED = 0.10
"""At level 1–2 that harness made 105–212 tokens/s, 40 % less in the middle: a tenth of the time
more at such a level is 4 % of speed, as much as the noise."""

LEVELS = 1.0
"""Mean levels this far apart, of runs throttled for as long: less is within 105–212 itself."""

LOW_POWER = 0.10
"""Low Power Mode was measured at 61 % of the speed: a tenth of the time is 4 % as well."""

PRESSURE = 0.05
"""Under pressure memory is compressed and paged: that costs more than throttling, and nothing is
published on how much; half the bound above, then."""

SWAP_BYTES_S = 10e6
"""640 pages of 16 KiB a second; at 0.1 ms each from the SSD that is 6 % of the time."""

GPU_BESIDE = 0.05
"""GPU time goes to one at a time: what a neighbour has is lost, so the bound is the noise."""

CPU_BESIDE = 0.20
"""Other cores are free as long as a run does not need all: a fifth of the machine is one or two
performance cores of the small chips."""

BATTERY = 0.50
"""Nothing is published on what battery costs without Low Power Mode, which is told by itself: it is
told when it was most of a run."""

COVERED = 0.50
"""With less than half of a run sampled, most of its conditions are not known."""


def differences(
    a: Conditions | None, b: Conditions | None, names: tuple[str, str] = ("A", "B")
) -> tuple[str, ...]:
    """Return a sentence for each way in which the conditions of two runs differ noticeably.

    None is a run whose conditions are not known. What is known of one run alone is said in one
    sentence, because it may differ; what is known of neither (all of it on Linux) is not.
    """
    if a is None and b is None:
        return ()
    if a is None or b is None:
        unknown = names[0] if a is None else names[1]
        return (f"What {unknown} ran under is not known, so it may differ.",)
    return tuple(
        sentence
        for part in (_machine, _shares, _levels, _swap, _beside, _fallback, _covered, _unknown)
        for sentence in part(a, b, names)
    )


_SHARES = (
    ("throttled", THROTTLED, "was throttled (thermal level 1 or more)"),
    ("low_power", LOW_POWER, "was in Low Power Mode"),
    ("pressure", PRESSURE, "was short of memory (pressure 2 or more)"),
    ("battery", BATTERY, "was on battery"),
)
_TOLD = {
    "throttled": "thermal level",
    "low_power": "Low Power Mode",
    "pressure": "memory pressure",
    "swap_in_bytes": "swap-ins",
    "fallback": "whether it computed on the GPU",
    "neighbours": "who else used the machine",
}
"""Battery is not among them: that a machine has none is known as little."""


def _machine(a: Conditions, b: Conditions, names: tuple[str, str]) -> Iterator[str]:
    if a.chip and b.chip and a.chip != b.chip:
        yield f"They ran on different chips: {names[0]} on {a.chip}, {names[1]} on {b.chip}."
    elif a.gpu_cores and b.gpu_cores and a.gpu_cores != b.gpu_cores:
        yield (f"Their GPUs differ: {names[0]} had {a.gpu_cores} cores, {names[1]} {b.gpu_cores}.")


def _shares(a: Conditions, b: Conditions, names: tuple[str, str]) -> Iterator[str]:
    for field, bound, what in _SHARES:
        one, other = getattr(a, field), getattr(b, field)
        if one is not None and other is not None and abs(one - other) >= bound:
            more, less = (0, 1) if one > other else (1, 0)
            values = (one, other)
            yield (
                f"{names[more]} {what} for {percent(values[more])} of its time, "
                f"{names[less]} for {percent(values[less])}."
            )


def _levels(a: Conditions, b: Conditions, names: tuple[str, str]) -> Iterator[str]:
    one, other = a.thermal_mean, b.thermal_mean
    if one is None or other is None or abs(one - other) < LEVELS:
        return
    if abs((a.throttled or 0.0) - (b.throttled or 0.0)) < THROTTLED:
        yield f"The mean thermal level of {names[0]} was {one:.1f}, that of {names[1]} {other:.1f}."


def _swap(a: Conditions, b: Conditions, names: tuple[str, str]) -> Iterator[str]:
    rates = [_rate(one) for one in (a, b)]
    one, other = rates
    if one is not None and other is not None and abs(one - other) >= SWAP_BYTES_S:
        more = 0 if one > other else 1
        yield (
            f"{names[more]} read {rates[more] / 1e6:.0f} MB/s back from swap, "  # type: ignore[operator]  # neither is None
            f"{names[1 - more]} {rates[1 - more] / 1e6:.0f} MB/s."  # type: ignore[operator]
        )


def _rate(one: Conditions) -> float | None:
    known_s = one.seconds * one.coverage
    return None if one.swap_in_bytes is None or not known_s else one.swap_in_bytes / known_s


def _beside(a: Conditions, b: Conditions, names: tuple[str, str]) -> Iterator[str]:
    for component, bound in (("gpu", GPU_BESIDE), ("cpu", CPU_BESIDE)):
        one, other = a.beside(component), b.beside(component)
        if one is None or other is None or abs(one - other) < bound:
            continue
        more, less = (0, 1) if one > other else (1, 0)
        who = _who((a, b)[more], component)
        yield (
            f"Beside {names[more]}, {who} had {percent((one, other)[more])} of the "
            f"{component.upper()}; beside {names[less]} it was {percent((one, other)[less])}."
        )


def _who(one: Conditions, component: str) -> str:
    parts = [(getattr(n, component) or 0.0, n.who) for n in one.neighbours or ()]
    named = [who or "others" for part, who in sorted(parts, reverse=True) if part > 0]
    return " and ".join(named[:2]) or "others"


def _fallback(a: Conditions, b: Conditions, names: tuple[str, str]) -> Iterator[str]:
    if a.fallback is not None and b.fallback is not None and a.fallback != b.fallback:
        cpu, gpu = names if a.fallback else names[::-1]
        yield f"{cpu} computed on the CPU though it was meant for the GPU; {gpu} did not."


def _covered(a: Conditions, b: Conditions, names: tuple[str, str]) -> Iterator[str]:
    for one, name in zip((a, b), names, strict=True):
        if one.coverage < COVERED:
            yield (
                f"Only {percent(one.coverage)} of {name} was sampled: most of what it ran under "
                "is not known."
            )


def _unknown(a: Conditions, b: Conditions, names: tuple[str, str]) -> Iterator[str]:
    for one, other, name in ((a, b, names[0]), (b, a, names[1])):
        missing = [
            title
            for field, title in _TOLD.items()
            if getattr(one, field) is None and getattr(other, field) is not None
        ]
        if missing:
            yield f"Not known of {name}, so it may differ: {', '.join(missing)}."
