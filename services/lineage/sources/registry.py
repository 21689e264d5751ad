"""Training runs, and the versions that were registered from them."""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from sqlalchemy import Row, select, tuple_

from services.errors import InputError
from services.lineage import tags
from services.lineage.models import Broken, Carries, Kind, Link, More, Node, Ref, numbered
from services.lineage.source import Found, from_ms, of_kind
from services.mirror import schema
from services.mirror.queries import Mirror

REGISTERED, READ = "was registered as", "is in the tags of"
BASED, LOADED = "was the base of", "was loaded by"
_BASES: tuple[tuple[tuple[str, ...], str, Carries], ...] = (
    (tags.BASE, BASED, "all"), (tags.LOADED, LOADED, "some"),
)  # fmt: skip
"""What is loaded may be the base of what is trained, or only be compared with it."""
_VERSIONS, _MODELS = schema.versions, schema.models


class RegistrySource:
    """Edges of runs and versions."""

    kinds: frozenset[Kind] = frozenset(("run", "version"))

    def __init__(self, mirror: Mirror) -> None:
        self._mirror = mirror
        self._alone: list[Link] | None = None

    def up(self, refs: Sequence[Ref], most: int) -> Found:
        """Return the runs of versions, and the versions that runs began with.

        Of a version whose run is gone, what it names itself is returned.
        """
        del most
        found = Found()
        started = [one.key for one in of_kind(refs, "run")]
        names = (*tags.BASE, *tags.LOADED)
        for run, said in tags.of_runs(self._mirror, started, names).items():
            found.links += _bases(Ref("run", run), said)
        rows = self._rows(of_kind(refs, "version"))
        runs = tags.runs(self._mirror, [row.run_id for row in rows.values() if row.run_id])
        for one, row in rows.items():
            if row.run_id:
                found.links.append(Link(Ref("run", row.run_id), one, REGISTERED))
            else:
                found.broken.append(without_run(one, row.project))
            if row.run_id in runs:
                continue
            found.links += _own(one, json.loads(row.tags))
        return found

    def down(self, refs: Sequence[Ref], most: int) -> Found:
        """Return the versions that were registered from runs, and the runs that began with one."""
        found = Found()
        self._begun(of_kind(refs, "version"), most, found)
        found.links += self._runless(of_kind(refs, "data", "version"))
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

    def _runless(self, refs: Sequence[Ref]) -> Iterator[Link]:
        """Yield links to the versions that name one of these themselves, for their run is gone."""
        if refs and self._alone is None:
            self._alone = [link for row, own in tags.runless(self._mirror) for link in _own(
                numbered("version", row.project, row.name, row.version), own)]  # fmt: skip
        wanted = set(refs)
        yield from (link for link in self._alone or () if link.before in wanted)

    def _begun(self, versions: Sequence[Ref], most: int, found: Found) -> None:
        """Add the runs that were made from versions, or loaded them."""
        for names, how, carries in _BASES:
            shown: dict[str, int] = {}
            for version, run in tags.naming(self._mirror, names, [one.key for one in versions]):
                count = shown[version] = shown.get(version, 0) + 1
                if count <= most:
                    one = Ref("version", version)
                    found.links.append(Link(one, Ref("run", run), how, carries, how != LOADED))
            for version, count in shown.items():
                if count > most:
                    said = f"It {how} {count - most:,} more runs."
                    found.more.append(More(Ref("version", version), "down", count - most, said))

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


def _own(one: Ref, said: Mapping[str, str]) -> list[Link]:
    """Return the links from what a version without a run says of itself."""
    data = said.get(tags.DATA)
    return [*([Link(Ref("data", data), one, READ)] if data else ()), *_bases(one, said)]


def _bases(one: Ref, said: Mapping[str, str]) -> list[Link]:
    """Return the links from what a run, or a version, says that it began with."""
    return [
        Link(ref, one, how, carries, how != LOADED)
        for names, how, carries in _BASES
        for name in names
        if (ref := version_of(said.get(name, ""))) is not None
    ]


def version_of(key: str) -> Ref | None:
    """Return the version that a tag names, None when it names none."""
    ref = Ref("version", key)
    try:
        project, model, number = ref.numbered
    except InputError:
        return None
    return ref if numbered("version", project, model, number) == ref else None


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
