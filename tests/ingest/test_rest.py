"""Rests of live encoders, with a transport that only keeps what it is told."""

import asyncio

from headwater.ingest.connection import FULL_READ_BYTES, Connection, Origin
from headwater.ingest.rest import REST_MS, Rests
from ingest.rtmp import wire
from ingest.rtmp.wire import aac, audio

SOUND = audio(aac(b"\0" * 300, 1))


class Transport(asyncio.Transport):
    reading = True

    def is_closing(self):
        return False

    def write(self, data):
        pass

    def pause_reading(self):
        assert self.reading
        self.reading = False

    def resume_reading(self):
        assert not self.reading
        self.reading = True


class Publisher:
    def __init__(self):
        self.items = []

    def receive(self, item, _now_ms):
        self.items.append(item)

    def ended(self, reason, *, on_purpose):
        assert not on_purpose
        self.items.append(reason)


class Gate:
    def __init__(self):
        self.publisher = Publisher()

    async def open(self, _attempt):
        return self.publisher


class LongRests(Rests):
    """End when the test says so."""

    def __init__(self):
        self.ends = []

    def begin(self, end):
        self.ends.append(end)


async def live(rests):
    """A connection whose encoder is live, its transport, and what takes its media."""
    gate = Gate()
    origin = Origin(host="127.0.0.1", port=1, encrypted=False, accepted_s=0.0)
    made = Connection(
        origin, gate, rests=rests, on_accepted=lambda _: None, on_closed=lambda _: None
    )
    transport = Transport()
    made.connection_made(transport)
    made.data_received(wire.opening())
    assert not rests.ends  # only live encoders rest
    while not made.is_accepted:  # noqa: ASYNC110 - the gate answers in the next turns
        await asyncio.sleep(0)
    assert transport.reading
    return made, transport, gate.publisher


async def test_a_live_encoder_is_read_again_after_its_rest():
    rests = LongRests()
    encoder, transport, _ = await live(rests)
    encoder.data_received(audio(aac(wire.AAC_CONFIG, 0)))
    assert not transport.reading

    [end] = rests.ends
    end()
    assert transport.reading
    encoder.data_received(SOUND)
    assert not transport.reading
    encoder.data_received(SOUND)  # TLS had it already
    assert len(rests.ends) == 2


async def test_a_fast_encoder_does_not_rest():
    rests = LongRests()
    encoder, transport, _ = await live(rests)
    pieces = audio(aac(wire.AAC_CONFIG, 0)) + SOUND * (FULL_READ_BYTES // len(SOUND) + 1)
    encoder.data_received(pieces)

    assert transport.reading
    assert not rests.ends


async def test_the_end_of_a_rest_does_not_read_from_an_encoder_that_does_not_read():
    rests = LongRests()
    encoder, transport, _ = await live(rests)
    encoder.data_received(audio(aac(wire.AAC_CONFIG, 0)))
    encoder.pause_writing()
    rests.ends[0]()
    assert not transport.reading

    encoder.resume_writing()
    assert transport.reading


async def test_an_encoder_that_is_told_to_stop_is_read_at_once():
    """Or what it still sends would reset the connection before it has read why."""
    rests = LongRests()
    encoder, transport, publisher = await live(rests)
    encoder.data_received(audio(aac(wire.AAC_CONFIG, 0)))
    transport.can_write_eof = lambda: False
    encoder.stop("enough")

    assert publisher.items[-1] == "enough"
    assert transport.reading
    rests.ends[0]()
    assert transport.reading
    for timer in encoder._closing_timers:
        timer.cancel()


async def test_all_rests_end_together_at_a_multiple_of_their_length():
    rests = Rests()
    loop = asyncio.get_running_loop()
    ends = [loop.create_future() for _ in range(3)]
    began_ms = loop.time() * 1000
    for end in ends:
        rests.begin(lambda end=end: end.set_result(loop.time() * 1000))
    at_ms = await asyncio.gather(*ends)

    due_ms = (began_ms // REST_MS + 1) * REST_MS
    assert all(each >= due_ms - 1 for each in at_ms)  # the loop's clock has milliseconds
    again = loop.create_future()
    rests.begin(lambda: again.set_result(None))
    await again
