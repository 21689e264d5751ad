"""What earlier trainings of a project took, and what earlier retrainings of a model brought."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median
from typing import Literal

from services.lineage.tags import TASK, task_of
from services.mirror.models import Run, RunQuery
from services.mirror.queries import Mirror
from services.retraining.models import Data, Evidence, Gain, Proposal, Range

ENERGY = "system/energy_j"
_ROLE = "mlops.role"
_DONE = "finished"
_COLUMNS = (f"metrics.{ENERGY}", f"tags.{TASK}", f"tags.{_ROLE}")
_TRAININGS = frozenset({"train", "retrain"})
_LOOKED_AT = 200
_KEPT = 20
"""The newest trainings; older ones were other code and other data."""


@dataclass(frozen=True, slots=True)
class Took:
    """What one training took: all runs that it made, together."""

    place: tuple[str, str] | None
    """DAG and run; None: no workflow did it."""
    technique: str | None
    minutes: float
    joules: float | None
    """None: of one of its runs it was not measured."""


def trainings(mirror: Mirror, project: str) -> tuple[Took, ...]:
    """Return a project's newest trainings, newest first: workflow runs, and runs by hand.

    A workflow run counts with all that it tried: a try that failed took its time and its energy,
    too. Left out is what came to nothing, and what goes on.

    Raises:
        PlatformError: The mirror cannot be read.
    """
    query = RunQuery(project=project, limit=_LOOKED_AT, columns=_COLUMNS)
    page = mirror.runs(query)
    grouped: dict[tuple[str, str] | str, list[Run]] = {}
    for run in page.rows:
        grouped.setdefault(_key(run), []).append(run)
    if page.total > len(page.rows):  # of the last there may be more than was looked at
        del grouped[_key(page.rows[-1])]
    found = [one for key, runs in grouped.items() if (one := _took(key, runs)) is not None]
    return tuple(found)


def _key(run: Run) -> tuple[str, str] | str:
    place = task_of(run.tags)
    return place[:2] if place else run.run_id


def _took(key: tuple[str, str] | str, runs: Sequence[Run]) -> Took | None:
    if all(run.status != _DONE for run in runs):
        return None
    by_hand = isinstance(key, str)
    if by_hand and runs[0].tags.get(_ROLE) == "evaluation":
        return None
    if not by_hand and key[0].partition(".")[2] not in _TRAININGS:
        return None
    seconds = [run.duration_s for run in runs]
    known = [one for one in seconds if one is not None and one >= 0]
    if len(known) < len(runs):
        return None
    energy = [run.metrics.get(ENERGY) for run in runs]
    measured = [one for one in energy if one is not None and math.isfinite(one)]
    joules = sum(measured) if len(measured) == len(runs) else None
    techniques = {run.technique for run in runs}
    technique = techniques.pop() if len(techniques) == 1 else None
    return Took(None if by_hand else (key[0], key[1]), technique, sum(known) / 60, joules)


def cost(found: Sequence[Took], technique: str | None) -> tuple[Range | None, Range | None, str]:
    """Return minutes and joules of a training, and what they rest on.

    Workflow runs go first: a retraining is one. Else runs by hand of the version's technique.
    """
    whole = [one for one in found if one.place is not None][:_KEPT]
    if whole:
        times = f"{len(whole)} workflow run" + ("s" if len(whole) > 1 else "")
        return (*_cost(whole), f"{times} of the project")
    alike = [one for one in found if technique is not None and one.technique == technique][:_KEPT]
    if alike:
        times = f"{len(alike)} run" + ("s" if len(alike) > 1 else "")
        return (*_cost(alike), f"{times} of {technique}")
    return None, None, "no training of it is known"


def _cost(some: Sequence[Took]) -> tuple[Range | None, Range | None]:
    return ranged([one.minutes for one in some]), ranged(
        [one.joules for one in some if one.joules is not None]
    )


def ranged(values: Sequence[float]) -> Range | None:
    """Return the middle of figures and between what they lie; None of none."""
    if not values:
        return None
    return Range(median(values), min(values), max(values), len(values))


def gain(past: Sequence[Proposal], metric: str | None, goal: Literal["max", "min"]) -> Gain | None:
    """Return what earlier retrainings of a model changed its metric by; None: none tells."""
    if metric is None:
        return None
    found = ranged(
        [
            one.change
            for one in past
            if one.state in ("promoted", "dropped") and one.change is not None
        ]
    )
    return None if found is None else Gain(metric, goal, found)


def answered(past: Sequence[Proposal], evidence: Sequence[Evidence], data: Data) -> int | None:
    """Return the retraining that was promoted for the same cause, and learned from the same data.

    Args:
        past: The model's retrainings, newest first.
        evidence: The reasons there are now.
        data: With which it would train now. What is not known to be other data is the same.

    Returns:
        The newest one's number; None: there is none.
    """
    ids = {one.alert for one in evidence if one.alert is not None}
    keys = {one.key for one in evidence if one.key}
    for one in past:
        same = any(told.alert in ids or told.key in keys for told in one.evidence if told.alert)
        if one.state == "promoted" and same:
            other = data.newer and (data.revision is None or data.revision != one.data.revision)
            return None if other else one.id
    return None
