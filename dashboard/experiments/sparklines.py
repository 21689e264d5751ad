"""The main curve of each row: one metric a project, so that rows of a project can be compared."""

import math
from collections.abc import Iterable, Mapping, Sequence

from services.mirror.models import Curve, Run

FALLBACKS = ("loss", "train_loss", "train/loss", "val_loss")
MAX_POINTS = 32


def candidates(runs: Iterable[Run], primaries: Mapping[str, str]) -> tuple[str, ...]:
    """Return the metrics that may be the main curve of these runs, the likeliest first."""
    own = (primaries[run.project] for run in runs if run.project in primaries)
    return tuple(dict.fromkeys((*own, *FALLBACKS)))


def main_curves(
    runs: Sequence[Run], curves: Iterable[Curve], keys: Sequence[str], primaries: Mapping[str, str]
) -> tuple[dict[str, list[float]], dict[str, str]]:
    """Return the values of each run's main curve, and the metric it is, by project.

    A project's main curve is its primary metric when that was logged over steps, else the first of
    ``keys`` that was.
    """
    held: dict[tuple[str, str], list[float]] = {}
    for curve in curves:
        values = [value for value in curve.values if math.isfinite(value)]
        if len(values) > 1:
            held[curve.run_id, curve.key] = values
    chosen: dict[str, str] = {}
    for project in dict.fromkeys(run.project for run in runs):
        ids = [run.run_id for run in runs if run.project == project]
        order = [primaries[project], *keys] if project in primaries else list(keys)
        metric = next((k for k in order if any((i, k) in held for i in ids)), None)
        if metric is not None:
            chosen[project] = metric
    drawn = {
        run.run_id: held[run.run_id, chosen[run.project]]
        for run in runs
        if (run.run_id, chosen.get(run.project, "")) in held
    }
    return drawn, chosen
