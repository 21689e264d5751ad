"""Where a notification may go: which network addresses are of the public internet.

What a name resolves to can change between a look and a connection. So nothing is decided by names:
the guard is asked about each address at the moment something is sent to it.
"""

import ipaddress
import sys

_UNICAST = ipaddress.IPv6Network("2000::/3")
"""All that IPv6 routes between networks. What lies outside it is a mesh's, a site's, or nobody's,
though Python takes some of it for global."""
_CARRYING = (ipaddress.IPv6Network("64:ff9b::/96"), ipaddress.IPv6Network("64:ff9b:1::/48"))
"""NAT64 (RFC 6052, 8215); the IPv4 address is taken from the last 32 bits."""
_COMPATIBLE = ipaddress.IPv6Network("::/96")
_CREDENTIALS = frozenset(
    map(
        ipaddress.ip_address,
        ("fd00:ec2::254", "fd20:ce::254", "100.100.100.200", "168.63.129.16", "192.0.0.192"),
    )
)
"""Where clouds keep their credentials beside 169.254.169.254: Amazon's and Google's over IPv6,
Alibaba's, Azure's, Oracle's."""
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
            and other ones where clouds keep their credentials, multicast and unspecified never are.
    """
    try:
        address = _inner(ipaddress.ip_address(text.partition("%")[0]))
    except ValueError:
        return f"{text[:80]} is no network address in digits"
    if address in _CREDENTIALS:
        return f"{address} is where a cloud keeps the credentials of its machines"
    if address.is_multicast or address.is_unspecified or address.is_link_local:
        return f"{address} is no address of one host that others may be told of"
    if not private and not _is_public(address):
        return f"{address} is an address of a private network or of this machine"
    return ""


def _is_public(address: _Address) -> bool:
    if isinstance(address, ipaddress.IPv6Address) and address not in _UNICAST:
        return False
    return address.is_global


def _inner(address: _Address) -> _Address:
    """Return the IPv4 address that an IPv6 one stands for, else the address itself."""
    if isinstance(address, ipaddress.IPv4Address):
        return address
    compatible = address in _COMPATIBLE and int(address) > 1  # 0 and 1 are none and this machine
    if compatible or any(address in one for one in _CARRYING):
        return ipaddress.IPv4Address(int(address) & 0xFFFF_FFFF)
    teredo = address.teredo[1] if address.teredo else None
    return address.ipv4_mapped or address.sixtofour or teredo or address


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
