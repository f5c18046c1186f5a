"""Encoders that come, send, break off, stop and take over in any order: what always holds."""

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from headwater.api.quotas import DEFAULT
from headwater.core.encoded import CodecConfig, EncodedFrame
from headwater.core.errors import PeerError
from headwater.delivery.address import ChannelAddress
from headwater.delivery.stream import LiveStream
from headwater.media.transcode.wire import EncoderSettings
from headwater.node.streams.broadcast import GRACE_MS, Broadcast
from headwater.node.streams.capacity import Capacity
from headwater.node.streams.packager import Ladders
from headwater.node.streams.takeover import decide
from media.encoders import encode
from node.streams.test_broadcast import CUTTING, Session
from store.rows import channel

KINDS = ({}, {"size": (96, 64)}, {"audio": False}, {"b_frames": 2})
FRAME_MS = 33


class Connection:
    """An encoder's connection, which ends its publisher once, as a real one does."""

    def __init__(self, kind):
        source = encode(**kind).items
        self.first = [item for item in source if isinstance(item, CodecConfig)]
        self.frames = [item for item in source if isinstance(item, EncodedFrame)]
        self.sent = 0
        self.publisher = None
        self.is_open = True

    def close(self, reason, *, on_purpose=False):
        if self.is_open:
            self.is_open = False
            self.publisher.ended(reason, on_purpose=on_purpose)

    def send(self, count, now_ms):
        """More of its media; the clock of a file that is sent in a loop starts again."""
        if not self.sent:
            for item in self.first:
                self.publisher.receive(item, now_ms)
        for _ in range(count):
            if self.is_open:
                frame = self.frames[self.sent % len(self.frames)]
                self.publisher.receive(frame, now_ms)
                self.sent += 1


class StreamLife(RuleBasedStateMachine):
    """One stream after another on one channel."""

    def __init__(self):
        super().__init__()
        self.now_ms = 1_800_000_000_000
        self.connections = []
        self.ended = 0

    @initialize(kind=st.sampled_from(KINDS))
    def begin(self, kind):
        """The first encoder of a stream."""
        self.session, self.capacity = Session(), Capacity(None)
        self.output = LiveStream(
            ChannelAddress("eu-west-1", "123456789012", "channel"),
            "run",
            stream_id="st-1",
            private=False,
            window_ms=24_000,
            now_s=lambda: self.now_ms / 1000,
        )
        self.broadcast = Broadcast(
            channel=channel(),
            stream_id="st-1",
            output=self.output,
            session=self.session,
            cutting=CUTTING,
            ladders=Ladders(is_on=False, settings=EncoderSettings(), capacity=self.capacity),
            now_ms=lambda: self.now_ms,
            in_background=lambda work: work.close(),
            on_end=lambda _: setattr(self, "ended", self.ended + 1),
            quotas=DEFAULT,
        )
        self.ended = 0
        self.admit(kind, self.broadcast.connect, 0)

    def admit(self, kind, how, priority):
        connection = Connection(kind)
        connection.publisher = how(connection.close, priority)
        self.connections.append(connection)

    @precondition(lambda self: self.ended)
    @rule(kind=st.sampled_from(KINDS))
    def begin_again(self, kind):
        """A new stream has forgotten all of the one before."""
        self.begin(kind)
        assert self.broadcast.running.priority == 0

    @precondition(lambda self: not self.ended)
    @rule(kind=st.sampled_from(KINDS), priority=st.sampled_from([0, 1, 2, 3]))
    def arrive(self, kind, priority):
        """One more encoder, which gets as far as the rules let it."""
        before = self.broadcast.running
        answer = decide(priority, before, most_takeovers=3)
        if answer == "resume":
            assert not before.is_connected
            self.admit(kind, self.broadcast.connect, priority)
        elif answer == "take over":
            self.admit(kind, self.broadcast.consider, priority)

    @rule(which=st.integers(0, 5), count=st.integers(1, 90))
    def send(self, which, count):
        """An encoder sends; what may not be is the end of its connection."""
        there = self.open_connections()
        if not there:
            return
        connection = there[which % len(there)]
        self.now_ms += count * FRAME_MS // 2
        try:
            connection.send(count, self.now_ms)
        except PeerError as error:
            connection.close(str(error))
        self.broadcast.look()

    @rule(which=st.integers(0, 5), on_purpose=st.booleans())
    def leave(self, which, on_purpose):
        """A connection ends."""
        there = self.open_connections()
        if there:
            there[which % len(there)].close("gone", on_purpose=on_purpose)

    @rule(passed_ms=st.sampled_from([100, 1_000, 8_000, GRACE_MS]))
    def wait(self, passed_ms):
        """Time goes by."""
        self.now_ms += passed_ms
        self.broadcast.look()

    def open_connections(self):
        return [each for each in self.connections if each.is_open]

    @invariant()
    def its_encoders_are_those_that_are_connected(self):
        """Nobody is forgotten, and at the end nobody is left."""
        running = self.broadcast.running
        assert len(self.open_connections()) == running.candidates + running.is_connected

    @invariant()
    def its_session_ends_once_and_says_so(self):
        """Live at most once, and over once."""
        notes = self.session.notes
        assert notes.count("live") <= 1
        assert notes.count("end") == self.ended <= 1
        assert self.output.has_ended() == bool(self.ended)
        assert not self.ended or notes[-1] == "end"

    @invariant()
    def it_waits_only_when_viewers_do(self):
        """Without an encoder there is a stream only if it can be played, and not for long."""
        if not self.ended and not self.broadcast.running.is_connected:
            assert self.broadcast.is_live
            assert self.now_ms - self.broadcast.last_frame_ms < GRACE_MS


TestStreamLife = StreamLife.TestCase
TestStreamLife.settings = settings(
    max_examples=40,
    stateful_step_count=25,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
