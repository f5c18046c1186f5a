"""RTMP, server side, without I/O: handshake, chunks, commands, FLV tags, one session."""
