"""Ingest: what encoders send, turned into core.encoded values, and nothing else.

`rtmp` is sans-IO; `server` and `connection` are the only modules that touch sockets.
"""
