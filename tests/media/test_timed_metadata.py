from headwater.media.timed_metadata import metadata_tag
from media.readers import id3_frames


def test_a_message_is_a_private_frame_of_ivss_owner():
    tag = metadata_tag("grüße \x00!", with_text_frame=False)

    assert tag[:10] == b"ID3\x04\x00\x00\x00\x00\x00\x2c"
    assert id3_frames(tag) == [(b"PRIV", "metadata.live-video.net\x00grüße \x00!".encode())]


def test_it_stands_there_twice_if_wanted():
    frames = id3_frames(metadata_tag("hello", with_text_frame=True))

    assert frames == [
        (b"PRIV", b"metadata.live-video.net\x00hello"),
        (b"TXXX", b"\x03\x00hello\x00"),
    ]
