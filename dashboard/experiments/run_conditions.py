"""What runs ran under and what they used, in words; pure."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

from dashboard.hardware.readings import MISSING, thermal_word
from dashboard.numbers import counted, duration, number, percent, size
from services.mirror.models import Run
from services.telemetry.comparable import differences
from services.telemetry.conditions import Conditions, from_json

TAG = "mlops.conditions"
ENERGY = "system/energy_j"
_PARTS = {"cpu": "CPU", "gpu": "GPU", "ane": "Neural Engine", "dram": "memory"}
_MOST = 6


def conditions_of(run: Run) -> Conditions | None:
    """Return what a run ran under, None when it does not say."""
    said = run.tags.get(TAG)
    return from_json(said) if said else None


def energy(joules: float) -> str:
    """Return joules as people read them: ``812 J``, ``18.2 kJ``, ``1.31 MJ``."""
    for divisor, unit in ((1e6, "MJ"), (1e3, "kJ")):
        if joules >= divisor:
            return f"{number(joules / divisor, 3)} {unit}"
    return f"{number(joules, 3)} J"


def energy_of(run: Run) -> tuple[str, str]:
    """Return a run's energy, and its quality and boundary, or why there is none."""
    joules = run.metrics.get(ENERGY)
    reason = run.tags.get("mlops.energy.reason", "").rstrip(".")
    if joules is None:
        if run.status == "running":
            return MISSING, "It is worked out when the run has ended."
        return MISSING, f"{reason or 'Nothing was sampled, or it was not worked out yet'}."
    quality = run.tags.get("mlops.energy.quality", "quality not reported")
    of = " + ".join(
        _PARTS.get(part, part) for part in run.tags.get("mlops.energy.boundary", "").split("+")
    )
    why = [
        f"{quality[:1].upper()}{quality[1:]}, of {of or 'parts that were not named'}",
        f"That is {number(joules / 3600, 3)} W·h; idle power is not taken off",
        f"{reason[:1].upper()}{reason[1:]}",
    ]
    sign = "≈ " if quality == "estimated" else ""
    return f"{sign}{energy(joules)}", ". ".join(part for part in why if part) + "."


def uses(run: Run) -> tuple[tuple[str, str, str], ...]:
    """Return what a run used: name, figure, and what it is; ``unavailable`` where nobody knows."""
    known = run.metrics
    lacking = "Nothing was sampled while it ran, or its processes were not seen."
    if run.status == "running":
        lacking = "It is worked out when the run has ended."
    rows = (
        ("Mean power", "system/mean_power_w", lambda v: f"{number(v, 3)} W", "Energy by time."),
        ("CPU time", "system/cpu_s", duration, "Over all cores, all its processes."),
        ("GPU time", "system/gpu_s", duration, "Time the GPU worked for it."),
        ("Peak memory", "system/peak_memory_bytes", size, "Of all its processes together."),
        ("MLX peak", "system/mlx_peak_bytes", size, "What MLX says of itself."),
    )
    return tuple(
        (name, MISSING, lacking) if (found := known.get(key)) is None else (name, told(found), what)
        for name, key, told, what in rows
    )


def sentences(found: Conditions, named: Callable[[str], str] = str) -> Iterator[str]:
    """Yield what a run ran under; what is not known is said to be so.

    ``named`` returns how an owner (``run:…``) is called.
    """
    yield (
        f"Samples speak for {percent(found.coverage)} of its {duration(found.seconds)} on "
        f"{found.host}."
    )
    yield from _heat(found)
    yield from _shares(found)
    if found.swap_in_bytes:
        yield f"{size(found.swap_in_bytes)} were read back from swap."
    if found.fallback:
        yield "It computed on the CPU though it was meant for the GPU."
    yield from _neighbours(found, named)
    unknown = [
        name
        for name, value in (
            ("thermal level", found.thermal_s),
            ("Low Power Mode", found.low_power),
            ("memory pressure", found.pressure),
            ("who else used the machine", found.neighbours),
        )
        if value is None
    ]
    if unknown:
        yield f"Not known: {', '.join(unknown)}."


def _heat(found: Conditions) -> Iterator[str]:
    throttled = found.throttled
    if throttled is None:
        return
    if throttled == 0:
        yield "It was not throttled: the thermal level stayed at 0."
        return
    worst = found.thermal_max or 0
    yield (
        f"It was throttled for {percent(throttled)} of the time, at worst at thermal level "
        f"{worst} ({thermal_word(worst)})."
    )


def _shares(found: Conditions) -> Iterator[str]:
    for share, what in (
        (found.low_power, "in Low Power Mode"),
        (found.battery, "on battery"),
        (found.pressure, "short of memory (pressure 2 or more)"),
    ):
        if share:
            yield f"It was {what} for {percent(share)} of the time."


def _neighbours(found: Conditions, named: Callable[[str], str]) -> Iterator[str]:
    for one in found.neighbours or ():
        cpu = f"{percent(one.cpu)} of the cores" if one.cpu is not None else ""
        gpu = f"{percent(one.gpu)} of the GPU's time" if one.gpu is not None else ""
        used = " and ".join(part for part in (cpu, gpu) if part)
        who = named(one.who) if one.who else "what belongs to nobody here"
        yield f"Beside it, {who} used {used}."


def unlike(runs: Sequence[Run], base: int, named: Callable[[str], str] = str) -> tuple[str, ...]:
    """Return a sentence for each way in which runs ran under other conditions than the base.

    Runs that do not say what they ran under are told in one sentence together; nothing is said when
    none does. ``named`` as of ``sentences``.
    """
    found = [_with_names(conditions_of(run), named) for run in runs]
    unknown = sum(one is None for one in found)
    if unknown == len(found):
        return ()
    names = [run.name[:40] for run in runs]
    names = [
        name if name and names.count(name) == 1 else f"{name} {run.run_id[:6]}".strip()
        for name, run in zip(names, runs, strict=True)
    ]
    told = [
        sentence
        for place, one in enumerate(found)
        if place != base and one is not None and found[base] is not None
        for sentence in differences(found[base], one, (names[base], names[place]))
    ]
    told = list(dict.fromkeys(told))
    if len(told) > _MOST:
        more = f"There are {counted(len(told) - _MOST, 'more difference')} in conditions."
        told = [*told[:_MOST], more]
    if unknown:
        told.append(
            f"What {unknown} of {len(found)} runs ran under (heat, power mode, memory, neighbours) "
            "is not known, so it may differ."
        )
    return tuple(told)


def _with_names(found: Conditions | None, named: Callable[[str], str]) -> Conditions | None:
    if found is None or not found.neighbours:
        return found
    called = tuple(replace(one, who=named(one.who) if one.who else "") for one in found.neighbours)
    return replace(found, neighbours=called)
