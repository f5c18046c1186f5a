"""Headwater: a self-hosted, drop-in Amazon IVS (low-latency streaming)."""

__version__ = "0.1.0"
