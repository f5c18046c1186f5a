"""An encoder for demos and tests: a test picture and a tone, published over RTMP or RTMPS.

It runs as a process of its own (`python -m headwater.publisher`), as OBS would.
"""
