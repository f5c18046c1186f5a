"""Timed metadata in fragmented MP4: event message boxes before a fragment.

Source: ISO/IEC 23009-1 §5.10.3.3 (emsg, versions 0 and 1), the AOM's "Carriage of ID3
Timed Metadata in CMAF". Seen on players: the IVS player takes only version 0 with a
scheme of its own, hls.js and video.js only version 1; each passes over the other's box.
"""

from struct import pack

from headwater.core.track import VIDEO_TIMESCALE
from headwater.media.fmp4.box import full_box

IVS_SCHEME = b"urn:twitch:id3\x00"
AOM_SCHEME = b"https://aomedia.org/emsg/ID3\x00"

_NO_VALUE = b"\x00"
_NO_DURATION = 0  # a tag marks a moment


def id3_boxes(tag: bytes, *, pts: int, fragment_pts: int, number: int) -> bytes:
    """The boxes of one ID3 tag, one for each family of players.

    Args:
        tag: the whole tag.
        pts: when it is due, in 90 kHz ticks on the media's timeline.
        fragment_pts: the first presentation time of the fragment that follows, likewise.
        number: tells events of a stream apart.
    """
    fields = (VIDEO_TIMESCALE, max(0, pts - fragment_pts), _NO_DURATION, number)
    relative = full_box(b"emsg", 0, 0, IVS_SCHEME, _NO_VALUE, pack(">4I", *fields), tag)
    fields = (VIDEO_TIMESCALE, max(0, pts), _NO_DURATION, number)
    absolute = full_box(b"emsg", 1, 0, pack(">IQII", *fields), AOM_SCHEME, _NO_VALUE, tag)
    return relative + absolute
