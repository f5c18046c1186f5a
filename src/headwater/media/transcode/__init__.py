"""Transcoding: one decode, many encodes, in a child process per live stream.

`wire` is what both sides of the pipes speak and imports no PyAV; everything else here runs
in the child (`python -m headwater.media.transcode`) only.
"""
