"""What is typed on another machine so that it reports here, and what that takes on this one."""

import ipaddress
import shlex
import socket
from dataclasses import dataclass
from typing import TYPE_CHECKING

from services.engines.registry import read_ports
from services.home import Home

if TYPE_CHECKING:
    from services.settings import Settings


_SET = (
    "set `telemetry_listen` (an address of this machine, or 0.0.0.0 for all), "
    "`telemetry_certificate` and `telemetry_key` (PEM files)"
)


@dataclass(frozen=True, slots=True)
class Way:
    """How another machine reaches the telemetry of this one."""

    url: str
    """What the agent joins."""
    port: int
    host: str
    """This machine's name in the network, as far as it knows."""
    shown: str
    """Its name or address in the URL."""
    loopback: bool
    """Whether this machine listens to itself alone, so that the other comes through a tunnel."""
    tls: bool

    @property
    def tunnel(self) -> str:
        """Return the command that lets the other machine in; empty where it needs none."""
        if not self.loopback:
            return ""
        return f"ssh -N -L {self.port}:127.0.0.1:{self.port} {self.host}"

    @property
    def in_the_clear(self) -> bool:
        """Whether the token and the figures go over a network as they are."""
        return not self.loopback and not self.tls

    def commands(self, token: str) -> tuple[str, ...]:
        """Return what is typed on the other machine, in the toolkit's folder.

        The token goes by a variable: everybody on a machine can read the arguments of a command.
        """
        join = f"./mlops agent --join {self.url}"
        return f"export MLOPS_AGENT_TOKEN={shlex.quote(token)}", join

    def advice(self) -> tuple[str, ...]:
        """Return what else it takes, a sentence each."""
        said = []
        if self.loopback:
            said += [
                "The telemetry listens on this machine alone. Let the other one come by a tunnel, "
                f"run there and left running: `{self.tunnel}`.",
                f"Without a tunnel: {_SET} in settings.toml here (or their MLOPS_ variables), then "
                "`mlops down` and `mlops up`; the port is then open to the network, and only "
                "`/v1/samples`, with a token, is answered to others.",
            ]
        if self.tls:
            said.append(
                f"The certificate must name {self.shown}. If no authority that the other machine "
                "trusts has signed it, copy it there and add `--certificate FILE`."
            )
        if self.in_the_clear:
            said.append(
                "It listens without TLS: who is on the network between can read the token and the "
                "figures. `telemetry_certificate` and `telemetry_key` (PEM files) in settings.toml "
                "end that, after `mlops down` and `mlops up`."
            )
        return tuple(said)


def way(settings: "Settings", home: Home) -> Way:
    """Return how this installation is reached."""
    port = read_ports(home.root).get("telemetry", settings.telemetry_port)
    listen = ipaddress.ip_address(settings.telemetry_listen)
    name = socket.gethostname()
    tls = settings.telemetry_certificate is not None
    shown = "127.0.0.1" if listen.is_loopback else name if listen.is_unspecified else str(listen)
    if ":" in shown:
        shown = f"[{shown}]"
    return Way(
        url=f"{'https' if tls else 'http'}://{shown}:{port}",
        port=port,
        host=name,
        shown=shown,
        loopback=listen.is_loopback,
        tls=tls,
    )
