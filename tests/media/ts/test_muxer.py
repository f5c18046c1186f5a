import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headwater.core.packet import Packet
from headwater.core.track import TrackSet
from headwater.media.sample import Sample, TimedTag
from headwater.media.ts import psi
from headwater.media.ts.muxer import TsWriter
from headwater.media.ts.packets import PidWriter, adaptation_field, pes_header
from media.packets import AUDIO, BOTH, VIDEO, picture, sound
from media.readers import ts_packets, ts_payload


def samples(packets, duration=3000):
    return [Sample(packet=packet, duration=duration) for packet in packets]


def writer(tracks=BOTH):
    ts = TsWriter()
    ts.set_tracks(tracks)
    return ts


def test_the_crc_is_that_of_a_known_table():
    assert psi.crc32_mpeg(b"123456789") == 0x0376E6E7
    section = psi.pat()[1:17]
    assert psi.crc32_mpeg(section) == 0  # a section with its own CRC leaves nothing


TABLES = [
    ("both",  BOTH,                               "0f e100 f000 1b e101 f000", 0x101),
    ("video", TrackSet(video=VIDEO, audio=None),  "1b e101 f000",              0x101),
    ("sound", TrackSet(video=None, audio=AUDIO),  "0f e100 f000",              0x100),
]  # fmt: skip


@pytest.mark.parametrize(
    ("tracks", "streams", "clock"), [row[1:] for row in TABLES], ids=[row[0] for row in TABLES]
)
def test_the_program_map_names_the_streams(tracks, streams, clock):
    table = psi.pmt(tracks, 3)

    assert len(table) == 184
    assert table[9:11] == (0xE000 | clock).to_bytes(2, "big")
    # As in Amazon IVS's own segments: a pointer to the metadata, the streams, the metadata.
    pointer = bytes.fromhex("f011 250f ffff 49443320 ff 49443320 001f0001")
    metadata = bytes.fromhex("15 e102 f00f 260d ffff 49443320 ff 49443320 000f")
    whole = pointer + bytes.fromhex(streams) + metadata
    assert table[11 : 11 + len(whole)] == whole
    assert table[11 + len(whole) + 4 :].strip(b"\xff") == b""
    assert table[6] == 0xC7


def test_a_part_starts_with_its_tables_and_a_random_access_point():
    rows = ts_packets(writer().write_part(samples([picture(0, key=True)]), samples([sound(0)])))

    assert [row[0] for row in rows] == [0, 0x1000, 0x100, 0x101]
    assert rows[3][3][0] == 0x50
    assert rows[3][4].startswith(b"\x00\x00\x01\xe0")


def test_every_part_has_the_parameter_sets_once():
    ts = writer()
    for keys in ((True, False), (False, False)):
        part = ts.write_part(samples([picture(n, key=key) for n, key in enumerate(keys)]), [])

        # Shaka and video.js turn each part into MP4 by itself, whether it has a key frame or not.
        assert ts_payload(ts_packets(part), psi.VIDEO_PID).count(b"\x00\x00\x00\x01\x67") == 1


def test_counters_go_on_over_parts():
    ts = writer()
    data = b"".join(
        ts.write_part(samples([picture(n * 3000)]), samples([sound(n)])) for n in range(40)
    )

    for pid in (0, 0x1000, 0x100, 0x101):
        counters = [row[2] for row in ts_packets(data) if row[0] == pid]
        assert counters == [n % 16 for n in range(len(counters))]


def test_new_tracks_have_a_new_table_version():
    ts = writer()
    before = ts_packets(ts.write_part([], samples([sound(0)])))[1][4][6]
    ts.set_tracks(TrackSet(video=None, audio=AUDIO))

    assert ts_packets(ts.write_part([], samples([sound(1)])))[1][4][6] == before + 2


def test_sound_is_grouped_until_a_gap():
    numbers = [*range(12), 20, 21]
    rows = ts_packets(writer().write_part([], samples([sound(n) for n in numbers], 1024)))

    starts = [row for row in rows if row[0] == 0x100 and row[1]]
    assert len(starts) == 3
    assert ts_payload(rows, 0x100).count(b"\xff\xf1\x4c\x80") == 14


def test_sound_lies_before_the_pictures_it_belongs_to():
    video = samples([picture(n * 3000) for n in range(30)])
    rows = ts_packets(writer().write_part(video, samples([sound(n) for n in range(47)], 1024)))

    order = [row[0] for row in rows if row[1]][2:]
    assert order[0] == 0x100
    assert max(len(run) for run in "".join("AV"[pid & 1] for pid in order).split("A")) <= 8


def test_big_frames_of_sound_stay_within_a_pes():
    big = [
        Packet(kind="audio", dts=n * 1024, pts=n * 1024, keyframe=True, data=bytes(8184))
        for n in range(16)
    ]
    rows = ts_packets(writer().write_part([], samples(big, 1024)))

    lengths = [int.from_bytes(r[4][4:6], "big") for r in rows if r[0] == 0x100 and r[1]]
    assert all(length > 0 for length in lengths)


@pytest.mark.parametrize("time", [0, 2**33 - 1, 2**33 + 5], ids=["0", "last", "wrapped (R-24)"])
def test_times_have_33_bits(time):
    header = pes_header(0xE0, pts=time + 7, dts=time, payload_bytes=1)

    def read(five):
        number = int.from_bytes(five, "big")
        assert number & 1
        assert number >> 16 & 1
        high, middle, low = number >> 33 & 7, number >> 17 & 0x7FFF, number >> 1 & 0x7FFF
        return high << 30 | middle << 15 | low

    assert read(header[9:14]) == (time + 7) % 2**33
    assert read(header[14:19]) == time % 2**33
    clock = int.from_bytes(adaptation_field(pcr_ticks=time, random_access=False)[1:], "big")
    assert clock >> 15 == time % 2**33


def test_a_negative_clock_wraps():
    assert adaptation_field(pcr_ticks=-1, random_access=True)[1:5] == b"\xff\xff\xff\xff"
    assert adaptation_field(pcr_ticks=None, random_access=False) == b""


@settings(max_examples=200)
@given(st.integers(1, 1200), st.sampled_from([b"", b"\x40", b"\x50" + bytes(6)]))
def test_any_payload_comes_back_whole(size, adaptation):
    payload = bytes(n % 251 for n in range(size))

    rows = ts_packets(b"".join(PidWriter(0x101).write(payload, adaptation)))

    assert ts_payload(rows, 0x101) == payload
    assert rows[0][3].startswith(adaptation)
    assert [row[1] for row in rows] == [True] + [False] * (len(rows) - 1)
    assert [row[2] for row in rows] == list(range(len(rows)))


def test_tags_stand_before_the_media_and_their_counter_goes_on():
    ts, tag = writer(), TimedTag(pts=45_000, data=b"ID3" + bytes(300))
    parts = [ts.write_part(samples([picture(0)]), [], [tag]) for _ in range(3)]

    rows = ts_packets(parts[0])
    assert [row[0] for row in rows] == [0, 0x1000, 0x102, 0x102, 0x101]
    header = pes_header(0xBD, pts=135_000, dts=135_000, payload_bytes=303)
    assert ts_payload(rows, 0x102) == header + tag.data
    assert header[:9].hex(" ") == "00 00 01 bd 01 37 84 80 05"  # aligned, with PTS alone
    counters = [row[2] for row in ts_packets(b"".join(parts)) if row[0] == 0x102]
    assert counters == list(range(6))
