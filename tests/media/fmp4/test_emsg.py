from headwater.media.fmp4.emsg import id3_boxes
from headwater.media.fmp4.fragment import Fmp4Writer
from headwater.media.sample import Sample, TimedTag
from media.packets import BOTH, picture, sound
from media.readers import boxes


def test_a_tag_is_written_for_each_family_of_players():
    (kind, relative), (other_kind, absolute) = boxes(
        id3_boxes(b"ID3...", pts=93_000, fragment_pts=90_000, number=7)
    )

    assert kind == other_kind == b"emsg"
    assert relative == b"".join(
        [
            b"\x00\x00\x00\x00urn:twitch:id3\x00\x00",
            *(number.to_bytes(4, "big") for number in (90_000, 3_000, 0, 7)),
            b"ID3...",
        ]
    )
    assert absolute == b"".join(
        [
            b"\x01\x00\x00\x00",
            (90_000).to_bytes(4, "big"),
            (93_000).to_bytes(8, "big"),
            *(number.to_bytes(4, "big") for number in (0, 7)),
            b"https://aomedia.org/emsg/ID3\x00\x00ID3...",
        ]
    )


def test_times_before_the_timeline_are_its_start():
    (_, relative), (_, absolute) = boxes(id3_boxes(b"", pts=-5, fragment_pts=90, number=0))

    assert relative[24:28] == bytes(4)
    assert absolute[8:16] == bytes(8)


def test_tags_stand_before_the_fragment_and_count_on():
    writer = Fmp4Writer()
    writer.set_tracks(BOTH)
    video = [Sample(packet=picture(9_000, key=True, delay=3_000), duration=3_000)]
    audio = [Sample(packet=sound(6), duration=1_024)]  # at 11,520 in 90 kHz
    tag = TimedTag(pts=12_000, data=b"ID3")

    first, second = (boxes(writer.write_part(video, audio, [tag])) for _ in range(2))

    assert [kind for kind, _ in first] == [b"emsg", b"emsg", b"moof", b"mdat"]
    assert int.from_bytes(first[0][1][24:28], "big") == 12_000 - 11_520
    numbers = [int.from_bytes(found[0][1][32:36], "big") for found in (first, second)]
    assert numbers == [0, 1]
