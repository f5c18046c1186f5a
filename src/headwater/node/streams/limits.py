"""What inputs and viewers may be: limits, and what is told of those who break them.

Source: IVS user guide, "Service Quotas", "Streaming Configuration", and "Using Amazon
EventBridge" (IVS Limit Breach; exceeded_by is the value less the limit). An input beyond a
limit is disconnected. How long the bitrate is measured is not documented; here it is over
BREACH_S, once there are as many, and a tenth more than the limit is let pass, because
encoders do not hold their rate exactly.
"""

from collections.abc import Mapping

from msgspec import Struct

from headwater.api.quotas import Quotas
from headwater.core.encoded import Kind
from headwater.core.track import VideoTrack
from headwater.media.measure import Reading

BREACH_S = 10
TOLERANCE = 1.1
SD_PIXELS = 480  # the shorter edge of the pictures with BASIC's lower bitrate


class Breach(Struct, frozen=True, kw_only=True):
    """A limit that somebody does not keep to."""

    name: str  # the event's limit_name
    limit: int
    value: int
    unit: str
    text: str  # for the log, and for the encoder's user

    @property
    def detail(self) -> dict[str, object]:
        """The event's fields."""
        return {
            "limit_name": self.name,
            "limit_value": self.limit,
            "exceeded_by": self.value - self.limit,
            "limit_unit": self.unit,
        }


def breach_of(quotas: Quotas, channel_type: str, measured: Mapping[Kind, Reading]) -> Breach | None:
    """The first limit that the input breaks; None while it keeps to all."""
    video = measured["video"].track if "video" in measured else None
    if isinstance(video, VideoTrack) and (breach := _picture_breach(quotas, video)):
        return breach
    if not measured or min(len(each.seconds) for each in measured.values()) < BREACH_S:
        return None
    allowed_bps = _allowed_bps(quotas, channel_type, video)
    payload_bytes = sum(
        second.payload_bytes for each in measured.values() for second in each.seconds[-BREACH_S:]
    )
    bitrate_bps = 8 * payload_bytes // BREACH_S
    if bitrate_bps <= TOLERANCE * allowed_bps:
        return None
    return Breach(
        name="Ingest Bitrate",
        limit=allowed_bps,
        value=bitrate_bps,
        unit="bits per second",
        text=f"the input has {bitrate_bps} bits a second, the quota allows {allowed_bps}",
    )


def streams_breach(limit: int, streams: int) -> Breach:
    """An account publishes, or would publish, more streams at once than it may."""
    return Breach(
        name="Concurrent Broadcasts",
        limit=limit,
        value=streams,
        unit="active streams",
        text=f"The account may publish {limit} streams at once in a region, and does.",
    )


def viewers_breach(limit: int, viewers: int) -> Breach:
    """An account has, or would have, more viewers at once than it may."""
    return Breach(
        name="Concurrent Viewers",
        limit=limit,
        value=viewers,
        unit="viewers",
        text=f"The account may have {limit} viewers at once in a region, and does.",
    )


def _picture_breach(quotas: Quotas, video: VideoTrack) -> Breach | None:
    pixels, edge = video.width * video.height, max(video.width, video.height)
    for value, limit, unit in (
        (pixels, quotas.ingest_pixels, "total pixels"),
        (edge, quotas.ingest_edge_pixels, "pixels per edge"),
    ):
        if value > limit:
            return Breach(
                name="Ingest Resolution",
                limit=limit,
                value=value,
                unit=unit,
                text=f"the picture of {video.width}x{video.height} is larger than the quota "
                f"allows: {quotas.ingest_pixels} pixels, {quotas.ingest_edge_pixels} along an edge",
            )
    return None


def _allowed_bps(quotas: Quotas, channel_type: str, video: object) -> int:
    if channel_type != "BASIC":
        return quotas.ingest_bitrate_bps
    if isinstance(video, VideoTrack) and min(video.width, video.height) > SD_PIXELS:
        return quotas.basic_ingest_bitrate_bps
    return quotas.basic_ingest_bitrate_480p_bps
