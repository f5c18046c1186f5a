from msgspec import structs

from headwater.core.track import TrackSet
from headwater.media.codec.h264 import parse_config
from headwater.media.fmp4.box import box, full_box
from headwater.media.fmp4.fragment import Fmp4Writer, write_fragment
from headwater.media.sample import Sample
from media.nals import PPS, avcc, record
from media.packets import AUDIO, BOTH, VIDEO, picture, sound
from media.readers import boxes


def samples(packets, duration):
    return [Sample(packet=packet, duration=duration) for packet in packets]


def test_boxes_count_themselves():
    assert box(b"free", b"ab", b"c") == b"\x00\x00\x00\x0bfreeabc"
    assert full_box(b"tfdt", 1, 2, b"x") == b"\x00\x00\x00\x0dtfdt\x01\x00\x00\x02x"


def test_a_fragment_points_at_both_tracks_samples():
    video = samples([picture(90, key=True, delay=5), picture(3090)], 3000)
    audio = samples([sound(7), sound(8)], 1024)

    data = write_fragment(3, video, audio)

    (moof_kind, moof), (mdat_kind, mdat) = boxes(data)
    assert (moof_kind, mdat_kind) == (b"moof", b"mdat")
    assert mdat == b"".join(s.packet.data for s in video + audio)
    (_, mfhd), (_, first), (_, second) = boxes(moof)
    assert mfhd == bytes([0, 0, 0, 0, 0, 0, 0, 3])
    (_, _), (_, tfdt), (_, trun) = boxes(first)
    assert tfdt == b"\x01\x00\x00\x00" + (90).to_bytes(8, "big")
    assert int.from_bytes(trun[8:12], "big") == data.index(b"mdat") + 4
    assert [int.from_bytes(trun[n : n + 4], "big") for n in range(12, len(trun), 4)] == [
        *(3000, len(video[0].packet.data), 0x02000000, 5),
        *(3000, len(video[1].packet.data), 0x01010000, 0),
    ]
    (_, tfhd), (_, tfdt), (_, trun) = boxes(second)
    assert int.from_bytes(tfhd[8:12], "big") == 1024
    assert int.from_bytes(tfdt[4:], "big") == 7 * 1024
    video_bytes = sum(len(s.packet.data) for s in video)
    assert int.from_bytes(trun[8:12], "big") == data.index(b"mdat") + 4 + video_bytes


def test_a_track_without_samples_is_left_out():
    data = write_fragment(1, [], samples([sound(0)], 1024))

    assert [kind for kind, _ in boxes(boxes(data)[0][1])] == [b"mfhd", b"traf"]


def test_a_gap_in_sound_is_written_as_a_duration():
    regular = write_fragment(1, [], samples([sound(0), sound(1)], 1024))
    gap = write_fragment(1, [], samples([sound(0)], 5000) + samples([sound(1)], 1024))

    assert len(gap) == len(regular) + 8


def test_fragments_count_on():
    writer = Fmp4Writer()
    first, second = (writer.write_part(samples([picture(0)], 1), []) for _ in range(2))

    assert first.index(b"mfhd") == second.index(b"mfhd")
    assert (first[23], second[23]) == (1, 2)


def test_key_frames_have_their_parameter_sets_once_there_were_others():
    writer = Fmp4Writer()
    other = TrackSet(video=structs.replace(VIDEO, config=record(pps=PPS + b"\x80")), audio=None)
    frames = samples([picture(0, key=True), picture(3000)], 3000)
    plain = b"".join(sample.packet.data for sample in frames)
    media = []
    for tracks in (BOTH, BOTH, other, BOTH):
        writer.set_tracks(tracks)
        media.append(boxes(writer.write_part(frames, []))[1][1])

    def sets(tracks):
        config = parse_config(tracks.video.config)
        return avcc(*config.sps, *config.pps)

    assert media == [plain, plain, sets(other) + plain, sets(BOTH) + plain]


def test_an_init_segment_has_the_configurations_as_they_came():
    init = Fmp4Writer().set_tracks(BOTH)

    (ftyp_kind, ftyp), (moov_kind, moov) = boxes(init)
    assert (ftyp_kind, ftyp[:4], moov_kind) == (b"ftyp", b"iso6", b"moov")
    assert [kind for kind, _ in boxes(moov)] == [b"mvhd", b"trak", b"trak", b"mvex"]
    assert b"avcC" + BOTH.video.config in init
    assert b"\x05\x02" + AUDIO.config + b"\x06\x01\x02" in init


def test_an_init_segment_of_sound_alone_has_one_track():
    init = Fmp4Writer().set_tracks(TrackSet(video=None, audio=AUDIO))

    assert init.count(b"trak") == init.count(b"trex") == 1
    assert b"vmhd" not in init
