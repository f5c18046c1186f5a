"""Retry: how long to wait after failed deliveries.

Source: EventBridge user guide, "How EventBridge retries delivering events" (exponential
backoff with jitter, for 24 hours).
"""

FIRST_MS = 1000
LONGEST_MS = 60_000
"""A target that is back gets what waited within a minute; one that stays away is asked as
often, which costs it nothing."""
JITTER = 0.25


def wait_ms(failed: int, random: float) -> int:
    """How long to wait before the next attempt.

    Args:
        failed: attempts so far, at least 1.
        random: 0 to 1, so that targets that failed together are not asked together.
    """
    doubled = min(failed - 1, 16)  # beyond it longest anyway
    whole = min(FIRST_MS << doubled, LONGEST_MS)
    return round(whole * (1 - JITTER * random))
