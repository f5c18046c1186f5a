"""Who a request comes from, where proxies that are trusted stand in front.

Source: RFC 7239 §5.2 and §7.4, for the X-Forwarded-For that came before it. Each proxy adds
whom it was asked by at the end, so that the last address which is no trusted proxy's is the
client; all that stands before it anybody may have written.
"""

import ipaddress
from functools import lru_cache

from headwater.core.errors import OperatorError
from headwater.core.http import Headers

SETTING = "http.trusted_proxies"
MAX_NETWORKS = 1000
"""Far above any load balancer's list."""
MAX_ADDRESSES = 32
"""Proxies that a request came through; what stands before them is not looked at."""
REMEMBERED = 10_000
"""Addresses known to be a proxy's or not. Below 1 kB each."""

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
Address = ipaddress.IPv4Address | ipaddress.IPv6Address


class Proxies:
    """The networks whose word is taken for who they were asked by."""

    def __init__(self, networks: str) -> None:
        """Read the setting.

        Args:
            networks: addresses and networks, separated by commas; "": nobody is trusted.

        Raises:
            OperatorError: one of them is none.
        """
        names = [name.strip() for name in networks.split(",")] if networks.strip() else []
        if len(names) > MAX_NETWORKS:
            raise OperatorError(f"{SETTING}: must be at most {MAX_NETWORKS} addresses or networks")
        self._networks: tuple[Network, ...] = tuple(map(_network, names))
        self._is_trusted = lru_cache(REMEMBERED)(self._look)

    def client(self, peer: str, headers: Headers) -> str:
        """The address of who asked.

        Args:
            peer: whose connection it is.
            headers: of the request, their names in lower case.
        """
        if not self._networks or not self._is_trusted(peer):
            return peer
        forwarded = [value for name, value in headers if name == "x-forwarded-for"]
        nearest = peer
        for name in reversed(",".join(forwarded).split(",")[-MAX_ADDRESSES:]):
            address = _address(name)
            if address is None:
                break  # nobody's word for it: the last that is known stands
            nearest = str(address)
            if not self._is_trusted(nearest):
                break
        return nearest

    def _look(self, text: str) -> bool:
        address = _address(text)
        return address is not None and any(address in network for network in self._networks)


def _network(name: str) -> Network:
    try:
        return ipaddress.ip_network(name, strict=False)
    except ValueError:
        raise OperatorError(
            f"{SETTING}: {name!r}: must be an address or a network, such as 10.0.0.0/8"
        ) from None


def _address(text: str) -> Address | None:
    """An address, as proxies write it: maybe with a port, maybe in brackets."""
    text = text.strip()
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        found = ipaddress.ip_address(text)
    except ValueError:
        return None
    return getattr(found, "ipv4_mapped", None) or found


NONE_TRUSTED = Proxies("")
