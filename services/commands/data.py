"""``mlops data``: versions of data and models, and moving them."""

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, cast

import click

from services.commands.output import json_option, moment, print_json, print_table, sentences

if TYPE_CHECKING:
    from rich.progress import Progress

    from services.actions.action import Action
    from services.data.models import Kind, Status
    from services.data.service import DataService

_A_DAY_S = 86_400.0
_POLL_S = 0.2
_kind = click.option("--kind", type=click.Choice(["data", "models"]), help="Default: both.")
_yes = click.option("--yes", is_flag=True, help="Do not ask.")


def _service() -> "DataService":
    from services.commands.acting import actor
    from services.data.service import DataService

    actor()  # whose home it is may look; others sign in to the dashboard
    return DataService.here()


@click.group()
def data() -> None:
    """Versions of data and models: status, add, collect, push, checkout, share, prune, versions."""


@data.command()
@click.argument("project", required=False)
@json_option
@sentences
def status(*, project: str | None, as_json: bool) -> None:
    """Show what each project's data and models are, and what waits for the remote."""
    service = _service()
    ids = (project,) if project else service.projects()
    rows = [row for one in ids for row in service.status(one)]
    if as_json:
        print_json({"remote": service.remote.shown, "rows": rows})
        return
    columns = ["project", "kind", "state", "revision", "files", "size", "versions", "remote", ""]
    print_table(columns, [_status_row(row) for row in rows], "No project has data yet.")


def _status_row(row: "Status") -> list[str]:
    from services.actions.data import size

    waits = [f"{q.revision} waits since {moment(q.since)}: {q.reason}" for q in row.queued]
    return [
        row.project,
        row.kind,
        row.state,
        row.revision or "–",
        f"{row.files:,}" if row.revision else "–",
        size(row.bytes) if row.revision else "–",
        str(row.versions),
        row.remote or "–",
        " ".join([row.reason, *waits]).strip(),
    ]


@data.command()
@click.argument("project")
@_kind
@json_option
@sentences
def versions(*, project: str, kind: str | None, as_json: bool) -> None:
    """List a project's versions, the newest first."""
    from services.actions.data import size

    service = _service()
    service.project(project).folder()
    found = service.versions(project, cast("Kind | None", kind))
    if as_json:
        print_json(found)
        return
    rows = [
        [
            v.revision,
            v.kind,
            moment(v.at),
            f"{v.files:,}",
            size(v.bytes),
            "current" if v.current else "",
            v.remote,
            f"from {v.from_project}" if v.from_project else "",
        ]
        for v in found
    ]
    columns = ["revision", "kind", "tracked", "files", "size", "", "remote", ""]
    print_table(columns, rows, f"{project} has no version yet: `mlops data add {project}`.")


@data.command()
@click.argument("project")
@click.argument("revision")
@click.argument("against", required=False)
@json_option
@sentences
def diff(*, project: str, revision: str, against: str | None, as_json: bool) -> None:
    """Show which files a version added, changed and removed; against the one before by default."""
    service = _service()
    service.project(project).folder()
    found = service.changes(project, revision, against)
    if as_json:
        print_json(found)
        return
    rows = [
        [f.change, f.path, *("–" if n is None else str(n) for n in (f.before, f.after))]
        for f in found.files
    ]
    print_table(["", "file", "bytes before", "bytes after"], rows, "The versions are the same.")
    click.echo(f"{found.added} added, {found.changed} changed, {found.removed} removed", err=True)


@data.command()
@click.argument("project")
@json_option
@sentences
def add(*, project: str, as_json: bool) -> None:
    """Make a version of what a project's folder holds now."""
    from services.actions.data_add import DataAdd

    service = _service()
    if project not in service.projects():
        _first_time(service, project)
    _act([DataAdd(project)], project, as_json=as_json)


def _first_time(service: "DataService", project: str) -> None:
    """Configure a project that the controller has not met yet: its folder is looked for.

    Raises:
        NotFoundError: There is no such project.
    """
    from services.actions.journal import Journal
    from services.errors import NotFoundError
    from services.platform.configuration import load_settings
    from services.projects.discovery import found

    settings = load_settings()
    for one in found(settings.projects_root, Journal.open(settings).project_paths()):
        if one.contract is not None and one.contract.id == project:
            service.configure(project, one.path)
            return
    raise NotFoundError(f"There is no project {project[:60]!r}.", "`mlops projects list`")


@data.command()
@click.argument("name", metavar="PROJECT.MODEL")
@click.option("--since", required=True, metavar="LENGTH|TIME", help="2h, 7d, 2026-05-01T08:30.")
@click.option("--until", metavar="LENGTH|TIME", help="Not in it. Default: now.")
@click.option("--labelled", is_flag=True, help="Only rows of which somebody told what was right.")
@_yes
@json_option
@sentences
def collect(
    *, name: str, since: str, until: str | None, labelled: bool, yes: bool, as_json: bool
) -> None:
    """Bring rows that a model was asked into its project's data, to train with."""
    from services.actions.data_collect import DataCollect
    from services.commands.alert_list import since_of
    from services.commands.endpoint_names import endpoint

    found = endpoint(name)
    end = None if until is None else since_of(until)
    action = DataCollect(found.project, found.model, since_of(since), end, labelled)
    _act([action], found.project, yes=yes or as_json, as_json=as_json)


@data.command()
@click.argument("project")
@click.argument("revision", required=False)
@json_option
@sentences
def push(*, project: str, revision: str | None, as_json: bool) -> None:
    """Send a version to the remote; without REVISION what the folder holds."""
    from services.actions.data_push import DataPush

    _act(
        [DataPush(project, one) for one in _revisions(project, revision)], project, as_json=as_json
    )


@data.command()
@click.argument("project")
@click.argument("revision", required=False)
@json_option
@sentences
def pull(*, project: str, revision: str | None, as_json: bool) -> None:
    """Fetch what is missing or damaged here; without REVISION of what the folder holds."""
    from services.actions.data_pull import DataPull

    _act(
        [DataPull(project, one) for one in _revisions(project, revision)], project, as_json=as_json
    )


@data.command()
@click.argument("project")
@click.argument("revision")
@_yes
@json_option
@sentences
def checkout(*, project: str, revision: str, yes: bool, as_json: bool) -> None:
    """Bring a project's folder to a version, byte for byte."""
    from services.actions.data_checkout import DataCheckout

    _act([DataCheckout(project, revision)], project, yes=yes or as_json, as_json=as_json)


@data.command()
@click.argument("project")
@click.option("--keep", type=click.IntRange(1), default=1, show_default=True, help="Versions kept.")
@_yes
@json_option
@sentences
def prune(*, project: str, keep: int, yes: bool, as_json: bool) -> None:
    """Free the cache of old versions, where the remote has them."""
    from services.actions.data_prune import DataPrune

    _act([DataPrune(project, keep)], project, yes=yes or as_json, as_json=as_json)


@data.command()
@click.argument("project")
@click.argument("with_project")
@click.option("--models", is_flag=True, help="Its models, not its data.")
@click.option("--stop", is_flag=True, help="Share no more.")
@_yes
@json_option
@sentences
def share(
    *, project: str, with_project: str, models: bool, stop: bool, yes: bool, as_json: bool
) -> None:
    """Let WITH_PROJECT check out the versions of PROJECT."""
    from services.actions.data_share import DataShare

    action = DataShare(project, with_project, "models" if models else "data", stop)
    _act([action], project, yes=yes or as_json, as_json=as_json)


@data.command()
@click.argument("project")
@click.option("--kind", type=click.Choice(["data", "models"]), default="models", show_default=True)
@sentences
def release(*, project: str, kind: str) -> None:
    """Make tracked files writable again, as files of their own."""
    service = _service()
    count = service.release(service.project(project).folder(), cast("Kind", kind))
    click.echo(f"{count} files of {kind} are writable again.")


def _revisions(project: str, revision: str | None) -> Sequence[str]:
    from services.errors import NotFoundError

    service = _service()
    service.project(project).folder()
    if revision is not None:
        return [revision]
    found = [v.revision for v in service.versions(project) if v.current]
    if not found:
        raise NotFoundError(f"{project} has no version yet.", f"`mlops data add {project}`")
    return found


def _act(
    actions: "Sequence[Action]", project: str, *, yes: bool = True, as_json: bool = False
) -> None:
    """Perform actions one after another, with a bar, and say how each went."""
    from services.commands.acting import actor, context, perform

    ended = []
    for action in actions:
        if not yes:
            action.check(context(), actor())
            for sentence in action.consequences(context()):
                click.echo(sentence)
            click.confirm(f"{action.title}?", abort=True)
        with _bar(project):
            ended.append(perform(action, timeout_s=_A_DAY_S))
    if as_json:
        keys = ("id", "kind", "title", "state", "result")
        print_json([{key: getattr(record, key) for key in keys} for record in ended])
        return
    for record in ended:
        click.echo(f"{record.title}: {record.result or record.state}.")


@contextmanager
def _bar(project: str) -> Iterator[None]:
    """Show what is under way, whichever process does it; on a terminal alone."""
    import sys

    if not sys.stderr.isatty():
        yield
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn

    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[counts]}"))
    ended = threading.Event()
    with Progress(*columns, console=Console(stderr=True), transient=True) as shown:
        watcher = threading.Thread(target=_watch, args=(shown, project, ended), daemon=True)
        watcher.start()
        try:
            yield
        finally:
            ended.set()
            watcher.join()


def _watch(shown: "Progress", project: str, ended: threading.Event) -> None:
    from services.actions.data import size

    service = _service()
    task = shown.add_task("waiting", total=None, counts="")
    while not ended.wait(_POLL_S):
        now = service.underway(project)
        if now is not None:
            counts = f"{now.files:,} of {now.files_total or 0:,} {now.unit}, {size(now.bytes)}"
            shown.update(
                task,
                description=now.what,
                total=now.bytes_total or now.files_total,
                completed=now.bytes if now.bytes_total else now.files,
                counts=counts,
            )
