"""Runs counted by the day they started."""

from datetime import UTC, date, datetime

import numpy as np

from services.mirror.columns import Columns
from services.mirror.text import Mask

_DAY_S = 86_400


def per_day(columns: Columns, mask: Mask, since: datetime) -> tuple[tuple[date, int, int], ...]:
    """Return (UTC day, runs started, of them failed or lost), oldest first, no day left out."""
    started = columns.started_ms[: columns.size]
    mask = mask & (started >= since.timestamp() * 1000)
    days = (started[mask] // (1000 * _DAY_S)).astype(np.int64)
    failed = columns.texts["status"].equal("failed", "lost")[: columns.size][mask]
    first = int(since.timestamp() // _DAY_S)
    last = int(datetime.now(UTC).timestamp() // _DAY_S)
    return tuple(
        (
            datetime.fromtimestamp(day * _DAY_S, UTC).date(),
            int((days == day).sum()),
            int(failed[days == day].sum()),
        )
        for day in range(first, last + 1)
    )
