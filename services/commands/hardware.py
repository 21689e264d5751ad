"""``mlops hardware``: what machines say of themselves, and the tokens of those that report in."""

import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import click

from services.commands.output import json_option, moment, print_json, print_table, sentences
from services.errors import EngineUnreachableError, NotFoundError
from services.home import Home

if TYPE_CHECKING:
    from services.engines.silicon.models import Reading
    from services.telemetry.models import HostState
    from services.telemetry.store import Store

_WATCH_S = 2.0
_PROCESS_KEYS = (
    "pid", "name", "owner", "project", "cpu_s", "gpu_s", "memory_bytes",
    "mlx_active_bytes", "mlx_peak_bytes", "mlx_cache_bytes",
)  # fmt: skip


def shape(state: "HostState", hosts: "tuple[HostState, ...]" = ()) -> dict[str, object]:
    """Return a machine in the documented JSON shape; ``hosts`` are all there are."""
    from services.engines.silicon.models import METRICS

    def told(reading: "Reading") -> dict[str, object]:
        known = METRICS.get(reading.metric)
        return {
            "value": reading.value,
            "unit": known.unit if known else None,
            "quality": reading.quality,
            "source": reading.source,
            "reason": reading.reason,
            "at": state.last_at,
            "window_s": reading.window_s,
        }

    machine = state.machine
    return {
        "host": machine.host,
        "chip": machine.chip,
        "apple_silicon": machine.apple_silicon,
        "os": machine.os,
        "model": machine.model,
        "tiers": machine.tiers,
        "gpu": machine.gpu,
        "gpu_cores": machine.gpu_cores,
        "memory_bytes": machine.memory_bytes,
        "at": state.last_at,
        "age_s": _age_s(state),
        "readings": {reading.metric: told(reading) for reading in state.readings},
        "processes": [{k: getattr(p, k) for k in _PROCESS_KEYS} for p in state.processes],
        "providers": state.providers,
        "hosts": [
            {"host": h.machine.host, "chip": h.machine.chip, "at": h.last_at, "age_s": _age_s(h)}
            for h in hosts
        ],
    }


def _age_s(state: "HostState") -> float | None:
    if state.last_at is None:
        return None
    return round(max(0.0, (datetime.now(UTC) - state.last_at).total_seconds()), 1)


@click.group(invoke_without_command=True)
@click.option("--host", "name", help="A machine by name; left out: this one.")
@click.option("--watch", is_flag=True, help="Go on until Ctrl-C.")
@json_option
@click.pass_context
@sentences
def hardware(context: click.Context, *, name: str | None, watch: bool, as_json: bool) -> None:
    """What a machine says of itself now; with --json --watch one line of JSON a sample."""
    if context.invoked_subcommand is not None:
        return
    from services.telemetry.store import Store

    store = Store(Home.locate().telemetry)
    if not watch:
        _show_once(*_chosen(store, name), as_json=as_json)
        return
    try:
        _watch(store, name, as_json=as_json)
    except KeyboardInterrupt:
        return


def _chosen(store: "Store", name: str | None) -> "tuple[HostState, tuple[HostState, ...]]":
    """Return the machine that is meant, and all.

    Raises:
        NotFoundError: There is none of that name.
        EngineUnreachableError: Nothing was ever sampled here.
    """
    hosts = store.hosts()
    if not hosts:
        raise EngineUnreachableError(
            "No machine has been sampled here yet.",
            "`mlops up` starts the telemetry; `mlops status` says how it is.",
        )
    if name is None:
        own = _own_host()
        return next((h for h in hosts if h.machine.host == own), hosts[0]), hosts
    found = next((h for h in hosts if h.machine.host == name), None)
    if found is None:
        known = ", ".join(h.machine.host for h in hosts)
        raise NotFoundError(f"No machine named {name[:80]} reports here.", f"These do: {known}.")
    return found, hosts


def _own_host() -> str:
    from services.engines.silicon.machine import own_id

    return own_id(Home.locate().run / "host-id")


def _show_once(state: "HostState", hosts: "tuple[HostState, ...]", *, as_json: bool) -> None:
    from services.commands import hardware_text as words

    if as_json:
        print_json(shape(state, hosts))
        return
    click.echo(words.heading(state, datetime.now(UTC)))
    if late := words.late(state, datetime.now(UTC)):
        click.echo(late, err=True)
    print_table(words.COLUMNS, words.readings(state), "It has sent no reading yet.")
    if state.processes:
        click.echo()
        print_table(words.PROCESS_COLUMNS, words.processes(state), "")
    for sentence in words.missing(state):
        click.echo(sentence)
    if len(hosts) > 1:
        click.echo()
        print_table(words.HOST_COLUMNS, words.hosts(hosts, datetime.now(UTC)), "")


def _watch(store: "Store", name: str | None, *, as_json: bool) -> None:
    import sys

    if not as_json and sys.stdout.isatty():
        _watch_live(store, name)
        return
    before: datetime | None = None
    while True:
        state, hosts = _chosen(store, name)
        if state.last_at != before:
            before = state.last_at
            if as_json:
                _print_line(state, hosts)
            else:
                _show_once(state, hosts, as_json=False)
        time.sleep(_WATCH_S / 4)


def _print_line(state: "HostState", hosts: "tuple[HostState, ...]") -> None:
    import json

    from services.commands.output import plain

    click.echo(json.dumps(plain(shape(state, hosts)), ensure_ascii=False))


def _watch_live(store: "Store", name: str | None) -> None:
    from rich.live import Live

    from services.commands import hardware_text as words

    with Live(refresh_per_second=2, screen=True) as live:
        while True:
            live.update(words.picture(*_chosen(store, name), datetime.now(UTC)))
            time.sleep(_WATCH_S / 2)


@hardware.command()
@click.argument("name")
@click.option("--revoke", is_flag=True, help="End the token; the machine's history stays.")
@sentences
def token(*, name: str, revoke: bool) -> None:
    """Make a token with which one other machine reports in; it is shown this once."""
    from services.actions.machine_tokens import AddMachineToken, RevokeMachineToken
    from services.commands.acting import act, perform
    from services.telemetry import tokens

    if revoke:
        act(RevokeMachineToken(name))
        click.echo("What is sent with it is refused from now on.")
        return
    made, hashed = tokens.fresh()
    record = perform(AddMachineToken(name, hashed))
    if not record.ended:
        click.echo(f"{record.title} is not done yet: the token counts when it is.", err=True)
    _hand_over(made)


def _hand_over(made: str) -> None:
    from services.platform.configuration import load_settings
    from services.telemetry.joining import way

    found = way(load_settings(), Home.locate())
    for sentence in found.advice():
        click.echo(sentence.replace("`", ""), err=True)
    click.echo("On the other machine (the token is shown this once):")
    for command in found.commands(made):
        click.echo(f"  {command}")


@hardware.command("tokens")
@json_option
@sentences
def list_tokens(*, as_json: bool) -> None:
    """List the tokens that were made, the machines that use them, and when those were heard."""
    from services.telemetry.fleet import Fleet

    found = Fleet.here().holders()
    made = [(one, datetime.fromtimestamp(one.token.made_at, UTC)) for one in found]
    if as_json:
        print_json(
            [
                {"name": o.token.name, "host": o.token.host, "made_at": at, "last_at": o.last_at}
                for o, at in made
            ]
        )
        return
    rows = [
        [
            one.token.name,
            one.token.host or "none came yet",
            moment(at),
            moment(one.last_at),
        ]
        for one, at in made
    ]
    empty = "There is no token yet: `mlops hardware token NAME` makes one."
    print_table(["token", "machine", "made", "newest sample"], rows, empty)


@hardware.command()
@click.argument("host")
@click.option("--yes", is_flag=True, help="Do not ask.")
@sentences
def remove(*, host: str, yes: bool) -> None:
    """Remove a machine that reports no more, with its history, and end its token."""
    from services.actions.remove_machine import RemoveMachine
    from services.commands.acting import act

    act(RemoveMachine(host), yes=yes)
