"""Where a notification may go: which network addresses are of the public internet.

What a name resolves to can change between a look and a connection. So nothing is decided by names:
the guard is asked about each address at the moment something is sent to it.
"""

import ipaddress
import sys

_NAT64 = ipaddress.ip_network("64:ff9b::/96")
_WATCHED = frozenset({"socket.connect", "socket.sendto", "socket.sendmsg"})
_Address = ipaddress.IPv4Address | ipaddress.IPv6Address


class BlockedAddressError(OSError):
    """Something was to be sent to an address that is not allowed.

    An ``OSError``, so that libraries take it for a connection that failed.
    """


def fault(text: str, *, private: bool) -> str:
    """Return why nothing may be sent to an address, empty when it may.

    Args:
        text: The address in digits; a name is refused, for nobody looked at what it means.
        private: Whether addresses of private networks and of this machine are allowed. Link-local
            ones (where clouds keep their credentials), multicast and unspecified never are.
    """
    try:
        address = _inner(ipaddress.ip_address(text.partition("%")[0]))
    except ValueError:
        return f"{text[:80]} is no network address in digits"
    if address.is_multicast or address.is_unspecified or address.is_link_local:
        return f"{address} is no address of one host that others may be told of"
    if not address.is_global and not private:
        return f"{address} is an address of a private network or of this machine"
    return ""


def _inner(address: _Address) -> _Address:
    """Return the IPv4 address that an IPv6 one stands for, else the address itself."""
    if isinstance(address, ipaddress.IPv4Address):
        return address
    if address in _NAT64:
        return ipaddress.IPv4Address(int(address) & 0xFFFF_FFFF)
    return address.ipv4_mapped or address.sixtofour or address


def guard(*, private: bool) -> list[str]:
    """Keep this process from sending to addresses that are not allowed, for as long as it lives.

    The hook sees the address that the kernel is about to be given, of every library; it cannot be
    taken out again. A name, and what is no internet address (a socket in the file system), is
    refused.

    Returns:
        Where the guard notes why it refused something: libraries hide its error behind theirs.
    """
    refused: list[str] = []

    def hook(event: str, arguments: tuple[object, ...]) -> None:
        if event not in _WATCHED:
            return
        target = arguments[1] if len(arguments) > 1 else None
        if target is None:  # a message on a connection that was looked at
            return
        host = target[0] if isinstance(target, tuple) and target else target
        why = fault(str(host), private=private)
        if why:
            refused.append(why)
            raise BlockedAddressError(why)

    sys.addaudithook(hook)
    return refused
