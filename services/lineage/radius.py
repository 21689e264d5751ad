"""What came of a thing and is in use: complete, whatever the number of runs between.

A walk shows a bounded part. This asks the mirror for all versions at once, and the journal for
what answers requests.
"""

import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import select

from services.actions.journal import Journal
from services.lineage import tags
from services.lineage.models import Ref
from services.lineage.reaching import How, Way, reached
from services.lineage.source import Projects, from_ms
from services.lineage.sources.collected import Rows
from services.lineage.sources.files import Files
from services.lineage.sources.serving import standing
from services.mirror import schema
from services.mirror.queries import Mirror
from services.serving import store

_MODELS = schema.models


@dataclass(frozen=True, slots=True)
class Affected:
    """A version that came of the thing."""

    ref: Ref
    project: str
    model: str
    version: int
    way: Way
    aliases: tuple[str, ...]
    run_id: str | None
    at: float | None
    serving: str = ""
    """live, canary, shadow or on its way; empty: it is not in service."""

    @property
    def how(self) -> How:
        """Return how it came of the thing."""
        return self.way.how

    @property
    def sure(self) -> bool:
        """Return whether it came from it for certain."""
        return self.how != "maybe"

    @property
    def why(self) -> str:
        """Return what lies between, as words; empty: nothing."""
        return self.way.why

    @property
    def live(self) -> bool:
        """Return whether requests reach it now."""
        return self.serving in {"live", "canary", "shadow"}


@dataclass(frozen=True, slots=True)
class Radius:
    """All that came of a thing."""

    ref: Ref
    runs: int
    """Training runs that had to do with it for certain, of the projects that the asker sees."""
    versions: tuple[Affected, ...]
    """Those in service first, then the newest."""
    hidden: int
    """Versions of projects that the asker does not see."""
    hidden_live: int
    """Of them those in service."""
    unknown: tuple[str, ...] = ()
    """Sentences: what could not be compared, so that there may be more."""

    @property
    def live(self) -> tuple[Affected, ...]:
        """Return those that requests reach now, and that came from it for certain."""
        return tuple(one for one in self.versions if one.live and one.sure)

    @property
    def maybe_live(self) -> tuple[Affected, ...]:
        """Return those that requests reach now, and that may have come from it."""
        return tuple(one for one in self.versions if one.live and not one.sure)

    def as_json(self) -> dict[str, Any]:
        """Return it in the documented shape."""
        return {
            "id": self.ref.id,
            "runs": self.runs,
            "versions": [
                {
                    "id": one.ref.id, "project": one.project, "model": one.model,
                    "version": one.version, "how": one.how, "aliases": list(one.aliases),
                    "run_id": one.run_id, "at": one.at, "serving": one.serving or None,
                    "live": one.live, "why": one.why,
                    "through": one.way.through.id if one.way.through else None,
                    "files_held": one.way.held.files if one.way.held else None,
                    "files_of": one.way.held.of if one.way.held else None,
                    "rows_held": one.way.rows.rows if one.way.rows else None,
                    "rows_labelled": one.way.rows.labelled if one.way.rows else None,
                }
                for one in self.versions
            ],
            "live": [one.ref.id for one in self.live],
            "maybe_live": [one.ref.id for one in self.maybe_live],
            "hidden": self.hidden,
            "hidden_live": self.hidden_live,
            "unknown": list(self.unknown),
        }  # fmt: skip


def radius(
    mirror: Mirror,
    journal: Journal,
    ref: Ref,
    projects: Projects = None,
    files: Files | None = None,
    rows: Rows | None = None,
) -> Radius:
    """Return what came of a thing.

    Args:
        mirror: What engines said.
        journal: What is deployed.
        ref: The thing.
        projects: Those the asker sees; None: all.
        files: What compares revisions of data; None: later data with its files are not followed.
        rows: What knows what was collected; None: data with its answers are not followed.

    Raises:
        InputError: Nothing comes of such a thing: it is a verdict, an alert or a retraining.
        PlatformError: The mirror, the journal or a data repository cannot be read.
    """
    found = reached(mirror, ref, projects, files, rows)
    serving = {(e.project, e.model): e for e in store.endpoints(journal)}
    aliases = _aliases(mirror, {one.numbered for one in found.rows})
    made = [
        Affected(
            one, *one.numbered, way, aliases.get(one.numbered, ()), row.run_id,
            from_ms(row.created_ms),
            standing(serving.get(one.numbered[:2]), one.numbered[2]),
        )
        for one, (row, way) in found.rows.items()
    ]  # fmt: skip
    seen = [one for one in made if projects is None or one.project in projects]
    unseen = [one for one in made if projects is not None and one.project not in projects]
    seen.sort(key=lambda one: (
        not one.live, not one.sure, not one.serving, -(one.at or 0.0), one.ref))  # fmt: skip
    return Radius(
        ref, found.runs, tuple(seen), len(unseen), sum(one.live for one in unseen),
        tuple(dict.fromkeys(found.unknown)),
    )  # fmt: skip


def _aliases(
    mirror: Mirror, wanted: Collection[tuple[str, str, int]]
) -> dict[tuple[str, str, int], tuple[str, ...]]:
    if not wanted:
        return {}
    names = sorted({where[1] for where in wanted})
    found: dict[tuple[str, str, int], list[str]] = {}
    for row in tags.rows_of(mirror, select(_MODELS), _MODELS.c.name, names):
        for alias, number in json.loads(row.aliases).items():
            found.setdefault((row.project, row.name, int(number)), []).append(alias)
    return {where: tuple(sorted(names)) for where, names in found.items()}


def said(one: Radius) -> str:
    """Return what a person is told of it first."""
    sure = [v for v in one.versions if v.sure]
    maybe = [v for v in one.versions if not v.sure]
    told = _came(sure)
    if maybe:
        told += f" {_perhaps(maybe)}"
    on_way = [v for v in one.versions if v.serving == "on its way"]
    if on_way:
        verb = "is" if len(on_way) == 1 else "are"
        told += f" {_versions(len(on_way))} of them {verb} on the way into service."
    if one.hidden:
        told += f" {_versions(one.hidden)} more of projects that you do not see"
        told += f", {one.hidden_live} of them in service." if one.hidden_live else "."
    if one.unknown:
        told += f" There may be more: {one.unknown[0]}"
    return told


def _came(sure: Sequence[Affected]) -> str:
    live = [v for v in sure if v.live]
    if live:
        verb = "answers" if len(live) == 1 else "answer"
        return f"{_names(live)} {verb} requests now and came from it."
    if sure:
        return f"{_versions(len(sure))} came from it; none answers requests now."
    return "No registered version came from it."


def _perhaps(maybe: Sequence[Affected]) -> str:
    """Return what is said of those that may have come from it: why of the first."""
    live = [v for v in maybe if v.live]
    first, many = (live or maybe)[0].why, len(live or maybe) > 1
    why = f" ({'for one: ' if many else ''}{first})" if first else ""
    if live:
        verb = "answers" if len(live) == 1 else "answer"
        return f"{_names(live)} {verb} requests now and may have come from it{why}."
    return f"{_versions(len(maybe))} may have come from it{why}; none answers requests now."


def _names(live: Sequence[Affected]) -> str:
    names = ", ".join(f"{v.project}.{v.model} {v.version}" for v in live[:5])
    return f"{names} and {len(live) - 5:,} more" if len(live) > 5 else names


def _versions(count: int) -> str:
    return "1 version" if count == 1 else f"{count:,} versions"
