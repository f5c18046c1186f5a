"""Encoders that a channel's multitrack configuration does not let in, and how that is told."""

import pytest
from msgspec.structs import replace

from headwater.core.errors import MediaError, PeerError
from headwater.node.streams.broadcast import GRACE_MS
from media.encoders import encode
from node.publishing import KEY, Clock, Encoder, feed
from node.streams.test_publisher import live

SEVERAL = MediaError("several tracks", is_multitrack=True)
OTHER_CODEC = MediaError("video codec HEVC (hvc1) is not accepted")

ALLOWED = {"multitrack_enabled": True, "multitrack_policy": "ALLOW"}
REQUIRED = {"multitrack_enabled": True, "multitrack_policy": "REQUIRE"}


async def configure(registry, **multitrack):
    """Change the channel that KEY publishes to."""
    async with registry._store.write() as work:
        key = await work.stream_key_by_value(KEY)
        channel = await work.channel_by_id(key.channel_id)
        await work.update(replace(channel, **multitrack))


def refuse(encoder, error):
    """As the connection does with what it cannot read."""
    encoder.answer.refused(error)
    encoder.leave(str(error), on_purpose=False)


SENT = [
    # id,                                        channel,   code
    ("R-60b where one is all that is allowed",   {},        "MultitrackInputNotAllowed"),
    ("with a plain key, where they are allowed", ALLOWED,   "GetClientConfigurationStreamKeyRequired"),
    ("... or required",                          REQUIRED,  "GetClientConfigurationStreamKeyRequired"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("configuration", "code"), [row[1:] for row in SENT], ids=[row[0] for row in SENT]
)
async def test_the_session_of_several_tracks_ends_with_its_code(registry, configuration, code):
    await configure(registry, **configuration)
    encoder = await Encoder(registry).publish()
    refuse(encoder, SEVERAL)

    assert encoder.names() == ["Session Created", f"Session Ended {code}"]
    assert encoder.record.has_error_event
    assert registry.broadcasts() == []


async def test_one_track_is_refused_where_several_are_required(registry):
    await configure(registry, **REQUIRED)
    encoder = await Encoder(registry).publish()
    with pytest.raises(PeerError, match="requires multitrack input: set the policy"):
        feed(encoder, 1.0)
    encoder.leave("it was refused", on_purpose=False)

    assert encoder.names() == ["Session Created", "Session Ended MultitrackInputRequired"]


async def test_one_track_is_let_in_where_several_are_allowed(registry):
    await configure(registry, **ALLOWED)
    encoder = await live(registry)
    encoder.leave()

    assert encoder.names()[-1] == "Session Ended"


async def test_another_codec_ends_a_session_without_a_code(registry):
    encoder = await Encoder(registry).publish()
    refuse(encoder, OTHER_CODEC)

    assert encoder.names() == ["Session Created", "Session Ended"]
    assert not encoder.record.has_error_event


def send_he_aac(newcomer):
    config = next(item for item in encode().items if getattr(item, "codec", "") == "aac")
    with pytest.raises(PeerError, match="HE-AAC"):
        newcomer.answer.receive(replace(config, data=bytes.fromhex("2b110800")), Clock.now_ms)


UNUSABLE = [
    ("several tracks", lambda newcomer: newcomer.answer.refused(SEVERAL)),
    ("another codec", lambda newcomer: newcomer.answer.refused(OTHER_CODEC)),
    ("a profile of AAC that is not taken", send_he_aac),
]


@pytest.mark.parametrize("send", [row[1] for row in UNUSABLE], ids=[row[0] for row in UNUSABLE])
async def test_a_takeover_with_media_that_nobody_takes_is_a_mismatch(registry, send):
    first = await live(registry)
    second = await Encoder(registry, priority="1").publish()
    send(second)
    second.leave("it was refused", on_purpose=False)

    assert first.names()[-1] == "Stream Takeover Failure StreamTakeoverMediaMismatch"
    assert first.stopped == []
    feed(first, 1.0)
    first.leave()
    assert first.names()[-1] == "Session Ended"


async def test_a_stream_that_waits_says_why_nobody_went_on_with_it(registry):
    first = await live(registry)
    first.leave("connection lost", on_purpose=False)
    refuse(await Encoder(registry).publish(), SEVERAL)
    Clock.now_ms += GRACE_MS
    registry.look()

    assert first.names()[-2:] == ["Stream End", "Session Ended MultitrackInputNotAllowed"]


async def test_who_goes_on_with_a_stream_makes_up_for_who_could_not(registry):
    first = await live(registry)
    first.leave("connection lost", on_purpose=False)
    refuse(await Encoder(registry).publish(), SEVERAL)
    back = await Encoder(registry).publish()
    feed(back, 1.0)
    back.leave()

    assert back.names()[-2:] == ["Stream End", "Session Ended"]
