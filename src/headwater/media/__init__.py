"""Bytes and their meaning: codecs, the timeline, containers and segments. Pure, without I/O."""
