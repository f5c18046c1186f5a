"""The viewer sessions of one stream: who was let in, and who of them is watching; no I/O.

A session begins with an answered multivariant playlist, whose URLs name it.

    unused     it has asked for nothing yet: a bot, a page that preloads, or a player about to
    watching   it asked for a playlist or media within the last GONE_S: a concurrent view
    gone       silent for longer: it has left, or pauses and may come back
    forgotten  its URLs are unknown; nobody who watches is ever forgotten

A session that too many clients use is over: for all of them, since nobody can tell which of
them was let in.

Source: IVS user guide: a viewer is counted within 15 s of the start of its playback, and is
not any more within a minute of its end; "Private Channels" for sessions that are shared.
"""

from collections.abc import Callable, Iterator

from headwater.delivery.admission import Grant
from headwater.delivery.answers import Audience

GONE_S = 30.0
"""Silence after which a viewer has left. Players ask for a playlist once a target duration at
least; above that of encoders with a key frame every 20 s, below the minute that IVS takes."""

UNUSED_S = 600.0
"""A page that has loaded the multivariant playlist may wait that long for somebody to press
play. As long as the longest life of a token that names its viewer."""

MAX_UNUSED = 20_000
"""Sessions not used yet, of one stream; of more, the oldest is forgotten. Players ask within a
second: more than a server can begin in that time."""
MAX_WATCHING = 50_000
"""Viewers of one stream at once: several times what one process can serve."""
MAX_GONE = 50_000
"""Those who may come back to one stream; of more, the longest gone is forgotten."""

MAX_ADDRESSES = 20
"""Client addresses of one session in ADDRESSES_S. A viewer who walks between networks has two,
one behind a large company's proxies a handful."""
ADDRESSES_S = 60.0

_SEEN_STEP_S = 1.0  # an answer a second is precise enough, and spares the bookkeeping of others


class ViewerSession:
    """One viewer of one stream."""

    __slots__ = (
        "_others",
        "_others_since_s",
        "address",
        "audience",
        "grant",
        "id",
        "is_over",
        "is_watching",
        "since_s",
    )

    def __init__(
        self, id_: str, grant: Grant, audience: Audience, *, address: str, now_s: float
    ) -> None:
        """Unused.

        Args:
            id_: names it in URLs; random.
            grant: what it was let in with.
            audience: who may see what it is answered.
            address: of the client that was let in.
            now_s: when it begins.
        """
        self.id = id_
        self.grant = grant
        self.audience = audience
        self.is_over = False
        self.is_watching = False  # counted as a concurrent view
        self.since_s = now_s  # its beginning, then when it was last seen
        self.address = address  # of its last request
        self._others: set[str] | None = None  # all since `_others_since_s`, once there are several
        self._others_since_s = 0.0

    def moved(self, address: str, now_s: float) -> None:
        """A client at another address uses it; the session's end, if that is one too many."""
        if self._others is None or now_s - self._others_since_s >= ADDRESSES_S:
            self._others, self._others_since_s = {self.address}, now_s
        self.address = address
        self._others.add(address)
        if len(self._others) > MAX_ADDRESSES:
            self.is_over = True


class ViewerSessions:
    """The sessions of one stream, by id."""

    def __init__(self, now_s: Callable[[], float]) -> None:
        """None yet; `now_s` is a monotonic clock."""
        self._now_s = now_s
        # Each in the order of `since_s`.
        self._unused: dict[str, ViewerSession] = {}
        self._watching: dict[str, ViewerSession] = {}
        self._gone: dict[str, ViewerSession] = {}

    def __len__(self) -> int:
        """All that are not forgotten."""
        return len(self._unused) + len(self._watching) + len(self._gone)

    def begin(self, id_: str, grant: Grant, audience: Audience, address: str) -> ViewerSession:
        """A session for a viewer who has just been let in; of too many unused, the oldest goes."""
        session = ViewerSession(id_, grant, audience, address=address, now_s=self._now_s())
        self._unused[id_] = session
        if len(self._unused) > MAX_UNUSED:
            del self._unused[next(iter(self._unused))]
        return session

    def get(self, id_: str) -> ViewerSession | None:
        """The session of that id; None when there is none, or none any more."""
        return self._watching.get(id_) or self._unused.get(id_) or self._gone.get(id_)

    def is_full(self) -> bool:
        """Whether there is no room for one more who watches."""
        return self.count() >= MAX_WATCHING

    def saw(self, session: ViewerSession) -> None:
        """It asked for a playlist or media."""
        now_s = self._now_s()
        if session.is_watching and now_s - session.since_s < _SEEN_STEP_S:
            return
        for sessions in (self._watching, self._unused, self._gone):
            sessions.pop(session.id, None)
        self._watching[session.id] = session
        session.since_s, session.is_watching = now_s, True

    def count(self) -> int:
        """Concurrent views: how many watch now."""
        for session in _older(self._watching, self._now_s() - GONE_S):
            session.is_watching = False
            self._gone[session.id] = self._watching.pop(session.id)
            if len(self._gone) > MAX_GONE:
                del self._gone[next(iter(self._gone))]
        return len(self._watching)

    def expire(self) -> None:
        """Let go of what is over by time alone; to be called now and then."""
        self.count()
        for session in _older(self._unused, self._now_s() - UNUSED_S):
            del self._unused[session.id]


def _older(sessions: dict[str, ViewerSession], than_s: float) -> Iterator[ViewerSession]:
    """The first ones, each of which the caller takes out, as long as they are that old."""
    while sessions:
        first = next(iter(sessions.values()))
        if first.since_s > than_s:
            return
        yield first
