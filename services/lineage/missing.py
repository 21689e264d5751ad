"""Broken links of what is in use: answering versions, aliases, files of data, retrainings."""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping

from sqlalchemy import select

from services.actions.journal import Journal
from services.data.models import Kind as DataKind
from services.data.models import Lost, Version
from services.errors import MlopsError
from services.home import Home
from services.lineage import tags
from services.lineage.models import Broken, Ref, numbered
from services.lineage.source import Projects, sees
from services.lineage.sources.collected import Rows
from services.lineage.sources.data import Revisions
from services.lineage.sources.serving import standing, without_bundle
from services.mirror import schema
from services.mirror.queries import Mirror
from services.retraining import store as retraining
from services.retraining.models import Proposal
from services.serving import bundle, paths, store
from services.serving.models import Endpoint

_VERSIONS, _MODELS = schema.versions, schema.models
_FILES_LOOKED_AT = 2_000
"""Of a revision, spread evenly: a cache that was lost shows in any of them."""
_RETRAININGS = 200
"""The newest that are looked through."""
Place = tuple[str, str, int]
Look = Callable[[Version, int], Lost | None]


def registered(mirror: Mirror) -> set[Place]:
    """Return every version that the registry knows: project, model and number."""
    query = select(_VERSIONS.c.project, _VERSIONS.c.name, _VERSIONS.c.version)
    return {(row.project, row.name, row.version) for row in mirror.rows(query)}


def answering(journal: Journal) -> Iterator[tuple[Endpoint, int, str]]:
    """Yield each version that requests reach now, and how: live, canary or shadow."""
    for one in store.endpoints(journal):
        targets = (one.live, one.rollout.target if one.rollout else None)
        for number in dict.fromkeys(target.version for target in targets if target is not None):
            word = standing(one, number)
            if word in {"live", "canary", "shadow"}:
                yield one, number, word


def served(home: Home, mirror: Mirror, journal: Journal) -> Iterator[Broken]:
    """Yield versions that answer and that the registry does not know, or that have no bundle."""
    known = registered(mirror)
    for one, number, word in answering(journal):
        where = (one.project, one.model, number)
        deployed = numbered("deployment", *where)
        if where not in known:
            beside = "" if word == "live" else f" as {word}"
            yield Broken(
                deployed, numbered("version", *where).id, one.project,
                f"{one.name} answers{beside} with version {number}, which the registry does not "
                "know: what it was made from cannot be told.",
                "Deploy a registered version, or take it out of service.",
            )  # fmt: skip
        if not (paths.bundle(home, *where) / bundle.INFO).is_file():
            yield without_bundle(deployed, word)


def aliases(mirror: Mirror) -> Iterator[Broken]:
    """Yield aliases of versions that were deleted."""
    known = registered(mirror)
    newest: dict[tuple[str, str], int] = {}
    for project, name, number in sorted(known):
        newest[project, name] = number
    for row in mirror.rows(select(_MODELS)):
        for alias, number in json.loads(row.aliases).items():
            if (row.project, row.name, int(number)) in known:
                continue
            # Of the model, so that the link on the page leads somewhere.
            there = newest.get((row.project, row.name), int(number))
            yield Broken(
                numbered("version", row.project, row.name, there),
                numbered("version", row.project, row.name, int(number)).id, row.project,
                f"The alias {alias} of {row.project}/{row.name} names version {number}, which was "
                "deleted: whoever asks for it gets an error.",
                f"Give it to another version: `mlops models promote {row.name} VERSION --project "
                f"{row.project} --to {alias}`.",
            )  # fmt: skip


def files(
    mirror: Mirror, journal: Journal, known: Revisions, look: Look, projects: Projects = None
) -> tuple[list[Broken], list[str]]:
    """Return revisions in use whose files are nowhere, and sentences: what could not be looked at.

    Only what the asker sees is looked at: a revision may be in projects of others, too.
    In use is what a project's folder holds now, which a retraining reads, and what the versions
    that answer or have an alias were made with, which a repetition of them would read.
    """
    found, unknown = [], []
    for (kind, revision), version, why in _in_use(mirror, journal, known, projects):
        try:
            lost = look(version, _FILES_LOOKED_AT)
        except MlopsError as error:
            unknown.append(f"Files of the {kind} {revision[:16]}: {error.message}")
            continue
        if lost is not None:
            found.append(_without_files(Ref(kind, revision), version, lost, why))
    return found, unknown


def _in_use(
    mirror: Mirror, journal: Journal, known: Revisions, projects: Projects
) -> Iterator[tuple[tuple[DataKind, str], Version, str]]:
    wanted = _of_versions(mirror, journal, projects)
    for key, everywhere in known.known.items():
        versions = [one for one in everywhere if sees(projects, one.project)]
        current = next((one for one in versions if one.current), None)
        if current is not None:
            yield key, current, f"It is what the folder of {current.project} held last."
        elif versions and key in wanted:
            yield key, versions[0], f"{wanted[key]} was made with it."


def _of_versions(
    mirror: Mirror, journal: Journal, projects: Projects
) -> Mapping[tuple[str, str], str]:
    """Return the revisions that versions in use were made with, each with one of them."""
    chosen = {(one.project, one.model, number) for one, number, _ in answering(journal)}
    for row in mirror.rows(select(_MODELS)):
        chosen |= {(row.project, row.name, int(n)) for n in json.loads(row.aliases).values()}
    mine = [one for one in sorted(chosen) if sees(projects, one[0])]
    runs = tags.runs_of_versions(mirror, [numbered("version", *one) for one in mine])
    said = tags.of_runs(mirror, list(runs.values()), (tags.DATA, tags.MODELS))
    return {
        (kind, revision): version.key
        for version, run in runs.items()
        for kind, tag in (("data", tags.DATA), ("models", tags.MODELS))
        if (revision := said.get(run, {}).get(tag))
    }


def _without_files(one: Ref, version: Version, lost: Lost, why: str) -> Broken:
    files = "1 file" if lost.files == 1 else f"{lost.files:,} files"
    verb = "is" if lost.files == 1 or not lost.listed else "are"
    what = f"{files} of {lost.of:,} looked at" if lost.listed else f"The list of {files}"
    word = "data" if one.kind == "data" else "models"
    return Broken(
        one, "files", version.project,
        f"{what} of the {word} {one.key[:16]} of {version.project} "
        f"{verb} neither in the cache nor, as far as is known, on the remote. {why}",
        f"Where the folder still has them, `mlops data add {version.project}` takes them in again.",
    )  # fmt: skip


def retrainings(mirror: Mirror, journal: Journal) -> Iterator[Broken]:
    """Yield retrainings whose training run or new version is gone."""
    kept = retraining.proposals(journal, limit=_RETRAININGS)
    runs = tags.runs(mirror, [one.run_id for one in kept if one.run_id])
    versions = registered(mirror)
    for one in kept:
        if one.run_id and one.run_id not in runs:
            yield _without(one, Ref("run", one.run_id), f"its run {one.run_id[:12]}", "MLflow")
        if one.candidate and (one.project, one.model, one.candidate) not in versions:
            version = numbered("version", one.project, one.model, one.candidate)
            yield _without(one, version, f"its version {one.candidate}", "the registry")


def _without(one: Proposal, missing: Ref, what: str, where: str) -> Broken:
    over = one.state in {"dropped", "failed"}
    return Broken(
        Ref("retraining", str(one.id)), missing.id, one.project,
        f"Retraining {one.id} of {one.project}.{one.model} is {one.state}, and {what} is not known "
        f"to {where} any more.",
        "Nothing came of it: nothing is to be done." if over else
        "It was deleted: what it led to cannot be told, nor repeated. Propose it again.",
    )  # fmt: skip


def collected(rows: Rows) -> Iterator[Broken]:
    """Yield revisions that predictions were collected into and no data repository has."""
    for gone in rows.gone:
        for one in gone.rows:
            yield Broken(
                numbered("predictions", one.project, one.model, one.version),
                f"data:{gone.revision}", gone.project,
                f"{one.rows:,} rows that {one.project}.{one.model} {one.version} was asked were "
                f"collected into the data {gone.revision} of {gone.project} (action "
                f"{gone.action_id}), which are in no project's data repository.",
                "Bring the project's data repository back, or collect them again while the "
                "prediction log has them.",
            )  # fmt: skip


def bases(mirror: Mirror, values: Iterable[Mapping[str, tuple[str, str, int]]]) -> Iterator[Broken]:
    """Yield versions that runs were made from and that the registry does not know.

    Args:
        mirror: What engines said.
        values: Of each tag, by version: project and id of the newest such run, and how many.
    """
    known = {numbered("version", *one).key for one in registered(mirror)}
    lost: dict[str, tuple[str, str, int]] = {}
    for some in values:
        for key, (project, run_id, count) in some.items():
            if key not in known:
                first = lost.get(key, (project, run_id, 0))
                lost[key] = (first[0], first[1], first[2] + count)
    for key, (project, run_id, count) in lost.items():
        runs = "One run was" if count == 1 else f"{count:,} runs were"
        yield Broken(
            Ref("run", run_id), f"version:{key}", project,
            f"{runs} made from the version {key}, which the registry does not know.",
            "It was deleted, or never was: what those runs began with cannot be told.",
        )  # fmt: skip
