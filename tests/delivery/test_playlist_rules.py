"""Rules of low-latency HLS that hold for any playlist, and between any two of a stream."""

from decimal import Decimal

from hypothesis import given, settings
from hypothesis import strategies as st

from delivery.feed import FINISHED, make_plan, segment
from delivery.parsed import Parsed
from headwater.delivery.playlist import media_playlist
from headwater.delivery.window import Window

FMP4 = make_plan("FRAGMENTED_MP4")


@st.composite
def streams(draw):
    """Events in the groups in which packaging hands them on: never between a segment's
    last part and its end."""
    groups = []
    for msn in range(draw(st.integers(1, 25))):
        target = st.floats(425, 500)
        parts = [*draw(st.lists(target, max_size=3)), draw(st.floats(1, 500))]
        init = draw(st.sampled_from([None, None, b"<a>", b"<b>"])) if msn else b"<a>"
        events = segment(msn, parts=parts, discontinuity=draw(st.integers(0, 5)) == 0, init=init)
        groups += [[event] for event in events[:-2]]
        groups.append(events[-2:])
    if draw(st.booleans()):
        groups.append([FINISHED])
    return groups


def played(groups, plan, **options):
    window = Window(plan, **options)
    yield window, Parsed(media_playlist(window))
    for group in groups:
        for event in group:
            window.push(event)
        yield window, Parsed(media_playlist(window))


def check_edit(before, after):
    """L11, L13: append at the end, remove from the start, or let parts go."""
    assert not before.ended
    assert after.sequence >= before.sequence
    assert after.discontinuity >= before.discontinuity
    uris_before, uris_after = list(before.entries), list(after.entries)
    removed = after.sequence - before.sequence
    assert uris_after[: len(uris_before) - removed] == uris_before[removed:]
    for uri in set(before.entries) & set(after.entries):
        assert before.entries[uri] == after.entries[uri]
    for uri in set(before.parts) & set(after.parts):
        assert before.parts[uri] == after.parts[uri]
    for name in ("#EXT-X-TARGETDURATION", "#EXT-X-SERVER-CONTROL", "#EXT-X-PART-INF"):
        assert before.header[name] == after.header[name]  # L1, L7, B1


@settings(max_examples=25, deadline=None)
@given(groups=streams(), window_ms=st.sampled_from([0, 8_000, 24_000]))
def test_every_reload_is_a_legal_edit_of_the_one_before(groups, window_ms):
    before = None
    for _, after in played(groups, FMP4, window_ms=window_ms):
        if before:
            check_edit(before, after)
        before = after


@settings(max_examples=25, deadline=None)
@given(groups=streams())
def test_every_playlist_keeps_the_rules_of_low_latency(groups):
    removed_before = 0
    for window, playlist in played(groups, FMP4, window_ms=8_000):
        parts = list(playlist.parts.values())
        assert all(duration <= Decimal("0.5") for duration in parts)  # L2, B2
        assert len([hint for hint in playlist.hints if "TYPE=PART" in hint]) == (
            not playlist.ended
        )  # L28
        ahead = [] if playlist.ended else [window.next_msn, window.next_msn + 1]
        assert playlist.prefetched == [f"{msn}.m4s" for msn in ahead]
        if playlist.sequence > removed_before:  # L11
            assert sum(playlist.entries.values()) >= 3 * 2
            removed_before = playlist.sequence
        for uri in playlist.parts:  # all that is listed can be fetched
            msn, index, _ = uri.split(".")
            assert window.part_payload(int(msn), int(index)) == f"<{msn}.{index}>".encode()
        for uri in playlist.entries:
            assert window.segment_payload(int(uri.split(".")[0]))
        for line in playlist.text.splitlines():
            if line.startswith("#EXT-X-MAP"):
                assert window.init_payload(int(line.split("-")[-1].split(".")[0]))


@settings(max_examples=25, deadline=None)
@given(groups=streams())
def test_the_hinted_part_is_the_next_part(groups):
    hinted = None
    known = set()
    for _, playlist in played(groups, make_plan()):
        new = [uri for uri in playlist.parts if uri not in known]
        known.update(new)
        if new:
            assert new == [hinted]
        hinted = playlist.hints[-1].split('"')[1] if playlist.hints else None


@settings(max_examples=25, deadline=None)
@given(groups=streams())
def test_a_delta_and_the_playlist_before_make_the_whole(groups):
    known = {}
    for window, full in played(groups, FMP4):
        delta = Parsed(media_playlist(window, skip="YES"))
        skipped = len(full.entries) - len(delta.entries)
        assert list(full.entries)[skipped:] == list(delta.entries)
        assert all(uri in known for uri in list(full.entries)[:skipped])
        assert ("#EXT-X-SKIP" in delta.text) == (skipped > 0)
        older = sum(list(full.entries.values())[skipped:][1:])
        assert skipped == 0 or older < 12  # nothing more could be skipped
        known.update(full.entries)


@settings(max_examples=15, deadline=None)
@given(groups=streams())
def test_plain_hls_has_no_low_latency_tag(groups):
    for _, playlist in played(groups, make_plan("FRAGMENTED_MP4", part_target_ms=None)):
        for tag in ("PART", "SERVER-CONTROL", "PRELOAD", "PREFETCH", "SKIP", "REPORT"):
            assert f"#EXT-X-{tag}" not in playlist.text
