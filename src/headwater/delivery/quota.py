"""The quota of concurrent views of an account and region, and that its breach is told."""

from collections.abc import Callable, Iterable
from typing import Protocol

from headwater.delivery.address import ChannelAddress

TOLD_AGAIN_S = 60.0
"""Those who are refused try again and again: one breach is told once a minute."""


class Watched(Protocol):
    """A live stream, as far as its viewers count."""

    channel: ChannelAddress

    def viewer_count(self) -> int:
        """Concurrent views."""


class ViewQuota:
    """How many may watch the streams of one account and region together."""

    def __init__(
        self,
        limit: int,
        *,
        now_s: Callable[[], float],
        breached: Callable[[ChannelAddress, int], None],
    ) -> None:
        """Nobody has been refused.

        Args:
            limit: concurrent views.
            now_s: a monotonic clock.
            breached: told of a refusal: for which channel, and how many views it would
                have been.
        """
        self._limit = limit
        self._now_s = now_s
        self._breached = breached
        self._told_s: dict[tuple[str, str], float] = {}  # a few: those with live streams

    def refuses(self, channel: ChannelAddress, live: Iterable[Watched]) -> bool:
        """Whether one more viewer of the channel would be too many.

        Args:
            channel: that somebody would watch.
            live: the live streams of all accounts.
        """
        scope = (channel.account, channel.region)
        views = sum(
            stream.viewer_count()
            for stream in live
            if (stream.channel.account, stream.channel.region) == scope
        )
        if views < self._limit:
            return False
        told_s = self._told_s.get(scope)
        if told_s is None or self._now_s() - told_s >= TOLD_AGAIN_S:
            self._told_s[scope] = self._now_s()
            self._breached(channel, views + 1)
        return True
