"""Headwater: a self-hosted, drop-in Amazon IVS (low-latency streaming).

`from headwater import ivs` gives the Python client (headwater.client), loaded when asked for.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from headwater.client import ivs as ivs

__version__ = "0.1.0"


def __getattr__(name: str) -> object:
    """The client on first use: the server never needs botocore (PEP 562)."""
    if name == "ivs":
        from headwater.client import ivs  # noqa: PLC0415

        return ivs
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
