"""What was measured of a failed try, row by row; what was not says why."""

from collections.abc import Iterator, Mapping
from typing import Any

from services.telemetry.conditions import Conditions
from services.workflows.failure_parts import (
    Fact,
    Surroundings,
    amount,
    inside,
    number,
    table,
    words,
)
from services.workflows.words import span


def facts_of(
    kind: str,
    evidence: Mapping[str, Any],
    before: Mapping[str, Any] | None,
    ran_under: Surroundings | str,
) -> Iterator[Fact]:
    """Yield what was measured."""
    code, signal = evidence.get("exit_code"), evidence.get("signal")
    if signal or code is not None:
        yield Fact("Ended by", str(signal) if signal else f"exit code {code}")
    raised = words(inside(evidence, "exception", "name"))
    if raised:
        yield Fact("Exception", raised)
    yield from _memory(table(evidence.get("memory")), telling=kind == "memory")
    seconds, timeout = number(evidence.get("seconds")), number(evidence.get("timeout_s"))
    if seconds is not None:
        most = f" of at most {span(timeout)}" if timeout else ""
        yield Fact("Ran for", f"{span(seconds)}{most}", telling=kind == "timeout")
    yield _disk(evidence, telling=kind == "disk")
    yield _environment(evidence, before, telling=kind == "packages")
    yield from _pauses(evidence)
    yield from _surroundings(ran_under, kind)
    host = words(inside(evidence, "host", "name"))
    if host:
        yield Fact("Machine", host)


def _pauses(evidence: Mapping[str, Any]) -> Iterator[Fact]:
    pauses, paused_s = evidence.get("pauses"), number(evidence.get("paused_s"))
    if not isinstance(pauses, list) or not pauses:
        return
    times = "once" if len(pauses) == 1 else f"{len(pauses)} times"
    lasted = "" if paused_s is None else f", {span(paused_s)} in all"
    yield Fact("Paused", f"{times} by the thermal policy{lasted}")


def _memory(memory: Mapping[str, Any], *, telling: bool) -> Iterator[Fact]:
    peak, limit = number(memory.get("peak_bytes")), number(memory.get("limit_bytes"))
    most = f" of {amount(limit)} it may have" if limit else "; it has no limit"
    if peak is None:
        yield Fact("Most memory", "not measured: it ended before the first look", known=False)
    else:
        yield Fact("Most memory", f"{amount(peak)}{most}", telling=telling)
    free = number(memory.get("host_available_min_bytes"))
    if free is not None:
        yield Fact("Least free memory of the machine", amount(free))
    kills = number(memory.get("oom_kills"))
    if kills:
        said = f"{kills:.0f} processes meanwhile"
        yield Fact("Ended by the system for want of memory", said, telling=telling)


def _disk(evidence: Mapping[str, Any], *, telling: bool) -> Fact:
    disk = table(evidence.get("disk_after")) or table(evidence.get("disk"))
    free, total = number(disk.get("free_bytes")), number(disk.get("total_bytes"))
    if free is None:
        return Fact("Free disk", "could not be asked", known=False)
    of = f" of {amount(total)}" if total else ""
    return Fact("Free disk", f"{amount(free)}{of}", telling=telling)


def _environment(
    evidence: Mapping[str, Any], before: Mapping[str, Any] | None, *, telling: bool
) -> Fact:
    versions = table(inside(evidence, "packages", "versions"))
    if not versions:
        return Fact("Environment", "it has none of its own that could be read", known=False)
    count = len(versions.keys() - {"python"})
    python = f", Python {versions['python']}" if versions.get("python") else ""
    was, now = (inside(one, "packages", "fingerprint") for one in (before, evidence))
    same = ""
    if was and now:
        same = "; as at its last success" if was == now else "; not as at its last success"
    said = f"{count:,} package{'' if count == 1 else 's'}{python}{same}"
    return Fact("Environment", said, telling=telling)


def _surroundings(ran_under: Surroundings | str, kind: str) -> Iterator[Fact]:
    """Heat and power while it ran; what the machine does not tell is said to be so."""
    if isinstance(ran_under, str):
        if ran_under:
            yield Fact("Heat and power", ran_under, known=False)
        return
    found = ran_under.conditions
    if found.coverage <= 0:
        yield Fact("Heat and power", "no sample was taken meanwhile", known=False)
        return
    if ran_under.last_s is not None:
        yield Fact("Heat and power", f"of its last {span(ran_under.last_s)}")
    yield _heat(found, telling=kind == "timeout")
    if found.pressure_max is None:
        yield Fact("Memory pressure", "its machine does not tell", known=False)
    else:
        yield Fact("Memory pressure", f"level {found.pressure_max} at most")
    yield _supply(found)
    yield _power(ran_under)
    if ran_under.causes:
        titles = "; ".join(cause.title for cause in ran_under.causes[:3])
        yield Fact("Slowed down by", titles, telling=kind == "timeout")


def _heat(found: Conditions, *, telling: bool) -> Fact:
    if found.thermal_max is None:
        return Fact("Heat", "its machine does not tell", known=False)
    hot = f", throttled {found.throttled:.0%} of the time" if found.throttled else ""
    return Fact("Heat", f"level {found.thermal_max} at most{hot}", telling=telling and bool(hot))


def _supply(found: Conditions) -> Fact:
    shares = (("Low Power Mode", found.low_power), ("battery", found.battery))
    on = [f"{word} {share:.0%} of the time" for word, share in shares if share]
    if on:
        return Fact("Power", ", ".join(on))
    if found.battery is None:
        return Fact("Power", "its machine does not tell", known=False)
    return Fact("Power", "plugged in")


def _power(ran_under: Surroundings) -> Fact:
    power = ran_under.power
    if power.value is None:
        return Fact("Power drawn", power.reason or "its machine does not tell", known=False)
    about = "≈ " if power.quality == "estimated" else ""
    return Fact("Power drawn", f"{about}{power.value:.1f} W by {ran_under.power_of}, on average")
