"""The init segment: ftyp and moov with avc1 and mp4a, and empty sample tables.

Source: ISO/IEC 14496-12 §8 (boxes), 14496-14 §5.6 (mp4a, esds), 14496-15 §5.4 (avc1),
14496-1 §7.2.6 (descriptors); RFC 8216 §3.3 (fragmented MP4 in HLS).
"""

from struct import pack

from headwater.core.track import AudioTrack, TrackSet, VideoTrack
from headwater.media.fmp4.box import box, full_box

VIDEO_TRACK_ID, AUDIO_TRACK_ID = 1, 2
MOVIE_TIMESCALE = 1000
LANGUAGE_UND = 0x55C4  # "und", three letters of 5 bits

_MATRIX = pack(">9I", 0x10000, 0, 0, 0, 0x10000, 0, 0, 0, 0x40000000)  # unity
_ENABLED_IN_MOVIE = 3
_FULL_VOLUME = 0x0100
_DPI_72 = 0x0048_0000


def init_segment(tracks: TrackSet) -> bytes:
    """The bytes behind EXT-X-MAP for these tracks."""
    video, audio = tracks.video, tracks.audio
    traks = []
    if video is not None:
        traks.append(_video_trak(video))
    if audio is not None:
        traks.append(_audio_trak(audio))
    ids = [VIDEO_TRACK_ID] * (video is not None) + [AUDIO_TRACK_ID] * (audio is not None)
    # mvhd: no times, rate 1.0, full volume, unity matrix, next track id.
    mvhd = pack(">4I", 0, 0, MOVIE_TIMESCALE, 0) + pack(">IH10x", 0x10000, _FULL_VOLUME)
    return b"".join(
        [
            box(b"ftyp", b"iso6", pack(">I", 0), b"iso6", b"iso5", b"mp41"),
            box(
                b"moov",
                full_box(b"mvhd", 0, 0, mvhd, _MATRIX, bytes(24), pack(">I", AUDIO_TRACK_ID + 1)),
                *traks,
                box(b"mvex", *(_trex(track_id) for track_id in ids)),
            ),
        ]
    )


def _trex(track_id: int) -> bytes:
    return full_box(b"trex", 0, 0, pack(">5I", track_id, 1, 0, 0, 0))


def _video_trak(track: VideoTrack) -> bytes:
    tkhd = pack(">5I8x4H", 0, 0, VIDEO_TRACK_ID, 0, 0, 0, 0, 0, 0)
    size = pack(">2I", track.width << 16, track.height << 16)
    entry = box(
        b"avc1",
        pack(">6xH16x", 1),  # data reference 1
        pack(">2H2I4xH", track.width, track.height, _DPI_72, _DPI_72, 1),
        bytes(32),  # no compressor name
        pack(">Hh", 24, -1),  # depth, no colour table
        box(b"avcC", track.config),
    )
    vmhd = full_box(b"vmhd", 0, 1, bytes(8))
    return box(
        b"trak",
        full_box(b"tkhd", 0, _ENABLED_IN_MOVIE, tkhd, _MATRIX, size),
        _mdia(track.timescale, b"vide", b"VideoHandler", vmhd, entry),
    )


def _audio_trak(track: AudioTrack) -> bytes:
    tkhd = pack(">5I8x4H", 0, 0, AUDIO_TRACK_ID, 0, 0, 0, 0, _FULL_VOLUME, 0)
    entry = box(
        b"mp4a",
        pack(">6xH8x", 1),  # data reference 1
        pack(">2H4xI", track.channels, 16, track.sample_rate_hz % 0x10000 << 16),
        full_box(b"esds", 0, 0, _es_descriptor(track.config)),
    )
    smhd = full_box(b"smhd", 0, 0, bytes(4))
    return box(
        b"trak",
        full_box(b"tkhd", 0, _ENABLED_IN_MOVIE, tkhd, _MATRIX, bytes(8)),
        _mdia(track.timescale, b"soun", b"SoundHandler", smhd, entry),
    )


def _mdia(timescale: int, handler: bytes, name: bytes, header: bytes, entry: bytes) -> bytes:
    url = full_box(b"url ", 0, 1)  # the media is in this file
    stbl = box(
        b"stbl",
        full_box(b"stsd", 0, 0, pack(">I", 1), entry),
        full_box(b"stts", 0, 0, bytes(4)),
        full_box(b"stsc", 0, 0, bytes(4)),
        full_box(b"stsz", 0, 0, bytes(8)),
        full_box(b"stco", 0, 0, bytes(4)),
    )
    return box(
        b"mdia",
        full_box(b"mdhd", 0, 0, pack(">4I2H", 0, 0, timescale, 0, LANGUAGE_UND, 0)),
        full_box(b"hdlr", 0, 0, bytes(4), handler, bytes(12), name, b"\x00"),
        box(
            b"minf",
            header,
            box(b"dinf", full_box(b"dref", 0, 0, pack(">I", 1), url)),
            stbl,
        ),
    )


def _es_descriptor(config: bytes) -> bytes:
    """ES_Descriptor around an AudioSpecificConfig (at most 64 bytes: one-byte sizes)."""
    specific = _descriptor(5, config)
    # MPEG-4 audio, an audio stream, buffer size and bit rates unknown.
    decoder = _descriptor(4, bytes([0x40, 0x15]) + bytes(11) + specific)
    sync_layer = _descriptor(6, b"\x02")
    return _descriptor(3, pack(">HB", AUDIO_TRACK_ID, 0) + decoder + sync_layer)


def _descriptor(tag: int, content: bytes) -> bytes:
    return bytes([tag, len(content)]) + content
