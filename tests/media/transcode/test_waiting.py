import threading

from headwater.core.packet import Packet
from headwater.media.transcode.waiting import FILE_WAITING_PACKETS, MAX_WAITING_MS, PacketQueue


def packet(number, *, key=False):
    return Packet(kind="video", dts=number * 3000, pts=number * 3000, keyframe=key, data=b"x")


def drained(queue):
    queue.close()
    return [each.dts // 3000 for each in iter(queue.get, None)]


def test_packets_come_out_in_order_and_then_the_end():
    queue = PacketQueue(90_000, live=True)
    for number in range(5):
        queue.put(packet(number), 0)

    assert len(queue) == 5
    assert queue.waiting_ms == 4 * 1000 / 30
    assert drained(queue) == [0, 1, 2, 3, 4]


def test_live_media_is_dropped_when_too_much_waits_up_to_a_key_frame_after_half_is_gone():
    queue = PacketQueue(90_000, live=True)
    full = MAX_WAITING_MS * 30 // 1000 + 2  # frames of which the next finds no room
    for number in range(full + 20):
        assert queue.put(packet(number, key=number % 10 == 0), 0)
    assert len(queue) == full

    taken = [queue.get().dts // 3000 for _ in range(full // 2)]
    for number in range(full + 20, full + 60):
        queue.put(packet(number, key=number % 10 == 0), 0)

    resumed = full + 20 + -(full + 20) % 10
    assert queue.dropped == resumed - full
    assert [*taken, *drained(queue)] == [*range(full), *range(resumed, full + 60)]


def test_other_media_waits_instead():
    queue = PacketQueue(90_000, live=False)
    for number in range(FILE_WAITING_PACKETS):
        assert queue.put(packet(number), 0)

    assert not queue.put(packet(99), 0.01)
    queue.get()
    assert queue.put(packet(99), 0)
    assert queue.dropped == 0


def test_closing_wakes_whoever_waits():
    queue = PacketQueue(90_000, live=True)
    got = []
    thread = threading.Thread(target=lambda: got.append(queue.get()))
    thread.start()
    queue.close()
    thread.join(5)

    assert got == [None]
