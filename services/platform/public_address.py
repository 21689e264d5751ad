"""Where people reach the dashboard from their own machines: what links in messages begin with.

An address of this machine alone leads whoever reads a message elsewhere to *their* machine. So it
is told with this machine's name in front, which makes it no link, unless an address is known under
which the dashboard is reached.
"""

import socket
from collections.abc import Iterator
from ipaddress import ip_address
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from services.errors import PlatformError
from services.home import Home
from services.platform import sign_on
from services.platform import state as states

if TYPE_CHECKING:
    from services.platform.doctor import Finding

UNKNOWN = "nothing says under which address people reach the dashboard."
MEND = (
    'Set dashboard_url = "https://…" in settings.toml of the home folder (or MLOPS_DASHBOARD_URL), '
    "then `mlops restart controller`."
)


def known(home: Home, wanted: str) -> str:
    """Return the address under which people reach the dashboard, empty when none is known.

    Args:
        home: Where single sign-on is configured: it works at one address alone, so that is it.
        wanted: What the setting ``dashboard_url`` says.
    """
    if wanted:
        return wanted
    try:
        provider = sign_on.read(home)
    except PlatformError:  # doctor says it
        return ""
    if provider is None or "{port}" in provider.redirect_uri:
        return ""
    origin = provider.origin(0)
    return "" if _of_this_machine(origin) else origin


def before(home: Home, public: str) -> str:
    """Return what stands before a link's path in a message; empty while nothing is known.

    Args:
        home: Its state tells where the dashboard listens.
        public: The address of ``known``.
    """
    if public:
        return public
    try:
        dashboard = states.load(home.run / "state.json").engine("dashboard")
    except PlatformError:  # a link less; the rule of engines says it
        return ""
    return f"on {socket.gethostname()}: {dashboard.url.rstrip('/')}" if dashboard else ""


def look(home: Home) -> Iterator["Finding"]:
    """Look whether the links of messages lead there, where messages are sent at all."""
    from services.alerting import channels
    from services.platform.configuration import load_settings
    from services.platform.doctor import Finding

    try:
        public = known(home, load_settings().dashboard_url)
    except PlatformError:
        return  # said by the check of the settings
    if public:
        yield Finding("ok", "links", f"of messages begin with {public}")
    elif channels.are_kept(home):
        meaning = f"of messages lead nowhere from another machine: {UNKNOWN}"
        yield Finding("warning", "links", meaning, MEND)


def _of_this_machine(url: str) -> bool:
    host = urlsplit(url).hostname or ""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")
