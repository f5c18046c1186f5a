"""VLC's engine, libVLC, as a player whose pictures are counted: the program itself wants no root.

    python vlc.py <url> <width> <height> <milliseconds to seek to, or -1>

It prints one JSON object: the state at the end, the length that VLC shows, the MD5 of every picture
as it was shown, and how many were shown before the seek.
"""

import ctypes
import ctypes.util
import hashlib
import json
import os
import subprocess
import sys
import time
from types import SimpleNamespace

ENDED, FAILED = 6, 7  # libvlc_state_t
GIVE_UP_S = 120
BEFORE_SEEK = 10  # pictures
OPTIONS = (
    b"--intf=dummy", b"--quiet", b"--no-audio", b"--no-spu", b"--avcodec-hw=none",
    b"--no-drop-late-frames", b"--no-skip-frames",
)  # fmt: skip
_pointer = ctypes.c_void_p
_planes = ctypes.POINTER(_pointer)
_numbers = ctypes.POINTER(ctypes.c_uint)
_Lock = ctypes.CFUNCTYPE(_pointer, _pointer, _planes)
_Unlock = ctypes.CFUNCTYPE(None, _pointer, _pointer, _planes)
_Display = ctypes.CFUNCTYPE(None, _pointer, _pointer)
_Setup = ctypes.CFUNCTYPE(
    ctypes.c_uint,
    _planes,
    ctypes.POINTER(ctypes.c_char * 4),
    _numbers,
    _numbers,
    _numbers,
    _numbers,
)
_Clean = ctypes.CFUNCTYPE(None, _pointer)


def is_installed():
    return ctypes.util.find_library("vlc") is not None


def watched(url, width, height, *, seek_ms=-1):
    """Play it from start to end, or from where it is sought to, in a process of its own."""
    command = [sys.executable, __file__, url, str(width), str(height), str(seek_ms)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return SimpleNamespace(**json.loads(done.stdout))


def _library():
    library = ctypes.CDLL(ctypes.util.find_library("vlc"))
    for name in ("new", "media_new_location", "media_player_new_from_media"):
        getattr(library, f"libvlc_{name}").restype = _pointer
    library.libvlc_media_player_get_length.restype = ctypes.c_int64
    return library


def _receive(library, player, width, height, shown):
    """Have every picture's hash in `shown`; what must stay alive as long."""
    sizes = (width * height, width * height // 4, width * height // 4)
    picture = ctypes.create_string_buffer(sum(sizes))

    @_Setup
    def setup(_opaque, chroma, widths, heights, pitches, lines):
        chroma.contents.raw = b"I420"
        widths[0], heights[0] = width, height
        for plane, shrunk in enumerate((1, 2, 2)):
            pitches[plane], lines[plane] = width // shrunk, height // shrunk
        return 1

    @_Lock
    def lock(_opaque, planes):
        at = ctypes.addressof(picture)
        for plane, size in enumerate(sizes):
            planes[plane] = at
            at += size

    @_Display
    def display(_opaque, _picture):
        whole = picture.raw[: sum(sizes)]
        shown.append(hashlib.md5(whole, usedforsecurity=False).hexdigest())

    unlock, clean = _Unlock(lambda *_: None), _Clean(lambda _: None)
    library.libvlc_video_set_callbacks(player, lock, unlock, display, None)
    library.libvlc_video_set_format_callbacks(player, setup, clean)
    return setup, lock, unlock, display, clean, picture


def main():
    url, width, height, seek_ms = sys.argv[1], *map(int, sys.argv[2:])
    library, shown = _library(), []
    vlc = _pointer(library.libvlc_new(len(OPTIONS), (ctypes.c_char_p * len(OPTIONS))(*OPTIONS)))
    media = _pointer(library.libvlc_media_new_location(vlc, url.encode()))
    player = _pointer(library.libvlc_media_player_new_from_media(media))
    alive = _receive(library, player, width, height, shown)  # until the process ends
    library.libvlc_media_player_play(player)
    state, length_ms, before = 0, 0, None if seek_ms >= 0 else 0
    deadline = time.monotonic() + GIVE_UP_S
    while time.monotonic() < deadline and state not in (ENDED, FAILED):
        time.sleep(0.02)
        length_ms = max(length_ms, library.libvlc_media_player_get_length(player))
        if before is None and len(shown) > BEFORE_SEEK:
            before = len(shown)
            library.libvlc_media_player_set_time(player, ctypes.c_int64(seek_ms))
        state = library.libvlc_media_player_get_state(player)
    said = {"state": state, "length_ms": length_ms, "before_seek": before, "shown": shown}
    sys.stdout.write(json.dumps(said))
    sys.stdout.flush()
    os._exit(int(not alive))  # at once: VLC's threads may still show pictures


if __name__ == "__main__":
    main()
