"""How long viewer sessions live, how many there are, and who of them is counted."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headwater.delivery import sessions as module
from headwater.delivery.admission import Grant
from headwater.delivery.answers import EVERYONE
from headwater.delivery.sessions import (
    ADDRESSES_S,
    GONE_S,
    MAX_ADDRESSES,
    UNUSED_S,
    ViewerSessions,
)

HOME = "2001:db8::1"


class Clock:
    def __init__(self):
        self.now_s = 1000.0

    def __call__(self):
        return self.now_s


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def sessions(clock):
    return ViewerSessions(clock)


def begin(sessions, id_="a", address=HOME):
    return sessions.begin(id_, Grant(), EVERYONE, address)


LIVES = [
    # id,                              (second, what happens), ...            counted, known at the end
    ("begun",                          [(0, "begin")],                               0, True),
    ("asked once",                     [(0, "begin"), (1, "saw")],                   1, True),
    ("asks as players do",             [(0, "begin"), *((t, "saw") for t in range(1, 99, 6))], 1, True),
    ("asks each 20 s",                 [(0, "begin"), *((t, "saw") for t in range(1, 99, 20))], 1, True),
    ("silent almost too long",         [(0, "saw"), (GONE_S - 0.1, "look")],         1, True),
    ("silent too long",                [(0, "saw"), (GONE_S, "look")],               0, True),
    ("within a minute of leaving",     [(0, "saw"), (0.9, "saw"), (59, "look")],     0, True),
    ("comes back after a long pause",  [(0, "saw"), (9000, "saw")],                  1, True),
    ("comes back and leaves again",    [(0, "saw"), (90, "saw"), (121, "look")],     0, True),
    ("a page that waits for a click",  [(0, "begin"), (UNUSED_S - 1, "saw")],        1, True),
    ("never asks",                     [(0, "begin"), (UNUSED_S, "look")],           0, False),
]  # fmt: skip


@pytest.mark.parametrize(
    ("events", "count", "is_known"), [row[1:] for row in LIVES], ids=[row[0] for row in LIVES]
)
def test_the_life_of_a_session_that(sessions, clock, events, count, is_known):
    session = begin(sessions)
    for at_s, what in events:
        clock.now_s = 1000 + at_s
        if what == "saw":
            sessions.saw(session)
        sessions.expire()

    assert sessions.count() == count
    assert (sessions.get("a") is session) is is_known
    assert len(sessions) == is_known


def test_two_thousand_viewers_behind_one_address_are_two_thousand(sessions, clock):
    viewers = [begin(sessions, f"viewer {number}") for number in range(2000)]
    for at_s in range(0, 60, 2):
        clock.now_s = 1000 + at_s
        for viewer in viewers:
            sessions.saw(viewer)
    assert sessions.count() == 2000

    for at_s in range(60, 60 + int(GONE_S) + 2, 2):
        clock.now_s = 1000 + at_s
        for viewer in viewers[::2]:
            sessions.saw(viewer)
    assert sessions.count() == 1000


def test_of_too_many_unused_sessions_the_oldest_go_and_no_other(sessions, clock, monkeypatch):
    monkeypatch.setattr(module, "MAX_UNUSED", 5)
    gone, watching = begin(sessions, "gone"), begin(sessions, "watching")
    sessions.saw(gone)
    clock.now_s += GONE_S
    sessions.saw(watching)
    sessions.expire()

    for number in range(1000):
        begin(sessions, f"flood {number}")
    newest = [f"flood {number}" for number in range(995, 1000)]

    assert len(sessions) == 2 + 5
    assert sessions.get("watching") is watching
    assert sessions.get("gone") is gone
    assert all(sessions.get(name) for name in newest)
    assert sessions.get("flood 994") is None
    assert sessions.count() == 1


def test_of_too_many_that_are_gone_the_longest_gone_is_forgotten(sessions, clock, monkeypatch):
    monkeypatch.setattr(module, "MAX_GONE", 2)
    for number in range(4):
        sessions.saw(begin(sessions, f"{number}"))
        clock.now_s += 2
    clock.now_s += GONE_S
    sessions.expire()

    assert [bool(sessions.get(f"{number}")) for number in range(4)] == [False, False, True, True]


def test_a_stream_has_room_for_so_many_at_once_and_has_it_again(sessions, clock, monkeypatch):
    monkeypatch.setattr(module, "MAX_WATCHING", 2)
    viewers = [begin(sessions, "a"), begin(sessions, "b")]
    sessions.saw(viewers[0])
    assert not sessions.is_full()
    sessions.saw(viewers[1])
    assert sessions.is_full()

    clock.now_s += GONE_S
    assert not sessions.is_full()
    assert sessions.get("a") is viewers[0]


def test_a_session_that_too_many_clients_use_is_over():
    sessions = ViewerSessions(lambda: 0.0)
    session = begin(sessions)
    for number in range(2, MAX_ADDRESSES + 1):
        session.moved(f"2001:db8::{number}", 0.0)
        session.moved(HOME, 0.0)
    assert not session.is_over

    session.moved("2001:db8::ffff", 0.0)
    assert session.is_over
    session.moved(HOME, 10 * ADDRESSES_S)
    assert session.is_over, "for good"


def test_a_viewer_who_travels_all_day_keeps_the_session():
    session = begin(ViewerSessions(lambda: 0.0))
    for number in range(500):
        session.moved(f"2001:db8::{number}", number * (ADDRESSES_S / MAX_ADDRESSES) * 1.1)

    assert not session.is_over


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["begin", "saw", "wait"]),
        st.integers(0, 9),
        st.sampled_from([0.1, 1.0, 7.0, GONE_S, UNUSED_S]),
    ),
    max_size=60,
)


@settings(max_examples=200)
@given(STEPS)
def test_who_was_seen_lately_is_counted_whatever_happens(steps):
    """Against a plain model: the last time that each was seen, to the second."""
    clock, seen_s, begun = Clock(), {}, {}
    sessions = ViewerSessions(clock)
    for what, number, wait_s in steps:
        if what == "begin" and number not in begun:
            begun[number] = begin(sessions, str(number))
        elif what == "saw" and sessions.get(str(number)):
            sessions.saw(sessions.get(str(number)))
            seen_s[number] = clock.now_s
        elif what == "wait":
            clock.now_s += wait_s
            sessions.expire()
        silent_s = [clock.now_s - at_s for at_s in seen_s.values()]
        surely = sum(each < GONE_S - 1 for each in silent_s)
        assert surely <= sessions.count() <= sum(each < GONE_S for each in silent_s)
        assert all(sessions.get(str(number)) is begun[number] for number in seen_s)
        assert len(sessions) <= len(begun)
