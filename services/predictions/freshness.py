"""When the last label of each model came: read out of the ends of files, no row is read."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from pathlib import Path

from services.errors import PlatformError
from services.home import Home
from services.predictions import querying
from services.predictions.folder import Folder
from services.predictions.tails import Look

Model = tuple[str, str]
"""Project, model."""
_DAYS = 2
"""Of a model, the newest days of predictions that have labels."""


def last_labels(home: Home) -> Mapping[Model, float]:
    """Return when the last label of each model came, seconds since 1970.

    Of predictions of the last two days that have any; labels that came since the last minute or
    two are not in files yet.

    Raises:
        PlatformError: The files cannot be read.
    """

    def ask(folder: Folder, look: Look) -> Mapping[Model, float]:
        days: dict[Model, list[Path]] = {}
        for one in reversed(folder.feedback()):  # the newest first
            of = days.setdefault((one.keys["project"], one.keys["model"]), [])
            if len(of) < _DAYS:
                of += _newest(one.files(look.names))
        found = {model: _said_at(paths) for model, paths in days.items()}
        return {model: at for model, at in found.items() if at is not None}

    return querying.consistently(home, ask)


def _newest(paths: Iterable[Path]) -> list[Path]:
    return sorted(paths, key=lambda path: path.stat().st_mtime)[-1:]


def _said_at(paths: Iterable[Path]) -> float | None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    found = []
    for path in paths:
        try:
            told = pq.read_metadata(path)
        except pa.ArrowInvalid as error:
            raise PlatformError(
                f"The prediction log cannot be read: {path} is damaged ({error}).",
                "Move it away: the others are read.",
            ) from error
        place = told.schema.to_arrow_schema().get_field_index("said_at")
        for group in range(told.num_row_groups):
            stats = told.row_group(group).column(place).statistics
            if stats is not None and stats.has_min_max and isinstance(stats.max, datetime):
                found.append(stats.max.timestamp())
    return max(found, default=None)
