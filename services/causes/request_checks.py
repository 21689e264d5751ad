"""Circumstances of the requests and of the endpoint: who asks what, load, model servers."""

import numpy as np

from services.causes.case import Case, Numbers, Rows, Texts
from services.causes.comparing import LEAST, Strata, binned, changed, named, ranged
from services.causes.factor import (
    QUEUE,
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
from services.causes.wording import average, begun, deployment, spread, when
from services.telemetry.figures import percent

_MORE = 1.1
"""Times a figure must be larger than before."""
_RESTARTED = 0.01
"""Share of the requests near an end of a model server from which on it can explain something."""


def restart(case: Case) -> Answer:
    """Look for model servers that ended or began anew."""
    then, now = told(case, "restart")
    if not known(then, now):
        return Missing("restart", "the history of the endpoint cannot be read")
    strata = above(then, now, 1.0, ("no restart near", "a restart near"))
    count = len(case.restarts)
    return Factor(
        "restart",
        strata,
        float(now.mean()) >= float(then.mean()) + _RESTARTED,
        f"Model servers began anew: {count} time{'s' if count != 1 else ''}",
        evidence(
            spread(then, now, "Requests within a minute of it"),
            *case.restarts[:2],
            *when(case, strata),
        ),
        "Read what they wrote last (part Replicas); roll back if a version keeps ending.",
        deployment(case, "Replicas"),
    )


def requests(case: Case) -> Answer:
    """Look for another mix of ways to ask."""
    strata = named(case.then.rows.api.tolist(), case.now.rows.api.tolist())
    return Factor(
        "requests",
        strata,
        changed(strata),
        f"Requests come another way: {_moved(strata)}",
        evidence(*_mix(strata), *when(case, strata)),
        "Look who began to ask this way, and whether it takes the same columns.",
        deployment(case),
    )


def clients(case: Case) -> Answer:
    """Look for another mix of API keys."""
    strata = named(_keys(case.then.rows.key), _keys(case.now.rows.key))
    return Factor(
        "clients",
        strata,
        changed(strata),
        f"Others ask: {_moved(strata)}",
        evidence(*_mix(strata), *when(case, strata)),
        "Ask whoever has this key what they send; give them an endpoint of their own if it is "
        "another kind of data.",
        deployment(case, "Keys"),
    )


def _keys(keys: Texts) -> list[str]:
    return [f"key {key}" if key else "no key" for key in keys]


def backend(case: Case) -> Answer:
    """Look for another machine, or another backend on it."""
    strata = named(_places(case.then.rows), _places(case.now.rows))
    return Factor(
        "backend",
        strata,
        changed(strata),
        f"Another backend or machine answers: {_moved(strata)}",
        evidence(*_mix(strata), *when(case, strata)),
        "See why this backend was chosen (part Versions); deploy with --backend to choose another.",
        deployment(case, "Versions"),
    )


def _places(rows: Rows) -> list[str]:
    pairs = zip(rows.backend, rows.host, strict=True)
    return [" on ".join(part for part in pair if part) for pair in pairs]


def batch(case: Case) -> Answer:
    """Look for more rows a request."""
    then, now = told(case, "rows")
    if not known(then, now):
        return Missing("batch", "the log does not tell how many rows were asked")
    before, after = mean_of(then), mean_of(now)
    strata = ranged(binned(then, now), then, now, "rows")
    return Factor(
        "batch",
        strata,
        after >= _MORE * before,
        f"Requests are larger: {after:,.3g} rows each instead of {before:,.3g}",
        evidence(average(then, now, "Rows a request"), *when(case, strata)),
        "Ask whoever sends them for smaller ones, or deploy with a larger --max-batch.",
        deployment(case),
        figure=Figure("Rows a request", "rows", then, now),
    )


def payload(case: Case) -> Answer:
    """Look for larger rows."""
    then, now = told(case, "row_bytes")
    if not known(then, now):
        return Missing("payload", "the log keeps no inputs, so their size is not known")
    before, after = mean_of(then), mean_of(now)
    strata = ranged(binned(then, now), then, now, "bytes")
    return Factor(
        "payload",
        strata,
        after >= _MORE * before,
        f"Rows are larger: {after:,.0f} bytes each instead of {before:,.0f}",
        evidence(average(then, now, "Size of a row", " bytes"), *when(case, strata)),
        "Ask whoever sends them whether longer texts or larger pictures are meant.",
        deployment(case),
        figure=Figure("Size of a row", "bytes", then, now),
    )


def load(case: Case) -> Answer:
    """Look for more requests a second."""
    then, now = told(case, "rate")
    before, after = mean_of(then), mean_of(now)
    strata = ranged(binned(then, now), then, now, "requests/s")
    return Factor(
        "load",
        strata,
        after >= _MORE * before,
        f"It is asked more often: {after:,.3g} requests a second instead of {before:,.3g}",
        evidence(
            average(then, now, "Requests a second around each"),
            _waited(case),
            *when(case, strata),
        ),
        f"`mlops scale {case.project}/{case.model} --replicas 1:4` gives it more model servers.",
        deployment(case),
        parts=QUEUE,
        figure=Figure("Requests a second", "/s", then, now),
    )


def replicas(case: Case) -> Answer:
    """Look for fewer model servers."""
    then, now = told(case, "replicas")
    if not known(then, now):
        return Missing("replicas", "telemetry does not tell how many model servers there were")
    before, after = mean_of(then), mean_of(now)
    strata = named(_counts(then), _counts(now))
    return Factor(
        "replicas",
        strata,
        after * _MORE <= before,
        f"Fewer model servers: {after:,.3g} instead of {before:,.3g}",
        evidence(
            average(then, now, "Model servers"), _waited(case), *case.restarts[:1],
            *when(case, strata),
        ),
        f"`mlops scale {case.project}/{case.model} --replicas 2:4` keeps two at least.",
        deployment(case, "Replicas"),
        parts=QUEUE,
        figure=Figure("Model servers", "", then, now),
    )  # fmt: skip


def _counts(values: Numbers) -> list[str]:
    return [f"{one:.0f} model servers" if np.isfinite(one) and one else "" for one in values]


def _waited(case: Case) -> str:
    if "queue" not in case.then.values or "queue" not in case.now.values:
        return ""
    then, now = case.then.values["queue"], case.now.values["queue"]
    return average(then, now, "Waited for a model server", " ms")


def _shares(strata: Strata) -> list[tuple[str, float, float, int, int]]:
    found = []
    then, now = (side[side >= 0] for side in (strata.then, strata.now))
    if min(len(then), len(now)) < LEAST:
        return []
    for place, label in enumerate(strata.labels):
        before, after = int((then == place).sum()), int((now == place).sum())
        found.append((label, before / len(then), after / len(now), len(then), len(now)))
    return sorted(found, key=lambda one: (-abs(one[2] - one[1]), one[0]))


def _mix(strata: Strata) -> list[str]:
    return [
        f"{begun(label)}: {percent(before)} of {n_then:,} then, {percent(after)} of {n_now:,} now."
        for label, before, after, n_then, n_now in _shares(strata)[:3]
        if before != after
    ]


def _moved(strata: Strata) -> str:
    """Return what there is more of, by most."""
    more = [one for one in _shares(strata) if one[2] > one[1]]
    if not more:
        return "as before"
    label, before, after, _, _ = more[0]
    return f"{label} has {percent(after)} of the requests, it had {percent(before)}"
