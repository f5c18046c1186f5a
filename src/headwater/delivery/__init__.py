"""Live HLS to viewers: the sliding window, its playlists, blocking reload and HTTP answers.

`window`, `playlist`, `blocking` and `rates` are pure; `waiting` knows asyncio; `stream`
joins them per rendition; `http` turns requests into answers.
"""
