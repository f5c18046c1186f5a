"""Tracks and packets written by hand, with arithmetic times."""

from headwater.core.packet import Packet
from headwater.core.track import AudioTrack, TrackSet, VideoTrack
from media.nals import IDR, SLICE, avcc, record

VIDEO = VideoTrack(
    config=record(), codec_string="avc1.64002A", width=1920, height=1080, frame_rate=None
)
AUDIO = AudioTrack(
    config=bytes.fromhex("1190"), codec_string="mp4a.40.2", sample_rate_hz=48_000, channels=2
)
BOTH = TrackSet(video=VIDEO, audio=AUDIO)


def picture(dts, *, key=False, delay=0):
    data = avcc(IDR if key else SLICE)
    return Packet(kind="video", dts=dts, pts=dts + delay, keyframe=key, data=data)


def sound(number):
    return Packet(
        kind="audio", dts=number * 1024, pts=number * 1024, keyframe=True, data=b"\x21\x10\x05"
    )


def in_order(packets):
    """Interleaved as they would arrive."""
    return sorted(packets, key=lambda packet: packet.dts / (90 if packet.kind == "video" else 48))


def steady(rate, gop_s, seconds, *, audio=True, delay=0):
    """Video whose times were rounded to milliseconds, with sound to its end."""
    gop = max(1, round(rate * gop_s))
    packets = [
        picture(int(number * 1000 / rate) * 90, key=number % gop == 0, delay=delay)
        for number in range(round(rate * seconds))
    ]
    if audio:
        packets += [sound(number) for number in range(int(seconds * 46.875))]
    return in_order(packets)
