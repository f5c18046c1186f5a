"""Turns of live encoders, with a transport that only keeps what it is told."""

import asyncio

from headwater.core.encoded import EncodedFrame
from headwater.ingest.connection import MAX_GATHERED_BYTES, Connection, Origin
from headwater.ingest.turns import TURN_MS, Turns
from ingest.rtmp import wire
from ingest.rtmp.wire import aac, audio

SOUND = audio(aac(b"\0" * 300, 1))


class Transport(asyncio.Transport):
    def is_closing(self):
        return False

    def write(self, data):
        pass

    def can_write_eof(self):
        return False

    def pause_reading(self):
        pass

    def resume_reading(self):
        pass


class Publisher:
    def __init__(self):
        self.items = []

    def receive(self, item, _now_ms):
        self.items.append(item)

    def ended(self, reason, *, on_purpose):
        assert on_purpose == (reason != "enough")
        self.items.append(reason)


class Gate:
    def __init__(self):
        self.publisher = Publisher()

    async def open(self, _attempt):
        return self.publisher


class LongTurns(Turns):
    """Come when the test says so."""

    def __init__(self):
        self.works = []

    def wait(self, work):
        self.works.append(work)

    def come(self):
        works, self.works = self.works, []
        for work in works:
            work()


async def live():
    """A connection whose encoder is live, its turns, and what takes its media."""
    gate, turns = Gate(), LongTurns()
    origin = Origin(host="127.0.0.1", port=1, encrypted=False, accepted_s=0.0)
    made = Connection(
        origin, gate, turns=turns, on_accepted=lambda _: None, on_closed=lambda _: None
    )
    made.connection_made(Transport())
    made.data_received(wire.opening())
    assert not turns.works  # only live encoders wait
    while not made.is_accepted:  # noqa: ASYNC110 - the gate answers in the next turns
        await asyncio.sleep(0)
    made.data_received(audio(aac(wire.AAC_CONFIG, 0)))
    assert gate.publisher.items == []
    turns.come()
    assert len(gate.publisher.items) == 1
    return made, turns, gate.publisher.items


async def test_what_a_live_encoder_sends_waits_for_its_turn_and_keeps_its_order():
    encoder, turns, items = await live()
    for number in range(1, 4):
        half = len(SOUND) // 2
        encoder.data_received(SOUND[:half])
        encoder.data_received(SOUND[half:])
        assert len(turns.works) == 1, number
    assert len(items) == 1

    turns.come()
    assert [type(item) for item in items[1:]] == [EncodedFrame] * 3
    turns.come()
    assert len(items) == 4


async def test_much_does_not_wait():
    encoder, turns, items = await live()
    encoder.data_received(SOUND)
    count = MAX_GATHERED_BYTES // len(SOUND) + 1
    encoder.data_received(SOUND * count)

    assert len(items) == 1 + 1 + count
    turns.come()
    assert len(items) == 1 + 1 + count


async def test_what_waits_is_taken_before_the_connection_is_over():
    encoder, turns, items = await live()
    encoder.data_received(SOUND + wire.ending())
    encoder.connection_lost(ConnectionResetError())

    assert items[-1] == "the encoder sent FCUnpublish"
    assert len(items) == 3
    turns.come()
    assert len(items) == 3


async def test_what_waits_is_taken_before_the_server_stops_the_encoder():
    encoder, turns, items = await live()
    encoder.data_received(SOUND)
    encoder.stop("enough")
    encoder.data_received(SOUND)

    assert [type(items[1]), *items[2:]] == [EncodedFrame, "enough"]
    turns.come()
    assert len(items) == 3
    encoder.connection_lost(None)


async def test_all_turns_come_together_at_a_multiple_of_their_length():
    turns = Turns()
    loop = asyncio.get_running_loop()
    ends = [loop.create_future() for _ in range(3)]
    began_ms = loop.time() * 1000
    for end in ends:
        turns.wait(lambda end=end: end.set_result(loop.time() * 1000))
    at_ms = await asyncio.gather(*ends)

    due_ms = (began_ms // TURN_MS + 1) * TURN_MS
    assert all(each >= due_ms - 1 for each in at_ms)  # the loop's clock has milliseconds
    again = loop.create_future()
    turns.wait(lambda: again.set_result(None))
    await again
