"""Packets that wait to be decoded: one track's, between the pipe and its decoder.

    taking --(live, and too much waits)--> skipping --(a key frame, half of it gone)--> taking

While skipping, what comes in is dropped and what waits is still decoded, so that the output
never stands still. Media that is not live is never dropped: `put` waits instead.
"""

import threading
from collections import deque

from headwater.core.packet import Packet

MAX_WAITING_MS = 4000  # of media: further behind, viewers are better off with a jump
MAX_WAITING_BYTES = 32 << 20  # 4 s at 64 Mb/s
MAX_WAITING_PACKETS = 1000  # 4 s of 60 frames are 240, of sound at 96 kHz 375
FILE_WAITING_PACKETS = 64  # where the pipe can wait as well


class PacketQueue:
    """A bounded queue between two threads."""

    def __init__(self, timescale: int, *, live: bool) -> None:
        self._timescale = timescale
        self._live = live
        self._packets: deque[Packet] = deque()
        self._bytes = 0
        self._changed = threading.Condition()
        self._closed = False
        self._skipping = False
        self.dropped = 0

    def __len__(self) -> int:
        return len(self._packets)

    @property
    def waiting_ms(self) -> float:
        """How much media waits."""
        with self._changed:
            return self._waiting_ms()

    def _waiting_ms(self) -> float:
        if not self._packets:
            return 0.0
        return (self._packets[-1].dts - self._packets[0].dts) * 1000 / self._timescale

    def put(self, packet: Packet, timeout_s: float) -> bool:
        """Add a packet; False when there was no room for so long (never when live)."""
        with self._changed:
            if self._live and self._is_skipped(packet):
                self.dropped += 1
                return True
            if not self._live and not self._changed.wait_for(self._has_room, timeout_s):
                return False
            self._packets.append(packet)
            self._bytes += len(packet.data)
            self._changed.notify_all()
        return True

    def _has_room(self) -> bool:
        return len(self._packets) < FILE_WAITING_PACKETS

    def _is_skipped(self, packet: Packet) -> bool:
        if (
            self._waiting_ms() > MAX_WAITING_MS
            or self._bytes > MAX_WAITING_BYTES
            or len(self._packets) >= MAX_WAITING_PACKETS
        ):
            self._skipping = True
        elif packet.keyframe and self._waiting_ms() <= MAX_WAITING_MS // 2:
            self._skipping = False
        return self._skipping

    def get(self) -> Packet | None:
        """The next packet, waited for; None when there will be none."""
        with self._changed:
            self._changed.wait_for(lambda: self._packets or self._closed)
            if not self._packets:
                return None
            packet = self._packets.popleft()
            self._bytes -= len(packet.data)
            self._changed.notify_all()
        return packet

    def close(self) -> None:
        """Nothing more will be put."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
