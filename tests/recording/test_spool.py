"""The spool: what is on the disk after each step, a kill, a full disk."""

import contextlib
import subprocess

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headwater.core.segment import Part, StreamFinished
from headwater.recording.playlists import ranges_of
from headwater.recording.records import JournalError, Opened, parse
from headwater.recording.spool import CUT_OFF, JOURNAL, SPOOL_FULL, Budget, Offer, Spool
from recording.live import START_MS, payloads, plan, segment, stream

NAME = "720p30"
OPENED = Opened(
    session_id="a6RfV23ES97iyfoQ",
    prefix="ivs/v1/123456789012/AbCd12345678/2026/10/1/12/0/xYz123AbC456",
    bucket_name="vod",
    account="123456789012",
    region="eu-west-1",
    channel_id="AbCd12345678",
    channel_arn="arn:aws:ivs:eu-west-1:123456789012:channel/AbCd12345678",
    started_at_ms=START_MS,
    reconnect_window_ms=0,
    configuration_id="abcdABCDefgh",
    thumbnail_configuration={},
)


def offers(*names):
    return [Offer(name=name, position=index, automatic=True) for index, name in enumerate(names)]


def begun(folder, budget=None, names=(NAME,)):
    spool = Spool.create(folder, budget or Budget(1 << 30), OPENED)
    spool.join("st-1", START_MS, offers(*names))
    return spool


def named(events, name=NAME):
    return [(name, event) for event in events]


def bytes_of(ready):
    return b"".join(each.path.read_bytes() for each in ready)


def test_complete_segments_are_files_of_live_segments_joined(tmp_path):
    spool, events = begun(tmp_path / "one"), stream(25)
    ready = spool.push(named(events))

    assert [each.key for each in ready] == [f"media/hls/{NAME}/{n}.ts" for n in range(3)]
    assert bytes_of(ready) == payloads(events)
    assert [each.size_bytes for each in ready] == [each.path.stat().st_size for each in ready]


def test_a_part_is_on_the_disk_when_push_returns(tmp_path):
    spool = begun(tmp_path / "one")
    spool.push(named([plan(), *segment(0, 300.0, 300.0)[:2]]))

    assert (tmp_path / "one" / NAME / "0.ts").read_bytes() == b"<0.0>"


@pytest.mark.parametrize("told", range(1, 40, 3))
def test_what_a_killed_server_had_written_is_taken_up(tmp_path, told):
    events = stream(14, of_ms=1000.0)
    begun(tmp_path / "one").push(named(events[:told]))  # and no more: it was killed

    spool, ready = Spool.recover(tmp_path / "one", Budget(1 << 30))

    assert bytes_of(ready) == payloads(events[:told])
    parts = [event for event in events[:told] if isinstance(event, Part)]
    assert spool.manifest.duration_ms() == 1000 * len(parts)
    assert spool.manifest.losses == {}


def test_a_record_that_was_cut_off_is_as_if_never_written(tmp_path):
    events = stream(3)
    begun(tmp_path / "one").push(named(events[:8]))
    journal = tmp_path / "one" / JOURNAL
    whole = journal.read_bytes()
    journal.write_bytes(whole[:-7])

    spool, ready = Spool.recover(tmp_path / "one", Budget(1 << 30))

    assert bytes_of(ready) == payloads(events[:4])
    assert spool.manifest.duration_ms() == 1000
    records, used = parse(journal.read_bytes())
    assert used == journal.stat().st_size
    assert records[0] == OPENED


@given(st.binary(max_size=200), st.integers(0, 2000))
@settings(max_examples=150)
def test_any_journal_is_read_or_refused(noise, cut):
    lines = b'{"type":"left","at_ms":1}\n' * 3
    with contextlib.suppress(JournalError):
        parse(lines[:cut] + noise)


def test_a_journal_with_bytes_that_are_no_text_is_refused_but_for_its_end():
    line = b'{"type":"left","at_ms":1}\n'
    noise = b'{"type":"\xff"}\n'

    assert parse(line + noise)[1] == len(line)
    with pytest.raises(JournalError, match="line 2"):
        parse(line + noise + line)


def test_a_machine_that_lost_its_power_says_what_it_lost(tmp_path):
    events = [plan()]
    for msn in range(4):
        events += segment(msn, 1000.0, start_ms=START_MS + 1000 * msn)
    begun(tmp_path / "one").push(named(events))
    file = tmp_path / "one" / NAME / "0.ts"
    file.write_bytes(file.read_bytes()[:-8])  # into the third part: the fourth is gone as well

    spool, (ready,) = Spool.recover(tmp_path / "one", Budget(1 << 30))

    assert ready.path.read_bytes()[: ready.size_bytes] == b"<0.0><1.0>"
    assert spool.manifest.losses == {CUT_OFF: 2000.0}
    (gap,) = spool.manifest.gaps
    assert (gap.start_ms, gap.duration_ms) == (START_MS + 2000, 2000)
    assert spool.is_whole(ready)


def test_a_complete_segment_whose_file_is_gone_is_a_gap(tmp_path):
    begun(tmp_path / "one").push(named(stream(25)))
    (tmp_path / "one" / NAME / "1.ts").unlink()

    spool, ready = Spool.recover(tmp_path / "one", Budget(1 << 30))

    assert [each.path.name for each in ready] == ["0.ts", "2.ts"]
    assert spool.manifest.losses == {CUT_OFF: 10_000.0}
    assert "#EXT-X-GAP\n1.ts" in "".join(spool.manifest.tracks[NAME].lines)


def test_what_was_stored_is_not_stored_again(tmp_path):
    budget = Budget(1 << 30)
    spool = begun(tmp_path / "one", budget)
    first, *_ = spool.push(named(stream(25)))
    spool.stored(first)
    spool.note(spool.manifest.opened)  # whatever comes next

    assert not first.path.exists()
    _, ready = Spool.recover(tmp_path / "one", Budget(1 << 30))
    assert [each.path.name for each in ready] == ["1.ts", "2.ts"]


def test_a_recording_is_killed_and_taken_up_any_number_of_times(tmp_path):
    events = stream(33)
    begun(tmp_path / "one").push(named(events[:40]))
    for _ in range(3):
        spool, ready = Spool.recover(tmp_path / "one", Budget(1 << 30))
        assert bytes_of(ready) == payloads(events[:40])
        spool.close()


def test_a_further_stream_goes_on_behind_what_was_taken_up(tmp_path):
    events = stream(12)
    begun(tmp_path / "one").push(named(events[:-1]))
    spool, _ = Spool.recover(tmp_path / "one", Budget(1 << 30))
    spool.leave(START_MS + 12_000)
    spool.join("st-2", START_MS + 20_000, offers(NAME))
    spool.push(named(stream(5)))

    track = spool.manifest.tracks[NAME]
    assert spool.manifest.stream_ids == ["st-1", "st-2"]
    assert [each.number for each in track.segments] == [0, 1, 2]
    assert [each.discontinuity for each in track.segments] == [False, False, True]


def test_a_full_spool_loses_what_comes_and_keeps_what_it_has(tmp_path):
    events = stream(25)
    size_bytes = len(payloads(events[: 1 + 3 * 14]))
    spool = begun(tmp_path / "one", Budget(size_bytes))
    ready = spool.push(named(events))

    assert bytes_of(ready) == payloads(events[: 1 + 3 * 14])
    assert spool.manifest.losses == {SPOOL_FULL: 11_000.0}
    (gap,) = spool.manifest.gaps
    assert (gap.start_ms, gap.duration_ms) == (START_MS + 14_000, 11_000)
    lines = "".join(spool.manifest.tracks[NAME].lines)
    assert lines.count("#EXTINF:10.000") == 2  # time goes on
    assert "#EXT-X-GAP\n2.ts" in lines


def test_a_spool_that_has_room_again_goes_on(tmp_path):
    budget = Budget(200)
    spool, events = begun(tmp_path / "one", budget), stream(55)
    first = spool.push(named(events[:121]))
    lost_ms = sum(spool.manifest.losses.values())
    assert lost_ms > 0
    for each in first:
        spool.stored(each)
    spool.push(named(events[121:]))

    assert budget.used_bytes <= 200
    assert spool.manifest.tracks[NAME].segments[-1].size_bytes > 0


def test_behind_what_is_lost_media_goes_on_at_a_key_frame(tmp_path):
    spool = begun(tmp_path / "one", Budget(20))
    first = [plan()]
    for msn in range(2):
        first += segment(msn, 500.0, 500.0, 500.0, 500.0)  # of 5 bytes each
    first += segment(2, 500.0, 500.0, 500.0, 500.0)[:2]
    spool.push(named(first))
    spool._budget.give_back(20)  # others have been stored
    rest = segment(2, 500.0, 500.0, 500.0, 500.0)[2:]
    spool.push(named([*rest, *segment(3, 500.0, 500.0, 500.0, 500.0)]))
    (ready,) = spool.leave(START_MS)

    assert ready.path.read_bytes() == b"<0.0><0.1><0.2><0.3><3.0><3.1><3.2><3.3>"
    assert spool.manifest.losses == {SPOOL_FULL: 4000.0}
    assert [(each.length_bytes, each.is_gap) for each in ranges_of(ready.segment)] == [
        (20, False),
        (0, True),
        (0, True),
        (20, False),
    ]


def test_a_budget_counts_what_is_there_and_gets_it_back(tmp_path):
    budget = Budget(1 << 20)
    spool = begun(tmp_path / "one", budget)
    ready = spool.push(named(stream(25)))
    spool.put("media/thumbnails/thumb0.jpg", b"jpeg")
    used_bytes = sum(each.size_bytes for each in ready) + 4
    assert budget.used_bytes == used_bytes

    spool.close()
    again = Budget(1 << 20)
    spool, _ = Spool.recover(tmp_path / "one", again)
    assert again.used_bytes == used_bytes
    spool.remove()
    assert again.used_bytes == 0
    assert not (tmp_path / "one").exists()


def test_thumbnails_wait_in_the_spool_and_are_numbered_on(tmp_path):
    spool = begun(tmp_path / "one")
    (ready,) = spool.put("media/thumbnails/thumb0.jpg", b"jpeg")
    assert ready.path.read_bytes() == b"jpeg"

    spool, (again,) = Spool.recover(tmp_path / "one", Budget(1 << 20))
    assert (again.key, again.path.read_bytes()) == ("media/thumbnails/thumb0.jpg", b"jpeg")
    assert spool.manifest.next_thumbnail == 1


def test_fragmented_mp4_keeps_its_init_segment(tmp_path):
    spool = begun(tmp_path / "one")
    events = [plan(container="FRAGMENTED_MP4"), *segment(0, 1000.0, init=b"moov")]
    ready = spool.push(named([*events, StreamFinished()]))

    assert [each.key for each in ready] == [
        f"media/hls/{NAME}/init-0.mp4",
        f"media/hls/{NAME}/0.m4s",
    ]
    assert ready[0].path.read_bytes() == b"moov"


@pytest.fixture
def small_disk(tmp_path):
    """A disk of 256 kB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    made = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", str(folder)], check=False
    )
    if made.returncode:
        pytest.skip("may not mount a disk")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


def test_a_full_disk_loses_what_comes_and_goes_on_when_there_is_room(small_disk):
    spool = begun(small_disk / "one")
    events = stream(45, text="x" * 10_000)
    first = spool.push(named(events[:91]))  # 30 segments: 300 kB
    (reason,) = spool.manifest.losses
    assert "No space left" in reason
    kept = b"".join(each.path.read_bytes() for each in first)
    assert kept == payloads(events)[: len(kept)]
    assert len(kept) > 200_000

    for each in first:
        spool.stored(each)
    ready = spool.push(named(events[91:]))

    assert bytes_of(ready).endswith(payloads(events[91:]))
    total_ms = spool.manifest.tracks[NAME].total_ms
    assert total_ms == pytest.approx(45_000)
    spool.close()
    again, _ = Spool.recover(small_disk / "one", Budget(1 << 20))
    assert again.manifest.losses.keys() == {reason}
    assert again.manifest.tracks[NAME].total_ms == pytest.approx(45_000)
    again.close()
