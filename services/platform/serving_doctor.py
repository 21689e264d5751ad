"""Who can reach the gateway and Ray, and its mend."""

import stat
from collections.abc import Iterator
from ipaddress import ip_address
from typing import TYPE_CHECKING

from services.errors import MlopsError
from services.home import Home
from services.platform.configuration import load_settings

if TYPE_CHECKING:
    from services.platform.doctor import Finding
    from services.settings import Settings


def serving(home: Home) -> Iterator["Finding"]:
    """Look who can reach the gateway, and who can read Ray's token."""
    try:
        settings = load_settings()
    except MlopsError:
        return  # said by the check of the settings
    if settings.serving_enabled:
        yield _gateway(settings)
        yield _ray(home, settings)


def _gateway(settings: "Settings") -> "Finding":
    from services.platform.doctor import Finding

    address = settings.gateway_listen
    if ip_address(address).is_loopback:
        return Finding("ok", "gateway", "listens on this machine alone")
    meaning = (
        f"listens on {address} without TLS: API keys, requests and answers can be read by who is "
        "on the network between."
    )
    mend = "Put a proxy with TLS before it, and set gateway_listen back to 127.0.0.1."
    return Finding("warning", "gateway", meaning, mend)


def _ray(home: Home, settings: "Settings") -> "Finding":
    from services.platform.doctor import Finding

    address, token = settings.serving_ray_address, settings.serving_ray_token
    if address and token is None:
        meaning = f"The cluster {address} is joined without a token: whoever reaches it runs code."
        mend = "Start it with RAY_AUTH_MODE=token, and name the file in serving_ray_token."
        return Finding("error", "Ray", meaning, mend)
    path = token or home.run / "serving" / "ray" / "token"
    try:
        open_to_others = bool(stat.S_IMODE(path.stat().st_mode) & 0o077)
    except OSError:
        if token is None:
            return Finding("ok", "Ray", "has no token yet; its first start makes one")
        mend = "Name the file with the token of that cluster in serving_ray_token."
        return Finding("error", "Ray", f"{path} cannot be read: Ray cannot be joined.", mend)
    if open_to_others:
        return Finding("error", "Ray", f"Others can read {path}.", f"chmod 600 {path}")
    return Finding("ok", "Ray", "asks for a token that its owner alone can read")
