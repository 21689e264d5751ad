"""``mlops hardware``: what a machine does now."""

import time

import click

from services.commands.output import json_option, moment, number, print_json, print_table, sentences
from services.engines.silicon.models import METRICS, Reading
from services.errors import NotFoundError
from services.home import Home
from services.telemetry.models import HostState
from services.telemetry.store import Store

_WATCH_S = 2.0
_SIZES = ("B", "kB", "MB", "GB", "TB")


@click.command()
@click.option("--host", help="The machine's name, or its beginning; else the one heard last.")
@click.option("--watch", is_flag=True, help="Print again every two seconds, until Ctrl-C.")
@json_option
@sentences
def hardware(*, host: str | None, watch: bool, as_json: bool) -> None:
    """Show what a machine does now; what it does not tell is listed with the reason."""
    store = Store(Home.locate().telemetry)
    while True:
        hosts = store.hosts()
        found = _chosen(hosts, host)
        if as_json:
            others = [one.machine.host for one in hosts if one is not found]
            print_json(shape(found) | {"others": others})
        else:
            if watch:
                click.clear()
            _print(found, hosts)
        if not watch:
            return
        try:
            time.sleep(_WATCH_S)
        except KeyboardInterrupt:
            return


def shape(host: HostState) -> dict[str, object]:
    """Return a machine in the documented JSON shape."""
    machine = host.machine
    return {
        "host": machine.host,
        "chip": machine.chip,
        "apple_silicon": machine.apple_silicon,
        "at": host.last_at,
        "readings": {
            reading.metric: {
                "value": reading.value,
                "unit": METRICS[reading.metric].unit,
                "quality": reading.quality,
                "source": reading.source,
                "reason": reading.reason,
                "window_s": reading.window_s,
                "at": host.last_at,
            }
            for reading in host.readings
            if reading.metric in METRICS
        },
    }


def _chosen(hosts: tuple[HostState, ...], name: str | None) -> HostState:
    if not hosts:
        raise NotFoundError("No machine has reported yet.", "Start the platform with `mlops up`.")
    if name is None:
        return max(hosts, key=lambda one: one.last_at.timestamp() if one.last_at else 0.0)
    exact = [one for one in hosts if one.machine.host == name]
    begun = exact or [one for one in hosts if one.machine.host.startswith(name)]
    if len(begun) == 1:
        return begun[0]
    known = ", ".join(one.machine.host for one in begun or hosts)
    what = "Several machines begin with" if begun else "There is no machine"
    raise NotFoundError(f"{what} {name[:80]!r}.", f"There are: {known[:400]}.")


def _print(host: HostState, hosts: tuple[HostState, ...]) -> None:
    machine = host.machine
    click.echo(f"{machine.host} · {machine.chip or 'chip not reported'} · {moment(host.last_at)}")
    told = [one for one in host.readings if one.value is not None and one.metric in METRICS]
    rows = [[METRICS[one.metric].title, figure(one), one.quality, one.source] for one in told]
    print_table(["Figure", "Value", "Quality", "Source"], rows, "It tells nothing.")
    missing: dict[str, list[str]] = {}
    for one in host.readings:
        if one.value is None and one.metric in METRICS:
            missing.setdefault(one.reason, []).append(METRICS[one.metric].title)
    for reason, titles in missing.items():
        click.echo(f"Unavailable ({reason}): {', '.join(titles)}")
    others = [one.machine.host for one in hosts if one is not host]
    if others:
        click.echo(f"Other machines (--host): {', '.join(others)}")


def figure(reading: Reading) -> str:
    """Return a reading's value with its unit, for people."""
    value = reading.value or 0.0
    match METRICS[reading.metric].unit:
        case "ratio":
            return f"{value:.0%}"
        case "bytes":
            return _size(value)
        case "bytes/s":
            return f"{_size(value)}/s"
        case "flag":
            return "yes" if value else "no"
        case "level" | "count":
            return number(value)
        case unit:
            return f"{number(value)} {unit}"


def _size(value: float) -> str:
    for unit in _SIZES:
        if abs(value) < 1000 or unit == _SIZES[-1]:
            break
        value /= 1000
    return f"{value:.3g} {unit}"
