import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from delivery.feed import FINISHED, make_plan, part, segment, segments, started
from headwater.core.errors import LimitError, PeerError
from headwater.delivery.blocking import Directives, Verdict, decide, parse_directives
from headwater.delivery.window import Window

READY, WAIT, TOO_FAR = Verdict.READY, Verdict.WAIT, Verdict.TOO_FAR

PARSED = [
    # id,                          query,                                msn,  part, skip
    ("nothing",                    "",                                   None, None, None),
    ("segment",                    "_HLS_msn=7",                         7,    None, None),
    ("part",                       "_HLS_msn=7&_HLS_part=3",             7,    3,    None),
    ("any order (L27, B14)",       "_HLS_skip=YES&_HLS_part=3&_HLS_msn=7", 7,  3,    "YES"),
    ("skip alone",                 "_HLS_skip=v2",                       None, None, "v2"),
    ("unknown skip",               "_HLS_skip=maybe",                    None, None, None),
    ("unknown directives (L27)",   "_HLS_legacy=YES&_HLS_push=1&_HLS_msn=0", 0, None, None),
    ("a token and player's own",   "token=a.b.c&player_version=1&pbac=&pblm=LOW&x", None, None, None),
    ("percent-encoded",            "_HLS%5Fmsn=%37",                     7,    None, None),
    ("leading zeros",              "_HLS_msn=007",                       7,    None, None),
    ("zero",                       "_HLS_msn=0&_HLS_part=0",             0,    0,    None),
    ("junk",                       "&&=&%&%zz=%ff",                      None, None, None),
]  # fmt: skip


@pytest.mark.parametrize(
    ("query", "msn", "part_index", "skip"), [row[1:] for row in PARSED], ids=[r[0] for r in PARSED]
)
def test_reads_directives(query, msn, part_index, skip):
    assert parse_directives(query) == Directives(msn=msn, part=part_index, skip=skip)


REFUSED = [
    # id,                      query,                        error,      says
    ("not a number",           "_HLS_msn=abc",               PeerError,  "_HLS_msn must be"),
    ("empty",                  "_HLS_msn=",                  PeerError,  "_HLS_msn must be"),
    ("negative",               "_HLS_msn=-1",                PeerError,  "_HLS_msn must be"),
    ("signed",                 "_HLS_msn=%2B1",              PeerError,  "_HLS_msn must be"),
    ("fraction",               "_HLS_msn=1.5",               PeerError,  "_HLS_msn must be"),
    ("other digits",           "_HLS_msn=%D9%A3",            PeerError,  "_HLS_msn must be"),
    ("huge",                   "_HLS_msn=" + 5000 * "9",     PeerError,  "_HLS_msn must be"),
    ("line break",             "_HLS_msn=1%0A",              PeerError,  "_HLS_msn must be"),
    ("bad part",               "_HLS_msn=1&_HLS_part=x",     PeerError,  "_HLS_part must be"),
    ("repeated segment",       "_HLS_msn=1&_HLS_msn=1",      PeerError,  "_HLS_msn is given twice"),
    ("repeated skip",          "_HLS_skip=v2&_HLS_skip=YES", PeerError,  "_HLS_skip is given twice"),
    ("part alone (L20)",       "_HLS_part=1",                PeerError,  "_HLS_part needs _HLS_msn"),
    ("very many",              "a&" * 500,                   LimitError, "more than 100"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("query", "error", "says"), [row[1:] for row in REFUSED], ids=[row[0] for row in REFUSED]
)
def test_refuses(query, error, says):
    with pytest.raises(error, match=says):
        parse_directives(query)


@settings(max_examples=200)
@given(
    st.text(max_size=60)
    | st.lists(
        st.sampled_from(["_HLS_msn", "_HLS_part", "_HLS_skip", "=", "&", "1", "%", ";", "\ud800"])
    ).map("".join)
)
def test_any_query_gives_directives_or_a_peer_error(query):
    try:
        directives = parse_directives(query)
    except PeerError:
        return
    assert directives.part is None or directives.msn is not None


def window_of(events, plan=None, **options):
    window = Window(plan or make_plan(), **options)
    for event in events:
        window.push(event)
    return window


# Segments 0 to 4 of four parts each are complete, of segment 5 there are parts 0 and 1.
OPEN = [*segments(0, 4), started(5), part(5, 0), part(5, 1)]

DECIDED = [
    # id,                                       msn,  part, verdict
    ("plain",                                   None, None, READY),
    ("complete segment (L18)",                  4,    None, READY),
    ("open segment (L18)",                      5,    None, WAIT),
    ("existing part (L18)",                     5,    1,    READY),
    ("next part",                               5,    2,    WAIT),
    ("old part (L23)",                          0,    0,    READY),
    ("past the last part (L19)",                4,    4,    READY),
    ("far past the last part (L19)",            4,    900,  READY),
    ("parts that may never come",               5,    7,    WAIT),
    ("six parts ahead (L21)",                   5,    1 + 6, WAIT),
    ("seven parts ahead (L21)",                 5,    1 + 7, TOO_FAR),
    ("next segment",                            6,    None, WAIT),
    ("next segment's first part",               6,    0,    WAIT),
    ("next segment, six parts ahead",           6,    5,    WAIT),
    ("next segment, seven parts ahead",         6,    6,    TOO_FAR),
    ("three past the last segment (L21)",       7,    None, TOO_FAR),
    ("... by part",                             7,    0,    TOO_FAR),
    ("overshoot by a cache's age (B15, B18c)",  60,   None, TOO_FAR),
    ("the most that is parsed",                 10**15 - 1, 10**15 - 1, TOO_FAR),
]  # fmt: skip


@pytest.mark.parametrize(
    ("msn", "part_index", "verdict"), [row[1:] for row in DECIDED], ids=[row[0] for row in DECIDED]
)
def test_decides(msn, part_index, verdict):
    assert decide(window_of(OPEN), Directives(msn=msn, part=part_index)) is verdict


LIMITS = [
    # part target ms, parts ahead that are allowed
    (200,             15),
    (333,             10),
    (334,             9),
    (999,             4),
    (1000,            3),
    (2000,            3),
]  # fmt: skip


@pytest.mark.parametrize(("part_target_ms", "ahead"), LIMITS)
def test_the_advance_part_limit_is_three_seconds_or_three_parts(part_target_ms, ahead):
    window = window_of(OPEN, make_plan(part_target_ms=part_target_ms))

    assert decide(window, Directives(msn=5, part=1 + ahead)) is WAIT
    assert decide(window, Directives(msn=5, part=2 + ahead)) is TOO_FAR


def test_l19_a_part_past_the_end_waits_for_the_next_segment():
    window = window_of(segment(0))
    past = Directives(msn=0, part=4)
    assert decide(window, past) is WAIT

    window.push(started(1))
    assert decide(window, past) is WAIT
    window.push(part(1, 0))
    assert decide(window, past) is READY


def test_segments_older_than_the_window_get_the_current_playlist():
    window = window_of(segments(0, 100))

    assert decide(window, Directives(msn=0)) is READY
    assert decide(window, Directives(msn=0, part=50)) is READY


def test_at_the_start_the_first_parts_are_waited_for():
    window = window_of([])

    assert decide(window, Directives(msn=0, part=0)) is WAIT
    assert decide(window, Directives(msn=1)) is WAIT
    assert decide(window, Directives(msn=2)) is TOO_FAR
    window.push(started(0))
    window.push(part(0, 0))
    assert decide(window, Directives(msn=0, part=0)) is READY


def test_a_plain_request_waits_for_the_first_segment_only():
    window = window_of([started(0), part(0, 0)])
    assert decide(window, Directives()) is WAIT
    assert decide(window, Directives(skip="YES")) is WAIT

    assert decide(window_of(segment(0)), Directives()) is READY


@pytest.mark.parametrize("directives", [Directives(msn=99), Directives(msn=5, part=50)])
def test_directives_are_ignored_after_the_end_and_in_plain_hls(directives):
    assert decide(window_of([*OPEN, FINISHED]), directives) is READY
    assert decide(window_of([FINISHED]), directives) is READY
    assert decide(window_of(OPEN, make_plan(part_target_ms=None)), directives) is READY
