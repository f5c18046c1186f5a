"""The vocabulary every stage shares: packets, tracks, segments, ARNs, ids, errors.

Imports msgspec and nothing of ours; no I/O, no clock, no random source.
"""
