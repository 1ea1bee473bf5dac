"""Where a program may go at a tenant's word (webhooks, MCP servers): to public addresses over https, and to those
networks that the operator allows.

A tenant writes the address, and the program stands inside the operator's network. So the name is resolved here, every
address it has is checked, and the connection is made to one of these, whatever the name means a moment later.
"""

import asyncio
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from urllib.parse import urlsplit, urlunsplit

_Address = IPv4Address | IPv6Address
_NAT64 = IPv6Network("64:ff9b::/96")  # RFC 6052: an IPv4 address is in the last 32 bits
_MOST_ADDRESSES = 4


class Unreachable(Exception):
    """A program may not go there. `for_good`: it never will, as things are set."""

    def __init__(self, message: str, for_good: bool):
        super().__init__(message)
        self.for_good = for_good


@dataclass(frozen=True)
class Route:
    """`urls` have an address in place of the name, one for each; `host` is for the Host header, `name` for TLS."""

    urls: list[str]
    host: str
    name: str


async def find_route(url: str, allowed: Sequence[IPv4Network | IPv6Network], setting: str) -> Route:
    """Check `url` and resolve its name. `setting`: where the operator allows networks.

    Raises Unreachable; its message names the host and nothing else of `url`.
    """
    try:
        parts = urlsplit(url)
        name, port = parts.hostname or "", parts.port
    except ValueError:
        raise Unreachable("the address of the endpoint is none", for_good=True) from None
    if parts.scheme not in ("http", "https") or not name or parts.username is not None:
        raise Unreachable("the address of the endpoint is no http or https address", for_good=True)
    addresses = await _resolve(name, port or (443 if parts.scheme == "https" else 80))
    for address in addresses:
        _check(name, address, parts.scheme, allowed, setting)
    places = [f"[{address}]" if address.version == 6 else str(address) for address in addresses[:_MOST_ADDRESSES]]
    urls = [
        urlunsplit((parts.scheme, place if port is None else f"{place}:{port}", parts.path, parts.query, ""))
        for place in places
    ]
    return Route(urls, parts.netloc, name)


async def _resolve(name: str, port: int) -> list[_Address]:
    try:
        found = await asyncio.get_running_loop().getaddrinfo(name, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        raise Unreachable(f"the name {name} cannot be resolved", for_good=False) from None
    return [ip_address(str(entry[4][0]).partition("%")[0]) for entry in found]


def _check(
    name: str, address: _Address, scheme: str, allowed: Sequence[IPv4Network | IPv6Network], setting: str
) -> None:
    if any(_meant(address) in network for network in allowed):
        return
    if not _meant(address).is_global or address.is_multicast:
        raise Unreachable(
            f"{name} is at a private address: the operator has to allow its network in {setting}",
            for_good=True,
        )
    if scheme != "https":
        raise Unreachable(f"{name} is a public host: its address has to begin with https://", for_good=True)


def _meant(address: _Address) -> _Address:
    """The IPv4 address that an IPv6 address stands for, where it stands for one."""
    if isinstance(address, IPv4Address):
        return address
    if address in _NAT64:
        return IPv4Address(int(address) & 0xFFFFFFFF)
    return address.ipv4_mapped or address.sixtofour or address
