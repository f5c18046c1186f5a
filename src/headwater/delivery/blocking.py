"""Delivery directives: what a playlist request waits for, decided without I/O.

Source: draft-pantos-hls-rfc8216bis §6.2.5 (`_HLS_msn`, `_HLS_part`, `_HLS_skip`).

Choices where the draft leaves room: "the last Media Segment" is the newest complete
one; a request for media older than the window gets the current playlist at once; an
unknown `_HLS_skip` gets the full playlist.
"""

import re
from enum import Enum
from functools import lru_cache
from urllib.parse import parse_qsl

from msgspec import Struct

from headwater.core.errors import LimitError, PeerError
from headwater.delivery.playlist import Skip
from headwater.delivery.window import Window

MAX_QUERY_FIELDS = 100
"""Players add a handful; parsing thousands would cost more than the answer."""

QUERIES_REMEMBERED = 64
"""Thousands ask for the same part at the same time. A query has below 64 kB: 4 MB at most."""

MAX_SEGMENTS_AHEAD = 2  # rfc8216bis §6.2.5.2
MAX_PARTS_AHEAD_MS = 3_000  # ... its Advance Part Limit: parts of 3 s, at least 3

_SEQUENCE = re.compile(r"[0-9]{1,15}")  # 2**53 is the most a JavaScript player can count to
_DIRECTIVES = ("_HLS_msn", "_HLS_part", "_HLS_skip")


class Directives(Struct, frozen=True, kw_only=True):
    """What a request for a media playlist asks for; all None is a plain request."""

    msn: int | None = None
    part: int | None = None
    skip: Skip | None = None


class Verdict(Enum):
    """What to do with a request now."""

    READY = "answer with the current playlist"
    WAIT = "ask again when the window has changed"
    TOO_FAR = "refuse: so far ahead that the client must be wrong"


@lru_cache(QUERIES_REMEMBERED)
def parse_directives(query: str) -> Directives:
    """The delivery directives of a query, in any order; other parameters are ignored.

    Args:
        query: as sent, without the question mark.

    Raises:
        PeerError: a directive is malformed or repeated, or `_HLS_part` stands alone.
        LimitError: more than MAX_QUERY_FIELDS parameters.
    """
    try:
        fields = parse_qsl(query, keep_blank_values=True, max_num_fields=MAX_QUERY_FIELDS)
    except ValueError:
        raise LimitError(f"more than {MAX_QUERY_FIELDS} query parameters") from None
    sent: dict[str, str] = {}
    for name, value in fields:
        if name not in _DIRECTIVES:
            continue
        if name in sent:
            raise PeerError(f"{name} is given twice")
        sent[name] = value
    msn, part = (_sequence(sent, name) for name in ("_HLS_msn", "_HLS_part"))
    if part is not None and msn is None:
        raise PeerError("_HLS_part needs _HLS_msn")
    skips: dict[str, Skip] = {"YES": "YES", "v2": "v2"}
    return Directives(msn=msn, part=part, skip=skips.get(sent.get("_HLS_skip", "")))


def _sequence(sent: dict[str, str], name: str) -> int | None:
    text = sent.get(name)
    if text is None:
        return None
    if not _SEQUENCE.fullmatch(text):
        raise PeerError(f"{name} must be a whole number of at most 15 digits")
    return int(text)


def decide(window: Window, directives: Directives) -> Verdict:
    """What to do with a request for the media playlist, as the window stands.

    A plain request waits only for the very first segment: no player starts on a playlist
    without one, and several give up on it.
    """
    if window.ended:
        return Verdict.READY
    msn, part = directives.msn, directives.part
    if msn is None or window.part_target_ms is None:
        return Verdict.READY if window.next_msn else Verdict.WAIT
    if part is not None and (count := window.part_count(msn)) is not None and part >= count:
        msn, part = msn + 1, 0  # past the end of a segment means the start of the next
    following = window.next_part()
    if msn < window.next_msn or (part is not None and (msn, part) < following):
        return Verdict.READY
    if _is_too_far(following, window.part_target_ms, msn, part):
        return Verdict.TOO_FAR
    return Verdict.WAIT


def _is_too_far(
    following: tuple[int, int], part_target_ms: int, msn: int, part: int | None
) -> bool:
    next_msn, next_index = following
    last_complete_msn = next_msn - 1
    if msn > last_complete_msn + MAX_SEGMENTS_AHEAD:
        return True
    if part is None:
        return False
    if msn != next_msn:
        next_index = 0
    most_ahead = max(3, -(-MAX_PARTS_AHEAD_MS // part_target_ms))
    return part - (next_index - 1) > most_ahead
