"""Training runs, and the versions that were registered from them."""

import json
from collections.abc import Sequence
from typing import Any

from sqlalchemy import Row, select, tuple_

from services.lineage import tags
from services.lineage.models import Broken, Kind, Link, More, Node, Ref, numbered
from services.lineage.source import Found, from_ms, of_kind
from services.mirror import schema
from services.mirror.queries import Mirror

REGISTERED, READ = "was registered as", "is in the tags of"
_VERSIONS, _MODELS = schema.versions, schema.models


class RegistrySource:
    """Edges of runs and versions."""

    kinds: frozenset[Kind] = frozenset(("run", "version"))

    def __init__(self, mirror: Mirror) -> None:
        self._mirror = mirror

    def up(self, refs: Sequence[Ref], most: int) -> Found:
        """Return the runs of versions; of one whose run is gone, the data that it names itself."""
        del most
        found = Found()
        rows = self._rows(of_kind(refs, "version"))
        runs = tags.runs(self._mirror, [row.run_id for row in rows.values() if row.run_id])
        for one, row in rows.items():
            if row.run_id:
                found.links.append(Link(Ref("run", row.run_id), one, REGISTERED))
            else:
                found.broken.append(without_run(one, row.project))
            revision = json.loads(row.tags).get(tags.DATA)
            if revision and row.run_id not in runs:
                found.links.append(Link(Ref("data", revision), one, READ))
        return found

    def down(self, refs: Sequence[Ref], most: int) -> Found:
        """Return the versions that were registered from runs."""
        found = Found()
        runs = [one.key for one in of_kind(refs, "run")]
        query = select(
            _VERSIONS.c.project, _VERSIONS.c.name, _VERSIONS.c.version, _VERSIONS.c.run_id
        ).order_by(_VERSIONS.c.version.desc())
        shown: dict[str, int] = {}
        for row in tags.rows_of(self._mirror, query, _VERSIONS.c.run_id, runs):
            count = shown[row.run_id] = shown.get(row.run_id, 0) + 1
            if count <= most:
                version = numbered("version", row.project, row.name, row.version)
                found.links.append(Link(Ref("run", row.run_id), version, REGISTERED))
        for run, count in shown.items():
            if count > most:
                left = count - most
                said = f"{left:,} more versions were registered from it."
                found.more.append(More(Ref("run", run), "down", left, said))
        return found

    def describe(self, refs: Sequence[Ref]) -> dict[Ref, Node]:
        """Return what is known of runs and versions."""
        runs, versions = of_kind(refs, "run"), of_kind(refs, "version")
        found = tags.runs(self._mirror, [one.key for one in runs])
        nodes = {one: _run(one, found.get(one.key)) for one in runs}
        rows = self._rows(versions)
        aliases = self._aliases(versions)
        return nodes | {one: _version(one, rows.get(one), aliases.get(one, ())) for one in versions}

    def _rows(self, refs: Sequence[Ref]) -> dict[Ref, Row[Any]]:
        if not refs:
            return {}
        place = tuple_(_VERSIONS.c.project, _VERSIONS.c.name, _VERSIONS.c.version)
        rows = self._mirror.rows(select(_VERSIONS).where(place.in_([one.numbered for one in refs])))
        return {numbered("version", row.project, row.name, row.version): row for row in rows}

    def _aliases(self, refs: Sequence[Ref]) -> dict[Ref, tuple[str, ...]]:
        if not refs:
            return {}
        place = tuple_(_MODELS.c.project, _MODELS.c.name)
        names = list(dict.fromkeys(one.numbered[:2] for one in refs))
        found: dict[Ref, list[str]] = {}
        for row in self._mirror.rows(select(_MODELS).where(place.in_(names))):
            for alias, number in json.loads(row.aliases).items():
                one = numbered("version", row.project, row.name, int(number))
                found.setdefault(one, []).append(alias)
        return {one: tuple(sorted(names)) for one, names in found.items()}


def without_run(one: Ref, project: str) -> Broken:
    """Return what is said of a version that names no run."""
    return Broken(
        one, "run", project,
        f"{one.key} names no run: it was registered from elsewhere, and nobody can tell from what.",
        "Register versions from a run of the project: `mlops run PROJECT` does.",
    )  # fmt: skip


def _run(one: Ref, row: Row[Any] | None) -> Node:
    if row is None:
        return Node(one, one.key[:8], None, "MLflow does not know this run", None, "gone")
    said = "archived" if row.archived else str(row.status)
    technique = f" · {row.technique}" if row.technique else ""
    return Node(one, row.name or one.key[:8], row.project, said + technique,
                from_ms(row.started_ms))  # fmt: skip


def _version(one: Ref, row: Row[Any] | None, aliases: Sequence[str]) -> Node:
    project, model, number = one.numbered
    title = f"{model} {number}"
    if row is None:
        return Node(one, title, project, "MLflow does not know this version", None, "gone")
    said = ", ".join(aliases) or "registered"
    return Node(one, title, project, said, from_ms(row.created_ms))
