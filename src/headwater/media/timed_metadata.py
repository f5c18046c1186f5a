"""The ID3 tag that one PutMetadata becomes.

Seen on players: the IVS player makes a text metadata cue of a PRIV frame and shows its
owner with it; hls.js hands the frame's bytes on; a TXXX frame is a cue of its own.
"""

from headwater.media.codec import id3

OWNER = "metadata.live-video.net"
"""What the IVS player's cues say of metadata that came through the API."""


def metadata_tag(text: str, *, with_text_frame: bool) -> bytes:
    """The tag that carries `text`.

    Args:
        text: what whoever called PutMetadata wants viewers to get.
        with_text_frame: the same once more as a TXXX frame, for players that read no PRIV.
    """
    frames = [id3.private(OWNER, text.encode())]
    if with_text_frame:
        frames.append(id3.user_text("", text))
    return id3.tag(frames)
