"""How many watch a stream, estimated from who asks for its playlists, without I/O.

A viewer is a client address and a user agent that asked for a media playlist lately:
every player does so at least once a target duration. People behind one address with the
same player count as one; Amazon IVS counts sessions, which public playback has none of.
"""

from collections.abc import Callable

MAX_VIEWERS_COUNTED = 200_000
"""Invented user agents must not fill the memory; beyond it newcomers are not counted."""

VIEWER_GONE_S = 15.0
"""Silence after which a viewer is gone: longer than any target duration."""


class ViewerCount:
    """The viewers of one stream."""

    def __init__(self, now_s: Callable[[], float]) -> None:
        self._now_s = now_s
        self._last_seen_s: dict[int, float] = {}  # by hash of the client, longest ago first

    def saw(self, client_address: str, user_agent: str) -> None:
        """A client asked for a media playlist."""
        viewer = hash((client_address, user_agent))
        if self._last_seen_s.pop(viewer, None) is None and self.count() >= MAX_VIEWERS_COUNTED:
            return
        self._last_seen_s[viewer] = self._now_s()

    def knows(self, client_address: str, user_agent: str) -> bool:
        """Whether the client is one of them."""
        return hash((client_address, user_agent)) in self._last_seen_s

    def count(self) -> int:
        """Viewers seen in the last VIEWER_GONE_S seconds."""
        gone_s = self._now_s() - VIEWER_GONE_S
        while self._last_seen_s:
            longest_ago = next(iter(self._last_seen_s))
            if self._last_seen_s[longest_ago] > gone_s:
                break
            del self._last_seen_s[longest_ago]
        return len(self._last_seen_s)
