"""``mlops agent``: this machine reports to the platform on another one."""

import contextlib
import json
from pathlib import Path
from typing import NamedTuple

import click

from services.commands.output import sentences
from services.errors import InputError
from services.home import Home

_SAVED = "agent.json"


class _Joined(NamedTuple):
    """Where to report, and with which token."""

    url: str
    token: str
    certificate: str


@click.command()
@click.option("--join", "url", metavar="URL", help="The platform's telemetry: http://HOST:9470.")
@click.option(
    "--token",
    envvar="MLOPS_AGENT_TOKEN",
    help="From `mlops hardware token NAME` there; better in MLOPS_AGENT_TOKEN, for everybody on "
    "this machine can read the arguments of a command.",
)
@click.option(
    "--certificate",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="Trust this certificate (PEM) beside those of the system.",
)
@click.option(
    "--interval", type=click.FloatRange(1, 60), default=2.0, show_default=True, metavar="SECONDS"
)
@sentences
def agent(*, url: str | None, token: str | None, certificate: Path | None, interval: float) -> None:
    """Report what this machine does to the platform on another one, until Ctrl-C.

    Address and token are kept: later `mlops agent` alone goes on. While the platform is away,
    samples wait on disk and are sent when it is back.
    """
    import signal
    import threading
    from types import FrameType

    from services.engines.silicon.chain import Host
    from services.telemetry.agent import Agent
    from services.telemetry.collector import Collector
    from services.telemetry.spool import Spool

    home = Home.locate()
    home.create()
    joined = _joined(home, url, token, certificate)
    trusted = Path(joined.certificate) if joined.certificate else None
    collector = Collector(joined.url, joined.token, trusted)
    if collector.in_the_clear:
        click.echo(
            f"{joined.url} is without TLS: who is on the network between can read the token and "
            "the figures. Better a tunnel: ssh -N -L 9470:127.0.0.1:9470 HOST, and join "
            "http://127.0.0.1:9470.",
            err=True,
        )
    spool = Spool(home.root / "telemetry-spool")
    ended = threading.Event()

    def end(_number: int, _frame: FrameType | None) -> None:
        ended.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, end)
    host = Host.here(home.root)
    one = Agent(host, home.run, spool, collector, click.echo, interval_s=interval)
    one.join()
    _keep(home, joined)
    one.run(ended)
    waiting = spool.waiting
    spool.close()
    click.echo(f"Ended; {waiting} samples wait for the next time." if waiting else "Ended.")


def _joined(home: Home, url: str | None, token: str | None, certificate: Path | None) -> _Joined:
    """Return what was given, and what was kept for what was not.

    Raises:
        InputError: Neither says where to report.
    """
    kept: dict[str, object] = {}
    with contextlib.suppress(OSError, ValueError):
        document = json.loads((home.secrets / _SAVED).read_bytes())
        kept = document if isinstance(document, dict) else {}
    known = _Joined(*(str(kept.get(name) or "") for name in _Joined._fields))
    # A kept token is for the kept address: another one would be told a secret of the first.
    same = url is None or url == known.url
    said = _Joined(
        url or known.url,
        token or (known.token if same else ""),
        str(certificate.resolve()) if certificate else (known.certificate if same else ""),
    )
    if not said.url or not said.token:
        raise InputError(
            "It is not known where to report, or with which token.",
            "`mlops hardware token NAME` on the machine that collects prints the whole command.",
        )
    return said


def _keep(home: Home, joined: _Joined) -> None:
    from services.platform.files import write_json

    write_json(home.secrets / _SAVED, joined._asdict())
