"""Who is asking: the client's address, also behind proxies of ours.

`X-Forwarded-For` is what the sender says. It counts only as far as it was written by proxies that
are configured: the client is the last address of the chain that is none of them.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from functools import lru_cache
from typing import Union

Network = Union[ipaddress.IPv4Network, ipaddress.IPv6Network]
Address = Union[ipaddress.IPv4Address, ipaddress.IPv6Address]

LOOPBACK: tuple[Network, ...] = (
    ipaddress.ip_network("127.0.0.0/8"),
    ipaddress.ip_network("::1/128"),
)
# What one subscriber has: counting single IPv6 addresses would count nothing.
_IPV6_SITE = 64


def parse_networks(text: str) -> tuple[Network, ...]:
    """`127.0.0.1 10.0.0.0/8 ::1`.

    Raises:
        ValueError: not addresses or networks.
    """
    return tuple(ipaddress.ip_network(word) for word in text.replace(",", " ").split())


def is_in(address: str, networks: Sequence[Network]) -> bool:
    """Whether an address, as a socket names it, lies in one of the networks."""
    parsed = _parse(address)
    return parsed is not None and any(parsed in network for network in networks)


def client_address(peer: str, forwarded: str | None, trusted: Sequence[Network]) -> str:
    """The client's address: that of the peer, or what trusted proxies say they saw."""
    if not forwarded or not is_in(peer, trusted):
        return peer
    client = peer
    for hop in reversed(forwarded.split(",")):
        parsed = _parse(hop.strip())
        if parsed is None:
            break
        client = str(parsed)
        if not is_in(client, trusted):
            break
    return client


def limit_key(address: str) -> str:
    """What limits count by: an IPv4 address, an IPv6 site."""
    parsed = _parse(address)
    if isinstance(parsed, ipaddress.IPv6Address):
        return str(ipaddress.ip_network((parsed, _IPV6_SITE), strict=False))
    return address if parsed is None else str(parsed)


@lru_cache(maxsize=4096)
def _parse(text: str) -> Address | None:
    try:
        parsed = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return None
    mapped = getattr(parsed, "ipv4_mapped", None)
    return mapped or parsed
