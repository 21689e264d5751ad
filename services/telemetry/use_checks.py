"""Causes that lie in who uses what: others beside, the CPU for the GPU, a GPU that waits."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

from services.engines.silicon.models import ProcessUse
from services.telemetry.beside import Component, Taker, takers, with_strangers
from services.telemetry.causes import (
    ENOUGH,
    Answer,
    CannotTell,
    Case,
    Clear,
    Evidence,
    evidence,
    found,
)
from services.telemetry.conditions import mean
from services.telemetry.figures import percent, share
from services.telemetry.shares import OTHERS
from services.telemetry.spans import Span

GPU_BESIDE = 0.10
"""The GPU works for one at a time, so what others have of it is lost. A tenth is above what drawing
the screen takes."""

CPU_BESIDE = 0.20
CPU_FULL = 0.80
"""Others take from a run only when no cores are left over for it."""

NOTICEABLE = 0.01
NAMED = 5
UNLISTED = 0.05
"""Of who used a component beside: so many are told, each with at least so much."""

REAL_PART = 0.1
"""Who had less of what others had is no answer to who it was."""

GPU_UNUSED = 0.05
ONE_CORE = 0.8
"""A loop in one thread keeps its core busy for a little less than all of the time."""

LOST_BY_FALLBACK = 0.8
"""Ours, for the order only: the GPU of these chips computes several times as fast as the CPU."""

GPU_WAITS = 0.70
"""A GPU busy for less than this waits for somebody: steps of a trainer that is fed keep it at 90 %
and above."""

DISK_BYTES_S = 50e6


def contention(case: Case) -> Answer:
    """Look for others on the GPU, or on a CPU that has no core left over."""
    if case.owner != OTHERS and case.shared.of(case.owner) is None:
        reason = "none of its processes was seen, so others are not told from it"
        return CannotTell("contention", reason if case.found else case.missing("gpu_ratio"))
    case = replace(case, found=with_strangers(case.found))
    on_gpu = tuple(s for s in case.found if (_gpu_beside(case, s) or 0.0) >= GPU_BESIDE)
    on_cpu = tuple(s for s in case.found if _crowds(case, s))
    if case.lasting(on_gpu, "gpu_ratio"):
        return _contention(case, on_gpu, "gpu")
    if case.lasting(on_cpu, "cpu_ratio"):
        return _contention(case, on_cpu, "cpu")
    told = [s for s in case.found if _cpu_beside(case, s) is not None]
    needs_gpu = case.meant_for_gpu is not False and case.may_have_gpu
    if needs_gpu:
        told = [s for s in told if _gpu_beside(case, s) is not None]
    if share(sum(s.seconds for s in told), _length(case)) >= ENOUGH:
        return Clear("contention")
    needed = ("gpu_ratio", "cpu_ratio") if needs_gpu else ("cpu_ratio",)
    reason = case.missing(*needed)
    if case.found and all(map(case.enough, needed)):
        which = "GPU" if needs_gpu else "CPU"
        reason = f"how long each process used the {which} is not told"
    return CannotTell("contention", reason)


def cpu_fallback(case: Case) -> Answer:
    """Look for an idle GPU beside a busy core, of a run that was not meant for the CPU."""
    if case.meant_for_gpu is False:
        return Clear("cpu_fallback")
    told = [s for s in case.found if s.value("gpu_ratio") is not None and _cores(case, s)]
    on_cpu = [s for s in told if _is_on_cpu(case, s)]
    if told and case.part(on_cpu, sum(s.seconds for s in told)) >= ENOUGH:
        return _on_cpu(case, on_cpu)
    if share(sum(s.seconds for s in told), _length(case)) >= ENOUGH:
        return Clear("cpu_fallback")
    reason = case.missing("gpu_ratio")
    if case.found and case.enough("gpu_ratio"):
        reason = "how much CPU its processes used is not told"
    return CannotTell("cpu_fallback", reason)


def gpu_gaps(case: Case) -> Answer:
    """Look for a GPU that waits part of the time while nothing of the machine explains it."""
    if case.meant_for_gpu is False:
        return Clear("gpu_gaps")
    busy = mean(case.found, "gpu_ratio")
    if busy is None or not case.enough("gpu_ratio"):
        return CannotTell("gpu_gaps", case.missing("gpu_ratio"))
    if not GPU_UNUSED <= busy < GPU_WAITS:
        return Clear("gpu_gaps")
    return _waits(case, busy)


def _length(case: Case) -> float:
    return (case.end - case.start).total_seconds()


def _cores(case: Case, span: Span) -> bool:
    return case.own_cores(span) is not None


def _is_on_cpu(case: Case, span: Span) -> bool:
    return (span.value("gpu_ratio") or 0.0) < GPU_UNUSED and (
        case.own_cores(span) or 0.0
    ) >= ONE_CORE


def _on_cpu(case: Case, on_cpu: Sequence[Span]) -> Answer:
    part = case.part(on_cpu)
    cores = share(sum((case.own_cores(s) or 0.0) * s.seconds for s in on_cpu), _seconds(on_cpu))
    gpu = mean(on_cpu, "gpu_ratio") or 0.0
    whose = "The run" if case.owner != OTHERS else "The machine"
    told = [
        evidence(on_cpu, "gpu_ratio", gpu, f"The GPU was busy for {percent(gpu)}.", GPU_UNUSED),
        evidence(
            on_cpu, "cpu_cores", cores, f"{whose} kept {cores:.1f} cores busy then.", ONE_CORE
        ),
    ]
    sure = "though it was meant for the GPU" if case.meant_for_gpu else "and the GPU was idle"
    return found(
        "cpu_fallback",
        on_cpu,
        f"{whose} computed on the CPU for {percent(part)} of the time, {sure}",
        "Look at the device it chose: mx.default_device() of MLX, the tensors’ .device of PyTorch.",
        part * LOST_BY_FALLBACK,
        told,
    )


def _waits(case: Case, busy: float) -> Answer:
    waiting = [s for s in case.found if (s.value("gpu_ratio") or 0.0) < GPU_WAITS]
    told = [
        evidence(
            waiting, "gpu_ratio", busy, f"The GPU was busy for {percent(busy)} only.", GPU_WAITS
        )
    ]
    cores = [(s.seconds, c) for s in waiting if (c := case.own_cores(s)) is not None]
    busy_cores = share(sum(s * c for s, c in cores), sum(s for s, _ in cores))
    disk = mean(waiting, "disk_read_bytes_s") or 0.0
    why = "for something that neither CPU nor disk shows"
    if busy_cores >= ONE_CORE:
        why = "while the CPU worked: loading or preparing data, or Python between steps"
        said = f"{busy_cores:.1f} cores were busy for it meanwhile."
        told.append(evidence(waiting, "cpu_cores", busy_cores, said, ONE_CORE))
    if disk >= DISK_BYTES_S:
        why = "while data was read from disk"
        said = f"{disk / 1e6:.0f} MB/s were read from disk meanwhile."
        told.append(evidence(waiting, "disk_read_bytes_s", disk, said, DISK_BYTES_S))
    return found(
        "gpu_gaps",
        waiting,
        f"The GPU waited for {percent(1 - busy)} of the time, {why}",
        "Prepare the next batch while the GPU works, take larger batches, and evaluate less often.",
        (1 - busy) / 2,
        told,
    )


def _seconds(spans: Sequence[Span]) -> float:
    return sum(span.seconds for span in spans)


def _gpu_beside(case: Case, span: Span) -> float | None:
    """Return the share of a span in which others used the GPU; None when that is not told.

    Without an owner it is what all but the busiest one had.
    """
    whole = span.value("gpu_ratio")
    if case.owner != OTHERS:
        own = case.own_gpu(span)
        if own is None:
            own = 0.0 if _lists_gpu(span) and _seen(case, span) else None
        return None if whole is None or own is None else max(0.0, whole - own)
    used = _by_owner(span, lambda use: use.gpu_s)
    return sum(used) - max(used) if used else None


def _by_owner(span: Span, seconds_of: Callable[[ProcessUse], float | None]) -> tuple[float, ...]:
    """Return what each owner listed in a span used, as a share of its time; none told: empty."""
    used: dict[tuple[str, int], float] = {}
    for use in span.processes:
        seconds = seconds_of(use)
        if seconds is not None:
            key = (use.owner, 0 if use.owner else use.pid)
            used[key] = used.get(key, 0.0) + share(seconds * span.part, span.seconds)
    return tuple(used.values())


def _lists_gpu(span: Span) -> bool:
    return any(use.gpu_s is not None for use in span.processes)


def _seen(case: Case, span: Span) -> bool:
    """Return whether the owner's processes have figures; at first sight they have none yet."""
    return any(use.cpu_s is not None for use in span.owned(case.owner))


def _cpu_beside(case: Case, span: Span) -> float | None:
    """Return the share of all cores that others kept busy; None when that is not told.

    Without an owner it is what all but the busiest one had.
    """
    whole = span.value("cpu_ratio")
    if case.owner != OTHERS:
        own = case.own_cores(span)
    else:
        own = max(_by_owner(span, lambda use: use.cpu_s), default=None)
    if whole is None or own is None or not case.cores:
        return None
    return max(0.0, whole - own / case.cores)


def _crowds(case: Case, span: Span) -> bool:
    return (span.value("cpu_ratio") or 0.0) >= CPU_FULL and (
        _cpu_beside(case, span) or 0.0
    ) >= CPU_BESIDE


def _contention(case: Case, hits: Sequence[Span], component: Component) -> Answer:
    beside = _gpu_beside if component == "gpu" else _cpu_beside
    bound = GPU_BESIDE if component == "gpu" else CPU_BESIDE
    had = share(sum((beside(case, s) or 0.0) * s.seconds for s in hits), _seconds(hits))
    part, name = case.part(hits), component.upper()
    found_by = takers(hits, case.owner, component, 1 if component == "gpu" else case.cores)
    metric = f"{component}_ratio"
    said = f"Others had {percent(had)} of the {name} for {percent(part)} of the time."
    told = [evidence(hits, metric, had, said, bound)]
    if component == "cpu":
        full = mean(hits, "cpu_ratio") or 0.0
        said = f"All {case.cores} cores were busy for {percent(full)} then: none was left over."
        told.append(evidence(hits, metric, full, said, CPU_FULL))
    told += _shares_of(case, hits, component, found_by, had)
    return found(
        "contention",
        hits,
        f"{_who(found_by, had)} used the {name} at the same time: {percent(had)} of it "
        f"for {percent(part)} of the time",
        "Run them one after the other, or move one to another machine.",
        part * (had if component == "gpu" else share(had, mean(hits, "cpu_ratio") or 1.0)),
        told,
    )


def _shares_of(
    case: Case,
    hits: Sequence[Span],
    component: Component,
    found_by: Sequence[Taker],
    had: float,
) -> Iterator[Evidence]:
    """Yield what each of those that used most had, and what nobody is known to have had."""
    metric, name = f"{component}_ratio", component.upper()
    for one in [one for one in found_by if one.ratio >= NOTICEABLE][:NAMED]:
        cores = f" ({one.ratio * case.cores:.1f} cores)" if component == "cpu" else ""
        said = f"{_begun(one.name)} had {percent(one.ratio)} of the {name} then{cores}."
        yield evidence(hits, metric, one.ratio, said)
    left = had - sum(one.ratio for one in found_by)
    if case.owner != OTHERS and left >= UNLISTED:
        said = (
            f"Processes that were not listed had {percent(left)} of it: short-lived ones, or each "
            "of them small."
        )
        yield evidence(hits, metric, left, said)


def _who(found_by: Sequence[Taker], had: float) -> str:
    """Return the names of the two that used most beside the owner, if they used a real part."""
    much = [one for one in found_by[:2] if one.ratio >= REAL_PART * had]
    names = [one.name for one in much]
    if had - sum(one.ratio for one in found_by) > had / 2:
        names = [*names[:1], "others, which were not listed,"]
    return _begun(" and ".join(names) or "others, each of them small,")


def _begun(name: str) -> str:
    """Return a name at the begin of a sentence; that of a program stays as it is."""
    return name[0].upper() + name[1:] if name.startswith(("the ", "others")) else name
