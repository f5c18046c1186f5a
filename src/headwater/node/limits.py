"""What an input may be: limits on its bitrate and its picture.

Source: IVS user guide, "Service Quotas" and "Streaming Configuration": an input beyond them
is disconnected, and an "IVS Limit Breach" event says so. How long the bitrate is measured is
not documented; here it is `media.measure`'s average, once there is one, and a tenth more than
the limit is let pass, because encoders do not hold their rate exactly.
"""

from collections.abc import Mapping

from msgspec import Struct

from headwater.api.quotas import Quotas
from headwater.core.encoded import Kind
from headwater.core.track import VideoTrack
from headwater.media.measure import AVERAGE_S, Reading

TOLERANCE = 1.1
SD_PIXELS = 480  # the shorter edge of the pictures with BASIC's lower bitrate


class Breach(Struct, frozen=True):
    """A limit that an input does not keep to."""

    name: str  # the event's limit_name
    text: str  # for the log, and for the encoder's user


def breach_of(quotas: Quotas, channel_type: str, measured: Mapping[Kind, Reading]) -> Breach | None:
    """The first limit that the input breaks; None while it keeps to all."""
    video = measured["video"].track if "video" in measured else None
    if isinstance(video, VideoTrack):
        pixels, edge = video.width * video.height, max(video.width, video.height)
        if pixels > quotas.ingest_pixels or edge > quotas.ingest_edge_pixels:
            return Breach(
                "Ingest Resolution",
                f"the picture of {video.width}x{video.height} is larger than the quota allows: "
                f"{quotas.ingest_pixels} pixels, {quotas.ingest_edge_pixels} along an edge",
            )
    if not measured or min(len(each.seconds) for each in measured.values()) < AVERAGE_S:
        return None
    allowed_bps = _allowed_bps(quotas, channel_type, video)
    bitrate_bps = sum(each.bitrate_bps for each in measured.values())
    if bitrate_bps <= TOLERANCE * allowed_bps:
        return None
    return Breach(
        "Ingest Bitrate",
        f"the input has {bitrate_bps:.0f} bits a second, the quota allows {allowed_bps}",
    )


def _allowed_bps(quotas: Quotas, channel_type: str, video: object) -> int:
    if channel_type != "BASIC":
        return quotas.ingest_bitrate_bps
    if isinstance(video, VideoTrack) and min(video.width, video.height) > SD_PIXELS:
        return quotas.basic_ingest_bitrate_bps
    return quotas.basic_ingest_bitrate_480p_bps
