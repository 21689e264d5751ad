"""How right answers were by the day, of the deployments whose labels came."""

from collections.abc import Iterator

from services.reports.models import Asked, Chart, Unit
from services.serving import store

SOURCE = "the prediction log and its labels"
_DAY_S = 86_400.0
_MOST = 9


def charts(asked: Asked) -> tuple[Chart, ...]:
    """Return a chart a deployment that has labels in the period, by name, nine at most.

    Raises:
        MlopsError: The journal or the prediction log cannot be read.
    """
    return tuple(one for one, _ in zip(_charts(asked), range(_MOST), strict=False))


def _charts(asked: Asked) -> Iterator[Chart]:
    from services.monitoring import accuracy  # SciPy with it
    from services.predictions.folder import Folder

    if not Folder(asked.home).rows() and not Folder(asked.home).segments():
        return
    begin = asked.window.since.replace(hour=0, minute=0, second=0, microsecond=0).timestamp()
    until, days = asked.window.until.timestamp(), asked.window.days
    for one in sorted(store.endpoints(asked.journal, asked.projects), key=lambda one: one.name):
        found = accuracy.read(asked.home, one.project, one.model, begin, until, _DAY_S)
        if found.overall is None:
            continue
        values: list[float | None] = [None] * len(days)
        for point in found.points:
            values[min(len(days) - 1, int((point.at - begin) // _DAY_S))] = point.quality.value
        word = found.overall.metric
        unit: Unit = "ratio" if word == "accuracy" else ""
        yield Chart(f"{one.name}: {word} a day", days, tuple(values), SOURCE, unit, line=True)
