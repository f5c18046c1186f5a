"""Rates: token buckets, one for each thing that may happen so many times a second.

A bucket holds one second's worth of calls and fills steadily. Only buckets that were drawn
from lately are kept: one that had time to fill is the same as none.
"""

from collections import OrderedDict

from msgspec import Struct

MAX_BUCKETS = 100_000
"""About 20 MB. Beyond it the one that was drawn from longest ago is forgotten."""


class _Bucket(Struct):
    tokens: float
    at_ms: int


class Rates:
    """What was called lately, of this process."""

    def __init__(self) -> None:
        self._buckets: OrderedDict[tuple[str, ...], _Bucket] = OrderedDict()

    def allow(self, key: tuple[str, ...], *, per_s: int, now_ms: int) -> bool:
        """Whether one more call fits into the rate; takes it if it does."""
        bucket = self._buckets.pop(key, None) or _Bucket(per_s, now_ms)
        passed_ms = max(0, now_ms - bucket.at_ms)  # the clock may have been set back
        bucket.tokens = min(per_s, bucket.tokens + passed_ms * per_s / 1000)
        bucket.at_ms = now_ms
        self._buckets[key] = bucket
        if len(self._buckets) > MAX_BUCKETS:
            self._buckets.popitem(last=False)
        if bucket.tokens < 1:
            return False
        bucket.tokens -= 1
        return True
