"""Paths below a run, read: which viewer asks for which file of which rendition.

/v1/<run id>/<session id>/<rendition>/playlist.m3u8   media playlist
/v1/<run id>/<rendition>/<file>                       media, for all viewers
/v1/<run id>/<session id>/<rendition>/<file>          the same, for this viewer

init-<n>.mp4, <segment>.ts|.m4s, <segment>.<part>.ts|.m4s    files: init, segment, part
"""

import re
from functools import lru_cache
from typing import Literal

from msgspec import Struct

MEDIA_PREFIX = "/v1/"
PLAYLIST_NAME = "playlist.m3u8"

MAX_PATH_LENGTH = 300  # ours are below 150: longer ones are not worth a look
PATHS_REMEMBERED = 10_000
"""Many ask for the same part, and each viewer for its playlist again and again. Below 2 kB each."""

_NAMES = (3, 4)  # below a run: without a session, and with one
_MOST_NAMES = max(_NAMES)
_NUMBER = "(0|[1-9][0-9]{0,14})"
_INIT = re.compile(rf"init-{_NUMBER}\.mp4")
_MEDIA = re.compile(rf"{_NUMBER}(?:\.{_NUMBER})?\.(ts|m4s)")


class File(Struct, frozen=True):
    """What a path names in its rendition."""

    kind: Literal["playlist", "init", "segment", "part", "unknown"]
    number: int = 0  # of the init segment; else of the segment, that of the part too
    index: int = 0  # of the part
    extension: str = ""  # of segments and parts


class MediaPath(Struct, frozen=True):
    """A path in its parts, whether there is such a thing or not."""

    run_id: str
    session_id: str | None
    rendition: str
    file: File


def read_path(path: str) -> MediaPath | None:
    """What a path that begins with MEDIA_PREFIX says; None: nothing of ours."""
    return _read(path) if len(path) <= MAX_PATH_LENGTH else None


@lru_cache(PATHS_REMEMBERED)
def _read(path: str) -> MediaPath | None:
    names = path.removeprefix(MEDIA_PREFIX).split("/", _MOST_NAMES)
    if len(names) not in _NAMES:
        return None
    session_id = names[1] if len(names) == _MOST_NAMES else None
    return MediaPath(names[0], session_id, names[-2], _file(names[-1]))


def _file(name: str) -> File:
    if name == PLAYLIST_NAME:
        return File("playlist")
    if match := _INIT.fullmatch(name):
        return File("init", int(match[1]))
    match = _MEDIA.fullmatch(name)
    if match is None:
        return File("unknown")
    number, index, extension = match.groups()
    if index is None:
        return File("segment", int(number), extension=extension)
    return File("part", int(number), int(index), extension)
