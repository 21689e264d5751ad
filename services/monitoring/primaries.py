"""What projects are judged by: the main metric of their contract, where labels can give it."""

from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING

from services.errors import PlatformError
from services.mirror import main_metric
from services.mirror.queries import Mirror
from services.monitoring import metrics
from services.monitoring.metrics import Metric

if TYPE_CHECKING:
    from services.settings import Settings


def metrics_of(projects: Collection[str], settings: "Settings") -> Mapping[str, Metric]:
    """Return by project the measure that its main metric is; one of another kind is left out.

    While the mirror is not there yet nothing is known: answers are measured by what labels give.
    """
    mirror = Mirror.open(settings)
    try:
        known = of_mirror(mirror)
    except PlatformError:
        return {}
    finally:
        mirror.engine.dispose()
    return {one: metric for one, metric in known.items() if one in projects}


def of_mirror(mirror: Mirror) -> Mapping[str, Metric]:
    """Return the same of all projects of a mirror.

    Raises:
        PlatformError: It cannot be read.
    """
    with mirror.connect() as connection:
        declared = main_metric.primaries(connection)
    known = {one.project: metrics.of_name(one.metric) for one in declared}
    return {one: metric for one, metric in known.items() if metric is not None}
