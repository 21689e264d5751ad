"""``mlops worker``: this machine takes tasks of the platform on another one."""

from pathlib import Path

import click

from services.commands.output import json_option, moment, print_json, print_table, sentences
from services.errors import InputError
from services.home import Home


@click.command()
@click.option("--join", "url", metavar="URL", help="Airflow of the platform: http://HOST:8080.")
@click.option(
    "--token",
    envvar="MLOPS_WORKER_TOKEN",
    help="From `mlops worker --invite` there; better in MLOPS_WORKER_TOKEN, for everybody on this "
    "machine can read the arguments of a command.",
)
@click.option("--name", metavar="NAME", help="Of this machine; else as telemetry names it.")
@click.option(
    "--slots", type=click.IntRange(1, 64), help="Tasks at once at most; 4 when it is not said."
)
@click.option("--invite", is_flag=True, help="On the platform's machine: print how others join.")
@click.option("--list", "listed", is_flag=True, help="On the platform's machine: all workers.")
@click.option("--status", is_flag=True, help="How this machine's worker is.")
@click.option("--drain", is_flag=True, help="End it once its running tasks have ended.")
@click.option("--leave", is_flag=True, help="The same, and forget the platform and its tokens.")
@json_option
@sentences
def worker(
    *, url: str | None, token: str | None, name: str | None, slots: int | None, as_json: bool,
    **ways: bool,
) -> None:  # fmt: skip
    """Take tasks of the platform on another machine, until Ctrl-C.

    What was joined is kept: later `mlops worker` alone goes on. Ctrl-C drains it: running tasks end
    first; a second one ends them, and they are tried again on another machine.
    """
    asked = [way for way, wanted in ways.items() if wanted]
    if len(asked) > 1 or (asked and url):
        raise InputError("One thing at a time.", "`mlops worker --help` lists them.")
    if not asked:
        _work(url, token, name, slots)
        return
    {
        "invite": _invite, "listed": _list, "status": _status, "drain": _drain, "leave": _leave,
    }[asked[0]](as_json=as_json)  # fmt: skip


def _work(url: str | None, token: str | None, name: str | None, slots: int | None) -> None:
    import logging

    from services.platform import worker_joining
    from services.platform.configuration import load_settings
    from services.platform.worker import Worker, asked, check_home, keep

    home = Home.locate()
    check_home(home)
    home.create()
    joined = asked(home, url and worker_joining.address(url), token, name, slots)
    worker_joining.check(joined.url, joined.invitation.key)
    keep(home, joined)
    logging.getLogger("services").setLevel(logging.ERROR)  # it says itself how it is
    Worker(home, joined, load_settings().projects_root, click.echo).run()


def _invite(*, as_json: bool) -> None:
    from services.platform.configuration import load_settings
    from services.platform.worker_joining import way
    from services.projects import discovery

    home, settings = Home.locate(), load_settings()
    found = discovery.found(settings.projects_root, ())
    names = tuple(one.contract.id for one in found if one.contract)
    how = way(home, settings, names)
    if as_json:
        print_json({"url": how.url, "token": how.invitation.text(), "tunnel": how.tunnel})
        return
    for sentence in how.advice():
        click.echo(sentence.replace("`", ""), err=True)
    click.echo("On the other machine, in a checkout of the toolkit with its projects:")
    for command in how.commands():
        click.echo(f"  {command}")


def _list(*, as_json: bool) -> None:
    from services.engines.registry import build_edge
    from services.engines.silicon.machine import own_id
    from services.platform.configuration import load_settings
    from services.workflows import workers

    home = Home.locate()
    edge = build_edge(home, load_settings())
    found = workers.seen(edge.workers(), edge.jobs())
    lost = workers.losses(found, edge.jobs(), own_id(home.run / "host-id"))
    if as_json:
        print_json({"workers": found, "losses": lost})
        return
    print_table(
        ("Machine", "State", "Heartbeat", "Chip", "Projects", "Runs"),
        [
            (
                one.host, one.state, moment(one.heartbeat_at), one.chip or "–",
                "all" if one.projects is None else ", ".join(one.projects), ", ".join(one.running),
            )
            for one in found
        ],
        "No machine works for this platform. `mlops worker --invite` prints how one joins.",
    )  # fmt: skip
    for loss in lost:
        click.echo(loss.said)


def _status(*, as_json: bool) -> None:
    from datetime import UTC, datetime

    from services.platform.worker import status

    found = status(Home.locate())
    if as_json:
        print_json(found)
        return
    beat = None if found.heartbeat_at is None else datetime.fromtimestamp(found.heartbeat_at, UTC)
    click.echo(f"{found.host} works for {found.url}: {found.phase}. {found.detail}".strip())
    click.echo(f"Last heartbeat: {moment(beat)}. Projects: {', '.join(found.projects) or 'none'}.")


def _drain(*, as_json: bool) -> None:
    from services.platform.worker import drain

    drain(Home.locate())
    _done("The worker has ended; it had no task left.", as_json=as_json)


def _leave(*, as_json: bool) -> None:
    from services.platform.configuration import load_settings
    from services.platform.worker import leave

    leave(Home.locate(), Path(load_settings().projects_root))
    _done("This machine is no worker any more; its tokens are gone from here.", as_json=as_json)


def _done(sentence: str, *, as_json: bool) -> None:
    if as_json:
        print_json({"done": True})
    else:
        click.echo(sentence)
