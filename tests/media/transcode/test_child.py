"""The transcoder as the node runs it: a process, with bytes in and bytes out."""

import os
import random
import signal
import subprocess
import sys
import time
from fractions import Fraction

import msgspec
import pytest

from headwater.core.track import TrackSet
from headwater.media.ladder import FrameRate, Rendition, ladder, source_of
from headwater.media.transcode.wire import (
    Begin,
    Configure,
    EncoderSettings,
    End,
    Failed,
    Finished,
    Media,
    Ready,
    Tracks,
    write_message,
)
from media.transcode.clips import (
    COMMAND,
    Clip,
    decode,
    make_clip,
    requests_of,
    run,
    samples,
    transcode,
)

pytestmark = pytest.mark.e2e

FILE = EncoderSettings(live=False, preset="superfast")
BEEP = "aevalsrc=0.5*sin(2*PI*1000*t)*lt(mod(t\\,1)\\,0.1):s=48000"


def rendition(name, width, height, rate, video_bps, audio_bps=None, every=1):
    return Rendition(
        name=name, width=width, height=height, frame_rate=FrameRate(rate),
        video_bps=video_bps, audio_bps=audio_bps, every=every,
    )  # fmt: skip


RENDITIONS = (
    rendition("360p60", 640, 360, 60, 1_000_000),
    rendition("270p30", 480, 270, 30, 500_000, 64_000, every=2),
    rendition("160p30", 284, 160, 30, 230_000, 48_000, every=2),
    Rendition(name="audio_only", width=0, height=0, frame_rate=None, audio_bps=64_000),
)
PICTURES = range(3)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("clips")


@pytest.fixture(scope="module")
def clip(folder) -> Clip:
    """640x360, 60 frames a second, key frames each second, a beep each second."""
    return make_clip(folder / "60.flv", "testsrc2=size=640x360:rate=60", seconds=4, sound=BEEP)


@pytest.fixture(scope="module")
def result(clip):
    return transcode(requests_of(clip, RENDITIONS, FILE))


def pts(packets):
    return [packet.pts for packet in packets]


def keys(packets):
    return [packet.pts for packet in packets if packet.keyframe]


def test_answers_come_in_order(result):
    assert result.status == 0, result.log
    assert isinstance(result.answers[0], Ready)
    assert isinstance(result.answers[-1], Finished)
    seen = set()
    for answer in result.answers:
        if isinstance(answer, Tracks):
            seen.update(answer.renditions)
        else:
            assert set(getattr(answer, "renditions", ())) <= seen
    assert all(len(result.tracks[index]) == 1 for index in range(4))


def test_key_frames_are_the_inputs_in_every_rendition(clip, result):
    assert len(keys(clip.video)) == 4
    for index in PICTURES:
        assert keys(result.video[index]) == keys(clip.video)


def test_every_frame_keeps_its_time_and_half_the_rate_is_even(clip, result):
    assert pts(result.video[0]) == pts(clip.video)
    assert pts(result.video[1]) == pts(clip.video)[::2]
    assert pts(result.video[2]) == pts(clip.video)[::2]


def test_it_is_h264_main_without_b_frames_and_aac_lc(result):
    for index in PICTURES:
        tracks, packets = result.tracks[index][0], result.video[index]
        assert tracks.video.codec_string.startswith("avc1.4D40")
        assert tracks.video.frame_rate == (60 if index == 0 else 30)
        assert all(packet.dts == packet.pts for packet in packets)
        assert {frame.pict_type for frame in decode(tracks.video, packets)} == {1, 2}
    assert [result.tracks[index][0].audio.codec_string for index in range(4)] == ["mp4a.40.2"] * 4
    assert result.tracks[3][0].video is None


def test_levels_are_those_of_ivs(clip):
    tracks = msgspec.structs.replace(
        clip.tracks, video=msgspec.structs.replace(clip.tracks.video, width=1280, height=720)
    )
    made = [each for each in ladder("STANDARD", "", source_of(tracks, 30.0)) if each.video_bps]
    result = transcode(requests_of(Clip(clip.tracks, clip.packets[:40]), tuple(made), FILE))

    codecs = [result.tracks[index][0].video.codec_string for index in range(4)]
    assert codecs == ["avc1.4D401F", "avc1.4D401F", "avc1.4D401E", "avc1.4D400C"]


def test_the_largest_input_gives_the_whole_ladder(folder):
    clip = make_clip(folder / "1080p60.flv", "testsrc2=size=1920x1080:rate=60", seconds=1)
    whole = ladder("STANDARD", "", source_of(clip.tracks, 60.0))
    wanted = whole[1:]  # the first is the input itself

    result = transcode(requests_of(clip, wanted, FILE))

    assert [each.name for each in whole] == ["1080p60", "720p60", "480p30", "360p30", "160p30"]
    assert result.status == 0, result.log
    for index, (each, frames, level) in enumerate(
        zip(wanted, (60, 30, 30, 30), ("20", "1F", "1E", "0C"), strict=True)
    ):
        [tracks] = result.tracks[index]
        assert (tracks.video.width, tracks.video.height) == (each.width, each.height)
        assert tracks.video.frame_rate == frames
        assert tracks.video.codec_string.startswith("avc1.4D40")
        assert tracks.video.codec_string.endswith(level)
        assert pts(result.video[index]) == pts(clip.video)[:: 60 // frames]
        assert len(decode(tracks.video, result.video[index])) == frames


def test_sound_is_passed_on_or_encoded_once_for_each_bitrate(clip, result):
    assert result.audio[0] == clip.audio
    assert result.audio[1] == result.audio[3]
    assert result.tracks[0][0].audio == clip.tracks.audio
    assert result.audio[1] != result.audio[2]
    assert abs(len(result.audio[2]) - len(clip.audio)) <= 1


def test_encoded_sound_is_in_step_with_the_inputs(clip, result):
    wanted = onsets(*samples(clip.tracks.audio, clip.audio))
    for index in (1, 2, 3):
        got = onsets(*samples(result.tracks[index][0].audio, result.audio[index]))
        assert len(got) == len(wanted) == 4
        assert all(abs(one - other) < 0.010 for one, other in zip(got, wanted, strict=True))


def onsets(first, values):
    """Seconds at which beeps begin."""
    found, quiet = [], 4000
    for number, value in enumerate(values):
        if abs(value) < 0.1:
            quiet += 1
            continue
        if quiet > 2000:
            found.append((first + number) / 48_000)
        quiet = 0
    return found


def test_pictures_come_in_order_and_at_their_times_from_a_source_with_b_frames(folder):
    picture = "nullsrc=size=64x36:rate=30,geq=lum='20+mod(N*9\\,200)':cb=128:cr=128,scale=320:180:flags=neighbor"
    options = ("-tune", "film", "-bf", "3", "-b_strategy", "0", "-x264-params", "b-pyramid=none")
    clip = make_clip(folder / "b.flv", picture, seconds=2, options=options)
    assert any(packet.dts != packet.pts for packet in clip.video)
    small = (rendition("90p30", 160, 90, 30, 300_000),)

    result = transcode(requests_of(clip, small, FILE))

    assert pts(result.video[0]) == sorted(pts(clip.video))
    assert keys(result.video[0]) == keys(clip.video)
    wanted = {frame.pts: grey(frame) for frame in decode(clip.tracks.video, clip.video)}
    for frame in decode(result.tracks[0][0].video, result.video[0]):
        assert abs(grey(frame) - wanted[frame.pts]) <= 3


def grey(frame):
    plane = frame.planes[0]
    return bytes(plane)[plane.line_size * (frame.height // 2) + frame.width // 2]


@pytest.mark.parametrize("noise", [4, 30])
def test_bitrate_is_within_ten_per_cent_over_ten_seconds(folder, noise):
    picture = f"testsrc2=size=480x270:rate=30,noise=alls={noise}:allf=t"
    sound = "anoisesrc=color=pink:sample_rate=48000"
    clip = make_clip(folder / f"noise{noise}.flv", picture, seconds=10, sound=sound)
    wanted = (
        rendition("270p30", 480, 270, 30, 500_000, 64_000),
        rendition("160p30", 284, 160, 30, 230_000, 48_000),
    )

    result = transcode(requests_of(clip, wanted, FILE))

    for index, each in enumerate(wanted):
        for packets, bps in ((result.video, each.video_bps), (result.audio, each.audio_bps)):
            size = sum(len(packet.data) for packet in packets[index])
            assert size * 8 / 10 == pytest.approx(bps, rel=0.1)


def test_portrait_gets_the_ladder_of_its_short_edge(folder):
    clip = make_clip(folder / "tall.flv", "testsrc2=size=360x640:rate=30", seconds=0.5)
    made = tuple(each for each in ladder("STANDARD", "", source_of(clip.tracks, 30.0)))

    result = transcode(requests_of(clip, made, FILE))

    sizes = [
        (frame.width, frame.height)
        for index in (0, 1)
        for frame in decode(result.tracks[index][0].video, result.video[index])[:1]
    ]
    assert sizes == [(360, 640), (160, 284)]


def test_key_frames_are_made_where_the_input_has_too_few(folder):
    clip = make_clip(
        folder / "gop.flv", "testsrc2=size=160x90:rate=30", seconds=6, options=("-g", "150")
    )
    assert [at // 90_000 for at in keys(clip.video)] == [0, 5]
    both = (rendition("90p30", 160, 90, 30, 100_000), rendition("60p30", 106, 60, 30, 100_000))
    settings = msgspec.structs.replace(FILE, keyframe_interval_ms=2000)

    result = transcode(requests_of(clip, both, settings))

    assert [round(at / 90_000, 1) for at in keys(result.video[0])] == [0, 2, 4, 5]
    assert keys(result.video[0]) == keys(result.video[1])


def test_color_range_and_aspect_are_kept(folder):
    options = (
        "-vf", "scale=out_range=full,setsar=4/3", "-pix_fmt", "yuvj420p", "-color_range", "pc",
        "-colorspace", "bt709", "-color_primaries", "bt709", "-color_trc", "bt709",
    )  # fmt: skip
    clip = make_clip(
        folder / "full.flv", "testsrc2=size=320x180:rate=30", seconds=0.5, options=options
    )
    small = (rendition("90p30", 160, 90, 30, 300_000),)

    result = transcode(requests_of(clip, small, FILE))

    frame = decode(result.tracks[0][0].video, result.video[0])[0]
    source = decode(clip.tracks.video, clip.video)[0]
    for name in ("color_range", "colorspace", "color_primaries", "color_trc"):
        assert getattr(frame, name) == getattr(source, name), name
    assert frame.color_range == 2
    assert abs(bytes(frame.planes[0])[0] - bytes(source.planes[0])[0]) < 6
    assert sample_aspect(result.tracks[0][0], result.video[0]) == Fraction(4, 3)


def test_rotation_is_kept(folder):
    options = ("-bsf:v", "h264_metadata=display_orientation=insert:rotate=90")
    clip = make_clip(
        folder / "turned.flv", "testsrc2=size=160x90:rate=30", seconds=0.2, options=options
    )
    small = (rendition("90p30", 160, 90, 30, 300_000),)

    result = transcode(requests_of(clip, small, FILE))

    frame = decode(result.tracks[0][0].video, result.video[0])[0]
    assert frame.rotation == decode(clip.tracks.video, clip.video)[0].rotation == 90


def test_captions_of_frames_that_are_left_out_are_carried_by_the_next(clip):
    spelt = {
        packet.pts: b"".join(bytes([0xFC | number % 2, 0x20 + number // 80, 0x20 + number % 80])
                             for number in (2 * index, 2 * index + 1))
        for index, packet in enumerate(clip.video[:60])
    }  # fmt: skip
    packets = [
        msgspec.structs.replace(packet, data=captioned(spelt[packet.pts]) + packet.data)
        if packet.kind == "video"
        else packet
        for packet in clip.packets
        if packet.kind == "audio" or packet.pts in spelt
    ]

    result = transcode(requests_of(Clip(clip.tracks, packets), RENDITIONS[:3], FILE))

    whole = b"".join(spelt.values())
    for index in PICTURES:
        frames = decode(result.tracks[index][0].video, result.video[index])
        assert len(frames) == len(spelt) // RENDITIONS[index].every
        found = [bytes(frame.side_data["A53_CC"]) for frame in frames]
        assert {len(each) for each in found[1:]} == {6 * RENDITIONS[index].every}
        assert b"".join(found) == whole[: len(b"".join(found))]
        assert len(b"".join(found)) >= len(whole) - 6  # those after the last frame that is kept


def captioned(constructs):
    """An SEI unit with its length, by hand."""
    payload = bytes.fromhex("b5 0031 47413934 03") + bytes([0x40 | len(constructs) // 3, 0xFF])
    payload += constructs + b"\xff"
    unit = bytes([6, 4, len(payload)]) + payload + b"\x80"
    return len(unit).to_bytes(4, "big") + unit


def sample_aspect(tracks, packets):
    import av  # noqa: PLC0415 - only here

    context = av.CodecContext.create("h264", "r")
    context.extradata = tracks.video.config
    context.decode(av.Packet(packets[0].data))
    return context.sample_aspect_ratio


def shifted(clip, ticks):
    """The clip's packets, later."""
    return [
        msgspec.structs.replace(
            packet,
            dts=packet.dts + (ticks if packet.kind == "video" else ticks * 48_000 // 90_000),
            pts=packet.pts + (ticks if packet.kind == "video" else ticks * 48_000 // 90_000),
        )
        for packet in clip.packets
    ]


def test_a_change_of_the_input_is_told_and_taken_in(folder, clip):
    other = make_clip(folder / "other.flv", "testsrc2=size=320x240:rate=30", seconds=1)
    second = (
        rendition("360p60", 320, 240, 30, 1_000_000),
        rendition("270p30", 212, 160, 30, 500_000, 64_000),
        rendition("160p30", 106, 80, 30, 230_000, 48_000),
        RENDITIONS[3],
    )
    tracks = msgspec.structs.replace(other.tracks, discontinuity=True)

    result = transcode([
        *requests_of(clip, RENDITIONS, FILE)[:-1],
        Configure(source=tracks, renditions=second),
        *(Media(packet=packet) for packet in shifted(other, 5 * 90_000)),
        End(),
    ])  # fmt: skip

    assert result.status == 0, result.log
    for index in range(4):
        before, after = result.tracks[index]
        assert (before.discontinuity, after.discontinuity) == (False, True)
    assert [result.tracks[index][1].video.height for index in PICTURES] == [240, 160, 80]
    assert pts(result.video[0]) == [*pts(clip.video), *(at + 450_000 for at in pts(other.video))]
    changed = result.answers.index(
        next(a for a in result.answers if isinstance(a, Tracks) and a.tracks.discontinuity)
    )
    late = [
        a for a in result.answers[:changed] if hasattr(a, "packet") and a.packet.kind == "video"
    ]
    assert max(each.packet.pts for each in late) < 450_000


def test_a_gap_in_the_sound_stays_where_it_is(clip):
    cut = [p for p in clip.packets if p.kind == "video" or not 48_000 < p.pts < 72_000]

    result = transcode(requests_of(Clip(clip.tracks, cut), RENDITIONS, FILE))

    wanted = [packet.pts for packet in cut if packet.kind == "audio"]
    assert set(pts(result.audio[1])) <= set(wanted)
    assert len(wanted) - len(result.audio[1]) <= 2  # nothing but the priming is lost


@pytest.mark.parametrize("kind", ["video", "audio"])
def test_an_input_with_one_track_is_enough(clip, kind):
    tracks = TrackSet(
        video=clip.tracks.video if kind == "video" else None,
        audio=clip.tracks.audio if kind == "audio" else None,
    )
    only = Clip(tracks, [packet for packet in clip.packets if packet.kind == kind])
    renditions = RENDITIONS[:2] if kind == "video" else RENDITIONS[3:]

    result = transcode(requests_of(only, renditions, FILE))

    assert result.status == 0, result.log
    assert bool(result.video[0]) == (kind == "video")
    assert bool(result.audio[0]) == (kind == "audio")


def test_garbage_is_counted_and_left_behind_at_the_next_key_frame(clip):
    noise = random.Random(1)  # noqa: S311 - not a secret
    broken = [
        msgspec.structs.replace(packet, data=noise.randbytes(len(packet.data)))
        if 90_000 <= packet.pts < 150_000 and packet.kind == "video"
        else packet
        for packet in clip.packets
    ]

    result = transcode(requests_of(Clip(clip.tracks, broken), RENDITIONS, FILE))

    assert result.status == 0, result.log
    last = result.progress[-1]
    assert last.broken_packets > 0
    resumed = keys(clip.video)[2]
    good = [at for at in pts(clip.video) if at >= resumed]
    assert [at for at in pts(result.video[0]) if at >= resumed] == good


def test_nothing_but_garbage_ends_it_with_a_reason(clip):
    noise = random.Random(2)  # noqa: S311 - not a secret
    broken = [
        msgspec.structs.replace(packet, data=noise.randbytes(200), keyframe=True)
        for packet in clip.packets
    ]

    result = transcode(requests_of(Clip(clip.tracks, broken), RENDITIONS, FILE))

    assert result.status == 1
    assert isinstance(result.answers[-1], Failed)
    assert "broken" in result.answers[-1].reason


REFUSED = [
    # id,                     bytes,                                        says
    ("bytes",                 b"\x00\x00\x00\x05hello",                     "not a transcoder's message"),
    ("media before begin",    write_message(End()),                         "before Begin"),
    ("no such preset",  write_message(Begin(source=TrackSet(video=None, audio=None), renditions=RENDITIONS, settings=EncoderSettings(preset="nonsense"))), "libx264 does not open"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("data", "says"), [row[1:] for row in REFUSED], ids=[row[0] for row in REFUSED]
)
def test_what_cannot_be_done_is_answered_with_a_reason(data, says):
    result = run(data)

    assert result.status == 1
    assert says in result.answers[-1].reason
    assert '"event": "transcoder failed"' in result.log.splitlines()[-1]


def test_live_media_that_comes_too_fast_is_dropped_and_what_stays_is_aligned(folder):
    long = make_clip(folder / "long.flv", "testsrc2=size=640x360:rate=60", seconds=12)
    settings = EncoderSettings(preset="medium")

    result = transcode(requests_of(long, RENDITIONS, settings))

    assert result.status == 0, result.log
    last = result.progress[-1]
    assert last.dropped_packets > 0
    assert set(keys(result.video[0])) <= set(keys(long.video))
    assert keys(result.video[0]) == keys(result.video[1]) == keys(result.video[2])


def test_it_ends_when_its_input_closes(clip):
    result = run(b"".join(map(write_message, requests_of(clip, RENDITIONS, FILE)[:100])))

    assert result.status == 0
    assert not isinstance(result.answers[-1], Finished)


def test_it_does_not_outlive_its_parent():
    """Even where somebody else holds its pipes open."""
    read_end, write_end = os.pipe()
    answers, its_answers = os.pipe()
    script = (
        "import subprocess, sys, time\n"
        f"child = subprocess.Popen({list(COMMAND)!r}, stdin={read_end}, stdout={its_answers})\n"
        "print(child.pid, flush=True)\n"
        "time.sleep(60)\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", script], stdout=subprocess.PIPE, pass_fds=(read_end, its_answers)
    ) as parent:
        child = int(parent.stdout.readline())
        hello = write_message(
            Begin(source=TrackSet(video=None, audio=None), renditions=(), settings=FILE)
        )
        os.write(write_end, hello)
        assert b"libx264" in os.read(answers, 1000)  # ready: it watches its parent by now
        assert b"transcode" in command_line(child)
        parent.send_signal(signal.SIGKILL)
    wait_until(lambda: not command_line(child))
    for each in (read_end, write_end, answers, its_answers):
        os.close(each)


def command_line(pid):
    try:
        with open(f"/proc/{pid}/cmdline", "rb") as file:  # noqa: PTH123 - not a path of ours
            return file.read()
    except OSError:
        return b""


def wait_until(condition):
    for _ in range(200):
        if condition():
            return
        time.sleep(0.05)
    pytest.fail("it did not happen in 10 s")


def test_probe_says_what_opens_here():
    answer = subprocess.run([*COMMAND, "--probe"], capture_output=True, check=True).stdout

    found = msgspec.json.decode(answer)
    assert found["encoders"]["x264"] == {"offered": True, "opens": True, "reason": ""}
    assert set(found["encoders"]) == {"x264", "nvenc", "vaapi", "qsv"}
    assert found["capacity_units"] > 0
