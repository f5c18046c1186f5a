import json
import subprocess

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headwater.core.errors import LimitError
from headwater.media.codec import id3
from media.readers import id3_frames

FRAMES = [
    # id,             frame,                              content
    ("text",          id3.text("TRCK", "17"),             (b"TRCK", b"\x0317\x00")),
    ("beyond ASCII",  id3.text("TIT2", "ü"),              (b"TIT2", b"\x03\xc3\xbc\x00")),
    ("user text",     id3.user_text("what", "it says"),   (b"TXXX", b"\x03what\x00it says\x00")),
    ("empty",         id3.user_text("", ""),              (b"TXXX", b"\x03\x00\x00")),
    ("NUL left out",  id3.text("TIT2", "a\x00b"),         (b"TIT2", b"\x03ab\x00")),
    ("surrogate",     id3.text("TIT2", "\ud800"),         (b"TIT2", b"\x03?\x00")),
    ("private",       id3.private("x.net", b"\x00\xff"),  (b"PRIV", b"x.net\x00\x00\xff")),
]  # fmt: skip


@pytest.mark.parametrize(
    ("frame", "content"), [row[1:] for row in FRAMES], ids=[row[0] for row in FRAMES]
)
def test_a_frame_is_written(frame, content):
    assert id3_frames(id3.tag([frame])) == [content]


@given(st.lists(st.tuples(st.sampled_from(["a", "b.c"]), st.binary(max_size=300)), max_size=5))
def test_any_private_frames_come_back(rows):
    tag = id3.tag([id3.private(owner, data) for owner, data in rows])

    assert id3_frames(tag) == [(b"PRIV", owner.encode() + b"\x00" + data) for owner, data in rows]


def test_a_size_never_looks_like_a_sync():
    tag = id3.tag([id3.private("x", bytes(40_000))])

    assert tag[6:10] == bytes([0, 2, 0x38, 0x4C])
    assert len(id3_frames(tag)[0][1]) == 40_002


def test_a_tag_that_cannot_say_its_size_is_refused(monkeypatch):
    monkeypatch.setattr(id3, "MAX_TAG_BYTES", 100)

    with pytest.raises(LimitError, match="at most 100 bytes"):
        id3.private("x", bytes(99))
    with pytest.raises(LimitError, match="at most 100 bytes"):
        id3.tag([id3.private("x", bytes(40))] * 2)


def test_ffmpeg_reads_the_frames(tmp_path):
    """FFmpeg reads such a tag in front of a file of sound."""
    frames = [id3.text("TRCK", "17"), id3.user_text("what", "it säys"), id3.private("x.net", b"d")]
    silence = subprocess.run(
        ["ffmpeg", "-v", "error", "-f", "lavfi", "-i", "anullsrc=r=48000:d=0.2", "-f", "adts", "-"],
        check=True,
        capture_output=True,
    ).stdout
    file = tmp_path / "sound.aac"
    file.write_bytes(id3.tag(frames) + silence)

    shown = subprocess.run(
        ["ffprobe", "-v", "error", "-of", "json", "-show_entries", "format_tags", file],
        check=True,
        capture_output=True,
        text=True,
    )
    tags = json.loads(shown.stdout)["format"]["tags"]
    assert tags == {"track": "17", "what": "it säys", "id3v2_priv.x.net": "d"}
