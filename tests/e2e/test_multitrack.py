"""Encoders of several video tracks (enhanced RTMP), and what the session says: FFmpeg 8, boto3."""

from contextlib import closing
from fractions import Fraction

import av
import pytest

from e2e.harness import publishing, wait_for, wait_until_live
from e2e.test_sessions import names, session_when

FPS = 15
FRAMES = 20 * FPS  # more than an encoder that is refused gets to send
SIZES = ((320, 240), (160, 120))


def publish(url, tracks):
    """Send so many video tracks, as fast as they are taken, until the server ends it."""
    with closing(av.open(url, "w", format="flv")) as target:
        streams = []
        for width, height in SIZES[:tracks]:
            stream = target.add_stream("libx264", rate=FPS, options={"tune": "zerolatency"})
            stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
            stream.gop_size = FPS
            streams.append(stream)
        for number in range(FRAMES):
            for stream in streams:
                picture = av.VideoFrame(stream.width, stream.height, "yuv420p")
                picture.pts, picture.time_base = number, Fraction(1, FPS)
                target.mux(stream.encode(picture))


def multitrack(policy):
    return {
        "type": "STANDARD",
        "containerFormat": "FRAGMENTED_MP4",
        "multitrackInputConfiguration": {
            "enabled": True,
            "policy": policy,
            "maximumResolution": "HD",
        },
    }


REFUSED = [
    # id,                                   channel,               tracks, code
    ("R-60b not enabled",                   {},                    2, "MultitrackInputNotAllowed"),
    ("allowed, by a plain key",             multitrack("ALLOW"),   2, "GetClientConfigurationStreamKeyRequired"),
    ("required, by a plain key",            multitrack("REQUIRE"), 2, "GetClientConfigurationStreamKeyRequired"),
    ("required, and one comes",             multitrack("REQUIRE"), 1, "MultitrackInputRequired"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("wishes", "tracks", "code"), [row[1:] for row in REFUSED], ids=[row[0] for row in REFUSED]
)
def test_the_session_says_what_was_wrong_with_the_tracks(
    server, client, channel, wishes, tracks, code
):
    made, key = channel(insecureIngest=True, **wishes)
    arn = made["arn"]
    with pytest.raises(OSError):  # noqa: PT011 - how the server is lost depends on the moment
        publish(server.ingest_url("rtmp", key["value"]), tracks)

    session = session_when(client, arn, lambda session: "endTime" in session)
    assert names(session) == ["Session Ended", "Session Created"]
    assert session["truncatedEvents"][0]["code"] == code
    (summary,) = client.list_stream_sessions(channelArn=arn)["streamSessions"]
    assert summary["hasErrorEvent"] is True


def test_several_tracks_take_nothing_over(server, client, channel, source):
    made, key = channel(insecureIngest=True)
    arn, url = made["arn"], server.ingest_url("rtmp", key["value"])
    with publishing(source, url, loop=True) as first:
        wait_until_live(client, arn)
        with pytest.raises(OSError):  # noqa: PT011
            publish(f"{url}?priority=1", 2)
        session = session_when(client, arn, lambda each: "Stream Takeover Failure" in names(each))
        assert first.poll() is None

    assert session["truncatedEvents"][0]["code"] == "StreamTakeoverMediaMismatch"
    wait_for(lambda: "Session Ended" in names(session_of(client, arn)), 10, "the session's end")
    assert "code" not in session_of(client, arn)["truncatedEvents"][0]


def session_of(client, arn):
    return client.get_stream_session(channelArn=arn)["streamSession"]
