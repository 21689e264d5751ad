"""Curves: merging new points into a stored one, and thinning one for a screen."""

from collections.abc import Sequence
from datetime import UTC, datetime
from itertools import pairwise

import numpy as np
from sqlalchemy import Connection, Row, select

from services.engines.mlflow.models import Point
from services.mirror import schema
from services.mirror.models import Curve

_POINTS_KEPT = 100_000


def merged_curve(
    old: tuple[bytes, bytes, bytes], points: Sequence[Point]
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return steps (int64), values (float64) and times (int64 ms), one a step, by step.

    Above 100,000 points every second one is dropped, the last kept.
    """
    steps = np.concatenate([np.frombuffer(old[0], "<i8"), [p.step for p in points]]).astype("<i8")
    values = np.concatenate([np.frombuffer(old[1], "<f8"), [p.value for p in points]])
    times = np.concatenate([np.frombuffer(old[2], "<i8"), [p.at_ms for p in points]])
    # The last one logged at a step wins: unique() keeps the first, so look from the end.
    _, first = np.unique(steps[::-1], return_index=True)
    keep = len(steps) - 1 - first
    steps, values, times = steps[keep], values[keep], times[keep]
    while len(steps) > _POINTS_KEPT:
        start = (len(steps) - 1) % 2
        steps, values, times = steps[start::2], values[start::2], times[start::2]
    return steps, values.astype("<f8"), times.astype("<i8")


def curve_of(row: Row, max_points: int) -> Curve:  # type: ignore[type-arg]  # of the curves table
    """Return a stored curve, thinned."""
    steps = np.frombuffer(row.steps, "<i8")
    values = np.frombuffer(row.values, "<f8")
    times = np.frombuffer(row.times, "<i8")
    keep = thinned(values, max_points)
    return Curve(
        row.run_id,
        row.key,
        tuple(steps[keep].tolist()),
        tuple(values[keep].tolist()),
        tuple(datetime.fromtimestamp(ms / 1000, UTC) for ms in times[keep].tolist()),
        row.points_total,
        int((~np.isfinite(values)).sum()),
    )


def thinned(values: np.ndarray, max_points: int) -> np.ndarray:
    """Return positions of at most ``max_points`` points: first, last, extremes of equal buckets.

    A bucket in which a value is NaN or infinite keeps its first such point: a gap stays one.
    """
    size = len(values)
    if size <= max_points:
        return np.arange(size)
    finite = np.isfinite(values)
    kept_each = 2 if finite.all() else 3
    edges = np.linspace(0, size, max(2, max_points // kept_each), dtype=np.int64)
    keep = {0, size - 1}
    for start, end in pairwise(edges):
        places = np.arange(start, end)
        good, odd = places[finite[start:end]], places[~finite[start:end]]
        if len(good):
            keep |= {int(good[values[good].argmin()]), int(good[values[good].argmax()])}
        if len(odd):
            keep.add(int(odd[0]))
    return np.array(sorted(keep))


def missing_curves(
    connection: Connection, run_ids: Sequence[str], keys: Sequence[str]
) -> tuple[tuple[str, str], ...]:
    """Return the (run, metric) pairs that have more than one point and are not held yet."""
    table = schema.curves
    held = {
        (row.run_id, row.key)
        for row in connection.execute(
            select(table.c.run_id, table.c.key).where(
                table.c.run_id.in_(run_ids), table.c.key.in_(keys)
            )
        )
    }
    metrics, runs, names = schema.metrics, schema.runs, schema.keys
    curved = connection.execute(
        select(runs.c.run_id, names.c.name)
        .join(metrics, metrics.c.rid == runs.c.rid)
        .join(names, names.c.key_id == metrics.c.key_id)
        .where(runs.c.run_id.in_(run_ids), names.c.name.in_(keys), names.c.kind == "m")
        .where(metrics.c.step > 0)
    )
    wanted = ((row.run_id, row.name) for row in curved)
    return tuple(pair for pair in wanted if pair not in held)
