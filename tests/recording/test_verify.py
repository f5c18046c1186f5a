"""Recordings that are broken in one way each, and what `verify` says of them."""

import shutil

import pytest

from headwater.recording.verify import verify
from recording.made import make_recording

pytestmark = pytest.mark.e2e  # made by ffmpeg


@pytest.fixture(scope="module")
def originals(tmp_path_factory):
    """One whole recording of each container, of two streams; never changed."""
    folder = tmp_path_factory.mktemp("originals")
    return {
        container: make_recording(
            folder / container, folder / "work" / container, container=container, runs=2, seconds=4
        )
        for container in ("TS", "FRAGMENTED_MP4")
    }


@pytest.fixture
def copy_of(originals, tmp_path):
    def make(container):
        made = originals[container]
        shutil.copytree(made.root, tmp_path / "bucket")
        return type(made)(tmp_path / "bucket", made.prefix, made.group_counts)

    return make


@pytest.fixture
def recording(copy_of):
    return copy_of("TS")


async def findings(made):
    report = await verify(made.store, made.place)
    return [(finding.key, finding.text) for finding in report.findings]


@pytest.mark.parametrize("container", ["TS", "FRAGMENTED_MP4"])
async def test_a_whole_recording_has_no_faults(originals, container):
    told = []
    made = originals[container]

    report = await verify(made.store, made.place, lambda *progress: told.append(progress))

    assert report.findings == []
    assert report.notes == []
    assert (report.segments, report.thumbnails, report.duration_s) == (8, 2, 8.0)
    assert report.is_over
    assert told == sorted(told)
    assert told[-1] == (report.size_bytes, report.size_bytes)


HLS = "media/hls"


def edit(name, old, new, *, count=1):
    def change(made):
        path = made.path(name)
        text = path.read_text()
        assert old in text
        path.write_text(text.replace(old, new, count))

    return change


def edit_event(change):
    def apply(made):
        event = made.event()
        change(event)
        made.put_event(event)

    return apply


def missing(name):
    return lambda made: made.path(name).unlink()


def cut(name, *, at):
    def change(made):
        path = made.path(name)
        path.write_bytes(path.read_bytes()[:at])

    return change


def swapped(one, other):
    def change(made):
        first, second = made.path(one), made.path(other)
        bodies = first.read_bytes(), second.read_bytes()
        second.write_bytes(bodies[0])
        first.write_bytes(bodies[1])

    return change


def without_packets(name, *, first, count):
    """Lose TS packets from the middle of an object."""

    def change(made):
        path = made.path(name)
        data = path.read_bytes()
        path.write_bytes(data[: 188 * first] + data[188 * (first + count) :])

    return change


def put(name, body):
    return lambda made: made.path(name).write_bytes(body)


BYTE_RANGES = f"{HLS}/360p30/byte-range-variant.m3u8"
PLAYLIST = f"{HLS}/360p30/playlist.m3u8"
ENDED = "events/recording-ended.json"


def first_range_of(made):
    lines = made.path(BYTE_RANGES).read_text().splitlines()
    return next(line for line in lines if "BYTERANGE" in line)


def longer_range(made):
    line = first_range_of(made)
    length = int(line.partition(":")[2].partition("@")[0])
    edit(BYTE_RANGES, line, line.replace(str(length), str(length + 10**7)))(made)


def range_off_the_key_frame(made):
    line = first_range_of(made)
    length = int(line.partition(":")[2].partition("@")[0])
    path = made.path(BYTE_RANGES)
    text = path.read_text()
    text = text.replace(f":{length}@0", f":{length - 1880}@0", 1)
    second = next(x for x in text.splitlines() if x.endswith(f"@{length}"))
    rest = int(second.partition(":")[2].partition("@")[0])
    path.write_text(text.replace(second, f"#EXT-X-BYTERANGE:{rest + 1880}@{length - 1880}", 1))


FAULTS = [
    # id,                        broken by,                                      object,          says
    ("segment missing",          missing(f"{HLS}/360p30/1.ts"),                  f"{HLS}/360p30/1.ts", "is missing"),
    ("playlist missing",         missing(PLAYLIST),                              PLAYLIST,        "is missing"),
    ("byte ranges missing",      missing(BYTE_RANGES),                           BYTE_RANGES,     "is missing"),
    ("master missing",           missing(f"{HLS}/master.m3u8"),                  f"{HLS}/master.m3u8", "is missing"),
    ("thumbnail missing",        missing("media/thumbnails/thumb0.jpg"),         "media/thumbnails/thumb0.jpg", "is missing"),
    ("segment cut in a packet",  cut(f"{HLS}/360p30/1.ts", at=188 * 100 + 7),    f"{HLS}/360p30/1.ts", "cut off"),
    ("segment cut at a packet",  cut(f"{HLS}/360p30/1.ts", at=188 * 100),        f"{HLS}/360p30/1.ts", "ends beyond the object's 18800 bytes"),
    ("segment empty",            cut(f"{HLS}/360p30/1.ts", at=0),                f"{HLS}/360p30/1.ts", "neither pictures nor sound"),
    ("packets lost",             without_packets(f"{HLS}/360p30/0.ts", first=80, count=3), f"{HLS}/360p30/0.ts", "continuity counter"),
    ("segments swapped",         swapped(f"{HLS}/360p30/0.ts", f"{HLS}/360p30/1.ts"), f"{HLS}/360p30/1.ts", "too early"),
    ("renditions swapped",       swapped(f"{HLS}/360p30/1.ts", f"{HLS}/160p30/1.ts"), f"{HLS}/360p30/1.ts", "continuity counter"),
    ("not a segment",            put(f"{HLS}/360p30/1.ts", b"no media" * 1000),  f"{HLS}/360p30/1.ts", "no packet at byte 0"),
    ("wrong duration",           edit(PLAYLIST, "#EXTINF:2.000", "#EXTINF:2.600"), f"{HLS}/360p30/0.ts", "the playlist says 2.600 s"),
    ("beyond the target",        edit(PLAYLIST, "DURATION:12", "DURATION:1"),    f"{HLS}/360p30/0.ts", "the target duration is 1 s"),
    ("named twice",              edit(PLAYLIST, "\n1.ts", "\n0.ts"),             f"{HLS}/360p30/0.ts", "twice"),
    ("in no playlist",           put(f"{HLS}/360p30/99.ts", b""),                f"{HLS}/360p30/99.ts", "nothing names this object"),
    ("no discontinuity",         edit(PLAYLIST, "#EXT-X-DISCONTINUITY\n", ""),   f"{HLS}/360p30/2.ts", "too early"),
    ("no end",                   edit(PLAYLIST, "#EXT-X-ENDLIST\n", ""),         PLAYLIST,        "lacks EXT-X-ENDLIST"),
    ("playlist cut off",         edit(PLAYLIST, "\n3.ts\n#EXT-X-ENDLIST\n", "\n"), PLAYLIST,      "cut off"),
    ("no playlist",              put(PLAYLIST, b"<html>"),                       PLAYLIST,        "line 1 is not #EXTM3U"),
    ("range too long",           longer_range,                                   f"{HLS}/360p30/0.ts", "ends beyond the object's"),
    ("range off the key frame",  range_off_the_key_frame,                        f"{HLS}/360p30/0.ts", "begins within a part"),
    ("range shorter",            edit(BYTE_RANGES, "#EXTINF:1.000", "#EXTINF:0.500"), f"{HLS}/360p30/0.ts", "lasts 1.500 s by its byte ranges"),
    ("outside its folder",       edit(PLAYLIST, "\n1.ts", "\n../1.ts"),          PLAYLIST,        "does not name an object beside or below"),
    ("master lacks a rendition", edit(f"{HLS}/master.m3u8", "160p30/playlist.m3u8", "170p30/playlist.m3u8"), f"{HLS}/master.m3u8", "does not name 160p30/playlist.m3u8"),
    ("master names another",     edit(f"{HLS}/master.m3u8", "160p30/playlist.m3u8", "170p30/playlist.m3u8"), f"{HLS}/master.m3u8", "names 170p30/playlist.m3u8"),
    ("bad JSON",                 put(ENDED, b'{"version": "v1", '),              ENDED,           "not a recording's event file"),
    ("member missing",           edit_event(lambda e: e["media"]["hls"].pop("path")), ENDED,      "`path`"),
    ("member of another type",   edit_event(lambda e: e["media"]["hls"].update(duration_ms="8000")), ENDED, "`int"),
    ("unknown status",           edit_event(lambda e: e.update(recording_status="DONE")), ENDED,  "recording_status"),
    ("status of another file",   edit_event(lambda e: e.update(recording_status="RECORDING_ENDED_WITH_FAILURE")), ENDED, "has the status"),
    ("another channel",          edit_event(lambda e: e.update(channel_arn="arn:aws:ivs:us-east-1:123456789012:channel/other")), ENDED, "names the channel"),
    ("another start",            edit_event(lambda e: e.update(recording_started_at="2026-03-04T05:06:00Z")), ENDED, "another start"),
    ("another duration",         edit_event(lambda e: e["media"]["hls"].update(duration_ms=8300)), ENDED, "says 8300 ms; the playlists have 8000 ms"),
    ("no duration",              edit_event(lambda e: e["media"]["hls"].pop("duration_ms")), ENDED, "lacks"),
    ("path outside",             edit_event(lambda e: e["media"]["hls"].update(path="../other")), ENDED, "path"),
    ("events missing",           lambda made: shutil.rmtree(made.path("events")), "events/recording-started.json", "is missing"),
    ("both ends",                lambda made: shutil.copy(made.path(ENDED), made.path("events/recording-failed.json")), "events/recording-failed.json", "stands beside"),
    ("thumbnail of another size", edit_event(lambda e: e["media"]["thumbnails"].update(resolution_width=320)), "media/thumbnails/thumb0.jpg", "has 640x360 pixels, not 320x360"),
    ("thumbnail cut off",        cut("media/thumbnails/thumb1.jpg", at=500),     "media/thumbnails/thumb1.jpg", "cut off"),
    ("thumbnail is none",        put("media/thumbnails/thumb1.jpg", b"GIF89a"),  "media/thumbnails/thumb1.jpg", "no JPEG"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("breaks", "key", "says"), [row[1:] for row in FAULTS], ids=[row[0] for row in FAULTS]
)
async def test_a_broken_recording_is_told_by_object_and_fault(recording, breaks, key, says):
    breaks(recording)

    found = await findings(recording)

    assert [text for name, text in found if name == key and says in text] != [], found


MP4_FAULTS = [
    # id,                 broken by,                                  object,                 says
    ("init missing",      missing(f"{HLS}/360p30/init-0.mp4"),        f"{HLS}/360p30/init-0.mp4", "is missing"),
    ("init is none",      put(f"{HLS}/360p30/init-0.mp4", b"x" * 50), f"{HLS}/360p30/init-0.mp4", "does not fit"),
    ("segment cut off",   cut(f"{HLS}/360p30/1.m4s", at=9000),        f"{HLS}/360p30/1.m4s",  "cut off"),
    ("segments swapped",  swapped(f"{HLS}/360p30/0.m4s", f"{HLS}/360p30/1.m4s"), f"{HLS}/360p30/1.m4s", "too early"),
    ("segment empty",     cut(f"{HLS}/360p30/1.m4s", at=0),           f"{HLS}/360p30/1.m4s",  "neither pictures nor sound"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("breaks", "key", "says"), [row[1:] for row in MP4_FAULTS], ids=[row[0] for row in MP4_FAULTS]
)
async def test_a_broken_recording_of_fragmented_mp4_is_told_too(copy_of, breaks, key, says):
    made = copy_of("FRAGMENTED_MP4")
    breaks(made)

    found = await findings(made)

    assert [text for name, text in found if name == key and says in text] != [], found


async def test_what_the_recording_says_is_missing_is_a_note_and_no_fault(recording):
    for folder in ("360p30", "160p30"):
        for name, lines in (("playlist.m3u8", 1), ("byte-range-variant.m3u8", 2)):
            path = recording.path(f"{HLS}/{folder}/{name}")
            kept = path.read_text().splitlines()
            gapped = []
            for index, line in enumerate(kept):
                following = kept[index + 1 : index + 3]
                if line.startswith("#EXTINF") and "1.ts" in following:
                    gapped += [line, "#EXT-X-GAP"]
                elif not (line.startswith("#EXT-X-BYTERANGE") and following[:1] == ["1.ts"]):
                    gapped.append(line)
            assert gapped.count("#EXT-X-GAP") == lines
            path.write_text("\n".join(gapped) + "\n")
        recording.path(f"{HLS}/{folder}/1.ts").unlink()
    event = recording.event()
    event["media"]["hls"]["renditions"][0]["gaps"] = [
        {"start": "2026-03-04T05:06:09.000Z", "duration_ms": 2000, "reason": "the disk was full"}
    ]
    recording.put_event(event)

    report = await verify(recording.store, recording.place)

    assert report.findings == []
    assert report.notes == [
        "360p30: 2.000 s missing from 2026-03-04 05:06:09Z: the disk was full",
        "160p30: 2.000 s missing, in 1 segments",
    ]


@pytest.mark.parametrize("lost", [0, 1])
async def test_a_segment_may_lack_its_beginning_or_end_if_its_byte_ranges_say_so(recording, lost):
    for folder in ("360p30", "160p30"):
        path = recording.path(f"{HLS}/{folder}/byte-range-variant.m3u8")
        lines = path.read_text().splitlines()
        ranges = [
            index
            for index, line in enumerate(lines)
            if line.startswith("#EXT-X-BYTERANGE") and lines[index + 1] == "1.ts"
        ]
        lengths = [int(lines[i].partition(":")[2].partition("@")[0]) for i in ranges]
        lines[ranges[lost]] = "#EXT-X-GAP"
        lines[ranges[1 - lost]] = f"#EXT-X-BYTERANGE:{lengths[1 - lost]}@0"
        path.write_text("\n".join(lines) + "\n")
        media = recording.path(f"{HLS}/{folder}/1.ts")
        whole = media.read_bytes()
        media.write_bytes(whole[: lengths[0]] if lost else whole[lengths[0] :])

    assert await findings(recording) == []


async def test_a_recording_that_goes_on_lacks_its_end_without_fault(tmp_path):
    made = make_recording(
        tmp_path / "bucket", tmp_path / "work", seconds=2, status="RECORDING_STARTED"
    )
    made.path(f"{HLS}/byte-range-multivariant.m3u8").unlink()
    made.path(f"{HLS}/360p30/99.ts").write_bytes(b"not in the playlist yet")

    report = await verify(made.store, made.place)

    assert report.findings == []
    assert not report.is_over
    assert report.duration_s == 2


async def test_a_recording_that_failed_without_media_is_whole(tmp_path):
    made = make_recording(tmp_path / "bucket", tmp_path / "work", seconds=1)
    event = made.event()
    shutil.rmtree(made.path("media"))
    made.path(ENDED).unlink()
    del event["media"]["thumbnails"]
    event["media"]["hls"] = {"path": HLS, "playlist": "master.m3u8", "duration_ms": 0}
    event["recording_status"] = "RECORDING_ENDED_WITH_FAILURE"
    event["recording_status_message"] = "InternalServerException"
    made.put_event(event, "recording-failed")

    assert await findings(made) == []


async def test_nothing_at_all_is_one_fault(recording):
    shutil.rmtree(recording.folder)

    assert await findings(recording) == [("", "there is no such recording")]
