import pytest
from hypothesis import given
from hypothesis import strategies as st

from headwater.core.errors import LimitError, PeerError
from headwater.core.packet import Packet
from headwater.core.track import AudioTrack, TrackSet, VideoTrack
from headwater.media.ladder import Source, ladder
from headwater.media.transcode.wire import (
    MAX_MESSAGE_BYTES,
    MAX_RENDITIONS,
    Begin,
    Configure,
    Encoded,
    EncoderSettings,
    End,
    Failed,
    Finished,
    Media,
    Progress,
    Ready,
    Tracks,
    answer_reader,
    request_reader,
    write_message,
)

TRACKS = TrackSet(
    video=VideoTrack(
        config=b"\x01avcC", codec_string="avc1.4D401F", width=1280, height=720, frame_rate=29.97
    ),
    audio=AudioTrack(
        config=b"\x11\x90", codec_string="mp4a.40.2", sample_rate_hz=48_000, channels=2
    ),
    discontinuity=True,
)
RENDITIONS = ladder("ADVANCED_HD", "", Source(width=1280, height=720, frame_rate=30.0))
PACKET = Packet(kind="video", dts=90_000, pts=93_000, keyframe=True, data=bytes(range(256)))

REQUESTS = [
    Begin(source=TRACKS, renditions=RENDITIONS, settings=EncoderSettings(encoder="nvenc")),
    Media(packet=PACKET),
    Configure(source=TrackSet(video=None, audio=None), renditions=RENDITIONS),
    End(),
]
ANSWERS = [
    Ready(encoder="libx264"),
    Tracks(renditions=(0, 2), tracks=TRACKS),
    Encoded(renditions=(1,), packet=PACKET),
    Progress(received_pts=1, decoded_pts=None, level="half the frames", cpu_s=1.5),
    Failed(reason="no picture"),
    Finished(),
]


@pytest.mark.parametrize("step", [1, 7, 1000, 1_000_000])
@pytest.mark.parametrize(
    ("new_reader", "messages"), [(request_reader, REQUESTS), (answer_reader, ANSWERS)]
)
def test_same_messages_however_the_bytes_arrive(new_reader, messages, step):
    data = b"".join(map(write_message, messages))
    reader = new_reader()

    got = [each for at in range(0, len(data), step) for each in reader.push(data[at : at + step])]

    assert got == messages


times = st.integers(-(2**40), 2**40)
packets = st.builds(
    Packet,
    kind=st.sampled_from(["video", "audio"]),
    dts=times,
    pts=times,
    keyframe=st.booleans(),
    data=st.binary(),
)


@given(st.lists(st.builds(Media, packet=packets)))
def test_reading_gives_what_was_written(messages):
    assert request_reader().push(b"".join(map(write_message, messages))) == messages


@given(st.lists(st.binary()))
def test_any_bytes_give_messages_or_a_peer_error(chunks):
    for reader in (request_reader(), answer_reader()):
        try:
            for chunk in chunks:
                reader.push(chunk)
        except PeerError:
            continue


@given(st.binary())
def test_any_body_gives_a_message_or_a_peer_error(body):
    for reader in (request_reader(), answer_reader()):
        try:
            reader.push(len(body).to_bytes(4, "big") + body)
        except PeerError:
            continue


def test_a_length_beyond_the_bound_is_refused_before_it_is_buffered():
    with pytest.raises(LimitError, match=str(MAX_MESSAGE_BYTES)):
        request_reader().push((MAX_MESSAGE_BYTES + 1).to_bytes(4, "big"))


def test_too_many_renditions_are_refused():
    message = Begin(
        source=TRACKS, renditions=RENDITIONS[:1] * (MAX_RENDITIONS + 1), settings=EncoderSettings()
    )

    with pytest.raises(PeerError):
        request_reader().push(write_message(message))


@pytest.mark.parametrize("reader", [request_reader, answer_reader])
def test_a_name_that_is_no_text_is_refused(reader):
    body = b"\x81\xa4type\xa1\xff"

    with pytest.raises(PeerError):
        reader().push(len(body).to_bytes(4, "big") + body)


def test_an_answer_is_no_request():
    with pytest.raises(PeerError):
        request_reader().push(write_message(Finished()))
