"""Why a deployment got worse: causes by what they explain, each with then and now. Pure.

The same rows give the same answer, in whatever order they come. What was not there to be looked
at is said so, and never taken as fine.
"""

import math
from collections import Counter
from collections.abc import Callable
from dataclasses import replace

import numpy as np

from services.causes import comparing, data_checks, weighing
from services.causes.case import Case, Rows, Side
from services.causes.comparing import LEAST
from services.causes.data_checks import by_rows, by_verdict, labels
from services.causes.factor import Answer, Factor, Missing
from services.causes.machine_checks import clock, contention, low_power, memory, thermal
from services.causes.models import KINDS, Cause, Explanation, Kind, Standing, Stretch, Symptom
from services.causes.request_checks import (
    backend,
    batch,
    clients,
    load,
    payload,
    replicas,
    requests,
    restart,
)
from services.causes.version_checks import version
from services.causes.wording import begun, figure, milliseconds, moment

Check = Callable[[Case], Answer]
_ASKED: tuple[Check, ...] = (version, clients, requests)
_SERVED: tuple[Check, ...] = (
    restart, *_ASKED, batch, payload, backend, replicas, load, thermal, low_power, memory,
    contention, clock,
)  # fmt: skip
CHECKS: dict[Symptom, tuple[Check, ...]] = {
    "slow": _SERVED,
    "errors": _SERVED,
    "accuracy": (*_ASKED, backend, labels),
    "prediction": (*_ASKED, backend),
    "data": (clients, requests),
    "quality": (clients, requests),
}
"""What may be to blame: what a machine does changes no answer, no version changes what is asked."""
_ERROR = 120
RISE = 0.1
"""Share of what it was, by which a latency must rise to be worth an explanation."""


def explain(case: Case) -> Explanation:
    """Return the causes of one symptom."""
    if case.worse is False:
        return _nothing(case, "steady", "The newest verdict does not say that it drifted.")
    case = _ordered(case)
    if not _enough(case) and not _by_verdict_alone(case):
        return _nothing(case, "unknown", _too_few(case))
    if _enough(case) and not _worse(case):
        said = f"It is as it was: {_change(case)}"
        return _nothing(case, "steady", _joined(said, case.compared, case.searched))
    answers = _answers(case)
    missing = [one for one in answers if isinstance(one, Missing)]
    weighed = weighing.weigh(case, [one for one in answers if isinstance(one, Factor)])
    causes = _with_relation(case, weighed.causes)
    silent = {one.kind for one in missing}
    return Explanation(
        case.project,
        case.model,
        case.symptom,
        "worse",
        None if case.reference else case.onset,
        _said(case),
        causes,
        (*(f"{begun(KINDS[one.kind])}: {one.reason}." for one in missing), *case.unknown),
        tuple(kind for kind in weighed.clear if kind not in silent),
        _stretch(case.then),
        _stretch(case.now),
    )


def _answers(case: Case) -> list[Answer]:
    if not _enough(case):
        return by_verdict(case)
    found = [check(case) for check in CHECKS[case.symptom]]
    if case.reference:
        found = [one if one.kind not in _OF_REQUESTS else _of_nobody(one.kind) for one in found]
    if case.symptom in ("prediction", "accuracy"):
        return [*found, *by_rows(case)]
    if case.symptom in ("data", "quality"):
        return [*found, *by_verdict(case)]
    return found


_OF_REQUESTS: frozenset[Kind] = frozenset(
    ("version", "data_revision", "code", "clients", "requests", "backend")
)


def _of_nobody(kind: Kind) -> Missing:
    return Missing(kind, "it is compared with evaluation data, which nobody asked for")


def _with_relation(case: Case, causes: tuple[Cause, ...]) -> tuple[Cause, ...]:
    if case.symptom != "accuracy" or not _enough(case):
        return causes
    more = data_checks.relation(case, sum(one.weight for one in causes))
    if more is None:
        return causes
    order: list[Kind] = list(KINDS)
    every = (*causes, more)
    return tuple(sorted(every, key=lambda c: (-round(c.weight, 2), order.index(c.kind), c.title)))


def _by_verdict_alone(case: Case) -> bool:
    """Return whether verdicts tell which inputs moved, though the log has no rows of before."""
    drift: tuple[Symptom, ...] = ("data", "prediction", "quality")
    return case.symptom in drift and bool(case.moved)


def _enough(case: Case) -> bool:
    return min(len(case.then.rows), len(case.now.rows)) >= LEAST and bool(case.now.values)


def _worse(case: Case) -> bool:
    if case.worse is not None:
        return case.worse
    by = RISE if case.symptom == "slow" else 0.0
    return comparing.rose(case.then.whole, case.now.whole, by)


def _ordered(case: Case) -> Case:
    """Return the case with the rows of each side in the order of time, whatever order they had."""
    return replace(case, then=_sorted(case.then), now=_sorted(case.now))


def _sorted(side: Side) -> Side:
    if not len(side.rows):
        return side
    keys = [np.array([str(one) for one in getattr(side.rows, name)]) for name in ("key", "version")]
    order = np.lexsort((*keys, *side.values.values(), side.rows.at))
    rows: Rows = side.rows.take(order)
    return Side(
        side.since,
        side.until,
        rows,
        {name: values[order] for name, values in side.values.items()},
        {name: values[order] for name, values in side.columns.items()},
    )


def _nothing(case: Case, standing: Standing, said: str) -> Explanation:
    return Explanation(
        case.project, case.model, case.symptom, standing, None, said, (), case.unknown, (),
        _stretch(case.then), _stretch(case.now),
    )  # fmt: skip


def _too_few(case: Case) -> str:
    what = "rows with a label" if case.symptom == "accuracy" else "requests"
    said = (
        f"Nothing can be told: {len(case.then.rows):,} {what} of before {moment(case.onset)} and "
        f"{len(case.now.rows):,} of after it are known, and {LEAST} of each are needed."
    )
    return _joined(said, case.compared)


def _joined(*sentences: str) -> str:
    return " ".join(one for one in sentences if one)


def _said(case: Case) -> str:
    change = _change(case) if _enough(case) else "What moved is told by the newest verdict."
    return _joined(change, case.compared)


def _change(case: Case) -> str:
    then, now = case.then.whole, case.now.whole
    before, after = figure(case, float(then.mean())), figure(case, float(now.mean()))
    counts = f"{len(then):,} then, {len(now):,} now"
    if case.symptom == "slow":
        tails = [milliseconds(float(np.quantile(side, 0.95))) for side in (then, now)]
        return f"Latency {before} → {after} on average, p95 {tails[0]} → {tails[1]} ({counts})."
    if case.symptom == "errors":
        return f"{before} → {after} of the requests failed ({counts}).{_most_often(case.now)}"
    return f"{begun(case.metric)}: {before} → {after} ({counts})."


def _most_often(side: Side) -> str:
    """Return what most of the failed ones said."""
    bad = side.rows.error[side.whole > 0]
    said = Counter(str(one).splitlines()[0][:_ERROR] for one in bad if one)
    if not said:
        return ""
    first = max(said, key=lambda one: (said[one], one))
    return f" Most often now: “{first}” ({said[first]:,} of {len(bad):,})."


def _stretch(side: Side) -> Stretch | None:
    if math.isnan(side.since):  # evaluation data
        return None
    return Stretch(side.since, side.until, len(side.rows))
