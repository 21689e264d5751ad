"""How strictly checks judge, where somebody said: of a project, or of one model; in the journal.

What a model has goes before what its project has.
"""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy import delete, insert, select

from services.actions import database, schema
from services.actions.journal import Journal
from services.errors import InputError
from services.monitoring.models import Settings

_TABLE = schema.monitoring_settings
THRESHOLDS, ALARMS = (0.01, 10.0), (0.0001, 1.0)
MOST_COLUMNS = 1_000


@dataclass(frozen=True, slots=True)
class Said:
    """Settings that somebody chose."""

    settings: Settings
    by: str
    at: float
    """Seconds since 1970."""


def all_said(journal: Journal) -> Mapping[tuple[str, str], Said]:
    """Return what was said by project and model; the model is empty for all of a project.

    Raises:
        JournalError: The journal cannot be read.
    """
    with journal.read() as connection:
        rows = connection.execute(select(_TABLE)).all()
    return {
        (row.project, row.model): Said(
            Settings.from_json(json.loads(row.body)), row.by, row.set_ms / 1000
        )
        for row in rows
    }


def of(known: Mapping[tuple[str, str], Said], project: str, model: str) -> Settings:
    """Return what counts for a model: its own, else its project's, else the default."""
    found = known.get((project, model)) or known.get((project, ""))
    return Settings() if found is None else found.settings


def put(journal: Journal, project: str, model: str, said: Said | None) -> None:
    """Keep settings of a model (empty: of a project); None takes them back.

    Raises:
        JournalError: The journal cannot be written.
    """
    with journal.write() as connection:
        database.lock(connection, _TABLE.name)
        mine = (_TABLE.c.project == project, _TABLE.c.model == model)
        connection.execute(delete(_TABLE).where(*mine))
        if said is not None:
            row = {
                "project": project, "model": model, "body": json.dumps(said.settings.as_json()),
                "by": said.by, "set_ms": round(said.at * 1000),
            }  # fmt: skip
            connection.execute(insert(_TABLE).values(**row))


def check(wanted: Settings) -> None:
    """Refuse settings that cannot be.

    Raises:
        InputError: The message says what is wrong with them.
    """
    for what, value, (least, most) in (
        ("The threshold", wanted.threshold, THRESHOLDS),
        ("The number of false alarms a day", wanted.alarms_a_day, ALARMS),
    ):
        if not (math.isfinite(value) and least <= value <= most):
            raise InputError(f"{what} is {value:g}; it is {least:g} to {most:g}.")
    strange = [name for name in wanted.ignored if not name.startswith("input.") or "\n" in name]
    if strange:
        raise InputError(
            f"{strange[0][:80]!r} is no input that could be left out.",
            "Name it as `mlops drift show` does: input.NAME. What a model answers is compared.",
        )
    if len(wanted.ignored) > MOST_COLUMNS:
        raise InputError(f"{len(wanted.ignored):,} columns are too many; {MOST_COLUMNS:,} go.")


def said(wanted: Settings) -> str:
    """Return settings as a sentence."""
    left_out = (
        f"all inputs but {', '.join(wanted.ignored)} are compared"
        if wanted.ignored
        else "all inputs are compared"
    )
    return (
        f"A shift counts from {wanted.threshold:g} on, with at most {wanted.alarms_a_day:g} false "
        f"alarms a day; {left_out}."
    )
