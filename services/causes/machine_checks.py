"""Circumstances of the machine: heat, Low Power Mode, memory, its GPU's clock, who else uses it.

What counts as throttled, short of memory or a fallen clock is what ``telemetry.state_checks`` takes
for it, so a run and a deployment that were slowed by the same thing are told the same.
"""

import numpy as np
from numpy.typing import NDArray

from services.causes.case import OWN, Case, Holder, Numbers, Other
from services.causes.comparing import Codes, Strata
from services.causes.factor import (
    Answer,
    Factor,
    Figure,
    Missing,
    above,
    evidence,
    known,
    mean_of,
    told,
)
from services.causes.wording import address, average, hardware, spread, when
from services.engines.names import title as engine_title
from services.telemetry.figures import percent
from services.telemetry.state_checks import CLOCK_FALL, PRESSURE, SWAP_BYTES_S, THROTTLED

Flags = NDArray[np.bool_]
_MORE = 0.1
"""Share of the rows by which a state must hold more often than before."""
_NO_TELEMETRY = "no telemetry of its machine is kept of that time"
_USED = (
    "hardly used by others", "somewhat used by others", "much used by others",
    "mostly used by others",
)  # fmt: skip
_GROWN_BYTES = 256e6
"""Growth from which on it is told whose memory it is."""
_NAMED = 3


def thermal(case: Case) -> Answer:
    """Look for throttling by heat: a thermal level of 1 and more."""
    then, now = told(case, "thermal")
    if not known(then, now):
        return Missing("thermal", "the machine tells no thermal level")
    strata = above(then, now, THROTTLED, ("thermal level 0", "thermal level 1 and more"))
    top = int(np.nanmax(now)) if np.isfinite(now).any() else 0
    return Factor(
        "thermal",
        strata,
        _more(then >= THROTTLED, now >= THROTTLED),
        f"The machine is throttled by heat (thermal level {top})",
        evidence(
            spread(*_states(then, now, THROTTLED), "Thermal level 1 and more"), *when(case, strata)
        ),
        "Let it cool down, give it air, or move work to another machine.",
        hardware(case),
        figure=Figure("Thermal level", "", then, now),
    )


def low_power(case: Case) -> Answer:
    """Look for Low Power Mode."""
    then, now = told(case, "low_power")
    if not known(then, now):
        return Missing("low_power", "the machine does not tell whether it saves power")
    strata = above(then, now, 1.0, ("full power", "Low Power Mode"))
    return Factor(
        "low_power",
        strata,
        _more(then >= 1, now >= 1),
        "Low Power Mode was turned on: it caps the clocks",
        evidence(spread(then, now, "Low Power Mode"), *when(case, strata)),
        "Turn it off (System Settings → Battery).",
        hardware(case),
    )


def memory(case: Case) -> Answer:
    """Look for memory pressure of 2 and more, or for swap-ins."""
    pressure, swap = told(case, "pressure"), told(case, "swap")
    if not known(*pressure) and not known(*swap):
        return Missing("memory", "the machine tells neither memory pressure nor swap")
    then, now = (_short(pressure[side], swap[side]) for side in (0, 1))
    strata = above(then, now, 1.0, ("memory enough", "memory short"))
    rate = average(swap[0] / 1e6, swap[1] / 1e6, "Read back from swap", " MB/s")
    grown = [one for one in case.holders if one.grown_bytes >= _GROWN_BYTES]
    held = [_held(case, one) for one in grown[:_NAMED]]
    title, link = "The machine is short of memory", hardware(case)
    if grown:
        more = f"{grown[0].grown_bytes / 1e9:.1f} GB more than before"
        title += f": {_inside(_owner(case, grown[0]))} {_holds(grown[0])} {more}"
        link = _link(case, grown[0])
    return Factor(
        "memory",
        strata,
        _more(then >= 1, now >= 1),
        title,
        evidence(*held, spread(then, now, "Memory pressure or swap"), rate, *when(case, strata)),
        "End what else holds memory, or give the endpoint fewer model servers or a quantised "
        "version.",
        link,
    )


def _held(case: Case, one: Holder) -> str:
    then, now = one.then_bytes / 1e9, one.now_bytes / 1e9
    return f"{_owner(case, one)} held {then:.1f} GB then, {now:.1f} GB now."


def _holds(one: Holder) -> str:
    return "hold" if one.owner in ("", OWN) else "holds"


def _inside(owner: str) -> str:
    """Return an owner's name within a sentence."""
    return owner[:1].lower() + owner[1:]


def _short(pressure: Numbers, swap: Numbers) -> Numbers:
    unknown = ~np.isfinite(pressure) & ~np.isfinite(swap)
    short = (np.nan_to_num(pressure) >= PRESSURE) | (np.nan_to_num(swap) >= SWAP_BYTES_S)
    return np.where(unknown, np.nan, short.astype(float))


def clock(case: Case) -> Answer:
    """Look for a clock of the GPU a tenth lower than it was."""
    then, now = told(case, "clock")
    if not known(then, now):
        return Missing("clock", "the machine tells no clock of its GPU")
    before = float(np.nanmedian(then))
    bound = (1 - CLOCK_FALL) * before
    label = f"{bound:,.0f} MHz"
    strata = above(-then, -now, -bound, (f"more than {label}", f"at most {label}"))
    after = float(np.nanmedian(now))
    return Factor(
        "clock",
        strata,
        after < bound,
        f"The GPU's clock fell from {before:,.0f} to {after:,.0f} MHz",
        evidence(average(then, now, "Clock of the GPU", " MHz"), *when(case, strata)),
        "Look at heat, power and Low Power Mode of the machine: one of them caps the clock.",
        hardware(case),
        figure=Figure("Clock of the GPU", "MHz", then, now),
    )


def contention(case: Case) -> Answer:
    """Look for others that use more of the machine than before."""
    then, now = told(case, "others")
    if not known(then, now):
        return Missing("contention", _NO_TELEMETRY)
    strata = Strata(_codes(then), _codes(now), _USED)
    first = case.others[0] if case.others else None
    title = "Others use the machine at the same time"
    lines = [
        f"{_owner(case, one)} had {percent(one.then)} of the machine then, {percent(one.now)} now."
        for one in case.others[:_NAMED]
    ]
    if case.own is not None and lines:
        then_own, now_own = (percent(one) for one in case.own)
        lines.append(f"Its own model servers had {then_own} then, {now_own} now.")
    if first is not None:
        title = (
            f"{_owner(case, first)} uses the same machine: {percent(first.now)} of its CPU or GPU"
        )
    return Factor(
        "contention",
        strata,
        mean_of(now) > mean_of(then) + _MORE,
        title,
        evidence(*lines, spread(*_states(then, now, 1), "Used by others"), *when(case, strata)),
        "Let it run elsewhere or later (`mlops queue`), or move the endpoint to another machine.",
        _link(case, first),
    )


def _states(then: Numbers, now: Numbers, bound: float) -> tuple[Numbers, Numbers]:
    """Return 1 where a figure is at a bound and above, NaN where it is not known."""
    before, after = (
        np.where(np.isfinite(side), (side >= bound).astype(float), np.nan) for side in (then, now)
    )
    return before, after


def _more(then: Flags, now: Flags) -> bool:
    return float(now.mean()) >= float(then.mean()) + _MORE


def _codes(values: Numbers) -> Codes:
    codes: Codes = np.where(np.isfinite(values), np.nan_to_num(values), -1).astype(np.int64)
    return codes


def _foreign(case: Case, one: Other | Holder) -> bool:
    """Return whether it is another project's: who reads this may not see that one."""
    return bool(one.project) and one.project != case.project


def _owner(case: Case, one: Other | Holder) -> str:
    if one.owner == OWN:
        return "Its own model servers"
    if _foreign(case, one):
        return "Work of another project"
    kind, _, name = one.owner.partition(":")
    of = f" of {one.project}" if one.project else ""
    if kind == "run":
        return f"The run {name[:8]}{of}"
    if kind == "replica":
        return f"The deployment {name.rpartition(':')[0]}"
    if kind == "engine":
        return f"The engine {engine_title(name)}"
    if kind == "task":
        return f"The task {name}{of}"
    return "Somebody's own programs"


def _link(case: Case, one: Other | Holder | None) -> str:
    if one is None or _foreign(case, one):
        return hardware(case)
    if one.owner.startswith("run:"):
        return address("run", run=one.owner.partition(":")[2])
    if one.owner.startswith("replica:"):
        return address("deployments", deployment=one.owner.split(":")[1])
    return hardware(case)
