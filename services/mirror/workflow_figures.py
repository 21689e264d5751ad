"""How the runs of workflows ended, and how long they took: counted without reading them whole."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from statistics import median

from sqlalchemy import select

from services.mirror import workflow_tables as tables
from services.mirror.queries import Mirror

_ENDED = ("success", "failed")


@dataclass(frozen=True, slots=True)
class Record:
    """What became of a workflow's runs."""

    ended: int
    succeeded: int
    median_s: float | None
    """Of those that succeeded, from their start to their end; None: none did."""

    @property
    def share(self) -> float | None:
        """Return how many of those that ended succeeded, 0–1; None: none ended."""
        return self.succeeded / self.ended if self.ended else None


def records(
    mirror: Mirror, dag_ids: Sequence[str], since: datetime | None = None
) -> Mapping[str, Record]:
    """Return the record of workflows over the runs that ended since a time; all have one.

    Raises:
        PlatformError: The mirror cannot be read.
    """
    table = tables.workflow_runs
    query = select(table.c.dag_id, table.c.state, table.c.started_ms, table.c.ended_ms).where(
        table.c.dag_id.in_(dag_ids), table.c.state.in_(_ENDED), table.c.ended_ms.is_not(None)
    )
    if since is not None:
        query = query.where(table.c.ended_ms >= since.timestamp() * 1000)
    lengths: dict[str, list[float]] = {name: [] for name in dag_ids}
    ended = dict.fromkeys(dag_ids, 0)
    succeeded = dict.fromkeys(dag_ids, 0)
    for row in mirror.rows(query):
        ended[row.dag_id] += 1
        if row.state == "success":
            succeeded[row.dag_id] += 1
            if row.started_ms is not None:
                lengths[row.dag_id].append((row.ended_ms - row.started_ms) / 1000)
    return {
        name: Record(ended[name], succeeded[name], median(found) if found else None)
        for name, found in lengths.items()
    }
