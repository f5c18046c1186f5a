"""Live HLS to viewers: the sliding window, its playlists, blocking reload and HTTP answers.

`window`, `playlist`, `blocking`, `rates`, `sessions` and `quota` are pure; `waiting` knows
asyncio; `stream` joins them per stream and rendition; `http` and `media` turn requests into
answers, and ask `admission` who may have them.
"""
