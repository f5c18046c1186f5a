"""The ID3 tag that every live segment begins with.

Source: the tags in Amazon IVS's own segments. The IVS player takes its live latency from
`transc_r` of the segment that it plays, its clock set by the playlist's SERVER-TIME;
others synchronise chat replays by `transc_s`.
"""

import json
from datetime import UTC, datetime, timedelta

from headwater.media.codec import id3

DESCRIPTION = "segmentmetadata"

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def segment_tag(*, msn: int, received_ms: int, sent_ms: int, offset_ms: int) -> bytes:
    """The tag of one segment.

    Args:
        msn: its media sequence number.
        received_ms: when its first frame came in (Unix ms).
        sent_ms: when its first part was handed on (Unix ms).
        offset_ms: media before it since the stream began.
    """
    # One process both receives and packages: ingest and "transcoder" see the same times.
    times = {
        "cmd": "ld_lat_data",
        "ingest_r": received_ms,
        "ingest_s": received_ms,
        "stream_offset": round(offset_ms / 1000, 3),
        "transc_r": received_ms,
        "transc_s": sent_ms,
    }
    second = (_EPOCH + timedelta(milliseconds=sent_ms)).strftime("%Y-%m-%dT%H:%M:%S")
    return id3.tag(
        [
            id3.text("TRCK", str(msn)),
            id3.text("TDEN", second),
            id3.text("TDTG", second),
            id3.user_text(DESCRIPTION, json.dumps(times, separators=(",", ":"))),
        ]
    )
