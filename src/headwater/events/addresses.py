"""Addresses: which of them a webhook may be sent to.

Whoever may name a webhook must not be able to reach what only this machine can reach: a
cloud's metadata service, a database, a printer. Source: IANA's special-purpose address
registries (RFC 6890), as Python's `ipaddress` knows them.
"""

from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address

Address = IPv4Address | IPv6Address

_NAT64 = IPv6Network("64:ff9b::/96")
"""RFC 6052: the last 32 bits are an IPv4 address, and that is where packets go."""


def is_public(text: str) -> bool:
    """Whether an address, as a socket names it, is one of the internet's."""
    try:
        address = ip_address(text.partition("%")[0])
    except ValueError:
        return False
    return all(each.is_global and not each.is_multicast for each in _meant(address))


def _meant(address: Address) -> list[Address]:
    """The address and those that it carries."""
    if isinstance(address, IPv4Address):
        return [address]
    if address.ipv4_mapped:
        return [address.ipv4_mapped]
    carried: list[Address] = [address]
    if address.sixtofour:
        carried.append(address.sixtofour)
    if address.teredo:
        carried += address.teredo
    if address in _NAT64:
        carried.append(IPv4Address(int(address) & 0xFFFFFFFF))
    return carried
