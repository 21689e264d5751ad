"""Figures, times and addresses as causes tell them."""

from collections.abc import Sequence
from datetime import UTC, datetime
from urllib.parse import urlencode

import numpy as np

from services.causes.case import Case, Numbers, Side
from services.causes.comparing import LEAST, Codes, Strata
from services.causes.models import Kind
from services.telemetry.figures import percent

_SHOWN = 4


def moment(at: float) -> str:
    """Return a time for a sentence: UTC, to the minute."""
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M UTC")


def figure(case: Case, value: float) -> str:
    """Return a value of the case in its unit."""
    if case.symptom == "slow":
        return milliseconds(value)
    if case.metric == "mean absolute error":
        return f"{value:.4g}"
    return f"{value * 100:.3g} %"


def milliseconds(value: float) -> str:
    """Return a latency."""
    return f"{value / 1000:.3g} s" if value >= 1000 else f"{value:.3g} ms"


def measure(case: Case) -> str:
    """Return what the values are."""
    return {"slow": "mean latency", "errors": "failed"}.get(case.symptom, case.metric)


def begun(text: str) -> str:
    """Return a text as a sentence begins."""
    return text[:1].upper() + text[1:]


def address(page: str, **said: str | None) -> str:
    """Return the address of a page of the dashboard, from its root on."""
    return f"/{page}?{urlencode({name: value for name, value in said.items() if value})}"


def hardware(case: Case) -> str:
    """Return the page of the machine over the time that is compared."""
    if not case.host:
        return address("hardware")
    begin, end = (
        datetime.fromtimestamp(at, UTC).isoformat(timespec="seconds")
        for at in (max(case.then.since, case.onset - _BACK_S), case.now.until)
    )
    return address("hardware", host=case.host, start=begin, end=end)


_BACK_S = 3600.0


def deployment(case: Case, part: str | None = None) -> str:
    """Return the page of the endpoint."""
    return address("deployments", deployment=case.name, part=part)


def column(case: Case, name: str) -> str:
    """Return the page with a column then and now."""
    return address(
        "monitoring", deployment=case.name, verdict=case.verdict or None, column=name or None
    )


def chart(case: Case, kind: Kind, column: str = "") -> str:
    """Return the page with the chart of a cause, of the time that is compared."""
    return address(
        "monitoring", deployment=case.name, part="causes", symptom=case.symptom, cause=kind,
        column=column or None, since=f"{case.onset:.3f}", until=f"{case.now.until:.3f}",
    )  # fmt: skip


def spread(then: Numbers, now: Numbers, what: str) -> str:
    """Return the share of rows that something holds for, then and now; NaN is left out."""
    before, after = then[np.isfinite(then)], now[np.isfinite(now)]
    if not len(before) or not len(after):
        return ""
    return (
        f"{what}: {percent(float(before.mean()))} of {len(before):,} then, "
        f"{percent(float(after.mean()))} of {len(after):,} now."
    )


def average(then: Numbers, now: Numbers, what: str, unit: str = "") -> str:
    """Return a mean then and now."""
    before, after = then[np.isfinite(then)], now[np.isfinite(now)]
    if not len(before) or not len(after):
        return ""
    return (
        f"{what}: {before.mean():,.3g}{unit} on average of {len(before):,} then, "
        f"{after.mean():,.3g}{unit} of {len(after):,} now."
    )


def when(case: Case, strata: Strata) -> tuple[str, ...]:
    """Return how rows came out by stratum, on each side that has several."""
    told = []
    for word, codes, side in (("Then", strata.then, case.then), ("Now", strata.now, case.now)):
        parts = _parts(case, strata.labels, codes, side)
        if len(parts) > 1:
            told.append(f"{word}, {measure(case)}: {'; '.join(parts)}.")
    return tuple(told)


def _parts(case: Case, labels: Sequence[str], codes: Codes, side: Side) -> list[str]:
    whole, told = side.whole, []
    known = [place for place in range(len(labels)) if (codes == place).sum() >= LEAST]
    known.sort(key=lambda place: (-int((codes == place).sum()), labels[place]))
    for place in sorted(known[:_SHOWN], key=lambda place: labels[place]):
        mine = whole[codes == place]
        told.append(f"{figure(case, float(mine.mean()))} with {labels[place]} ({len(mine):,})")
    return told
