"""A recording's playlists, read.

Source: RFC 8216 §4; draft-pantos-hls-rfc8216bis §4.4.4.7 (EXT-X-GAP). Tags that a recording
does not need are skipped, so that recordings made by others can be read.
"""

import re
from collections.abc import Callable, Mapping
from datetime import datetime

from msgspec import Struct, field

from headwater.core.errors import LimitError, PeerError

MAX_PLAYLIST_BYTES = 64 << 20
"""One of ours has about 100 bytes a line: 48 hours of groups of pictures of 1 s are 26 MB."""
MAX_URI_CHARS = 1000

_ATTRIBUTE = re.compile(r'([A-Z0-9-]+)=("[^"]*"|[^,]*)(?:,|\Z)')
_BYTE_RANGE = re.compile(r"([0-9]{1,15})(?:@([0-9]{1,15}))?")
_DURATION = re.compile(r"([0-9]{1,9}(?:\.[0-9]{1,12})?),?.*")
_URI = re.compile(r"[^/\\\x00-\x20?#:][^\\\x00-\x20?#:]*")


class Variant(Struct, frozen=True, kw_only=True):
    """A rendition of a multivariant playlist."""

    uri: str  # relative
    bandwidth_bps: int
    codecs: str
    width: int | None
    height: int | None


class Entry(Struct, frozen=True, kw_only=True):
    """A segment, or a piece of one."""

    uri: str  # relative
    duration_s: float
    line: int  # of the playlist, from 1
    program_date_time: datetime | None = None
    discontinuity: bool = False  # before it
    is_gap: bool = False
    init_uri: str | None = None  # in force
    byte_range: tuple[int, int] | None = None  # offset and length in bytes


class MediaPlaylist(Struct, kw_only=True):
    """What a media playlist says."""

    version: int = 1
    target_duration_s: int | None = None
    media_sequence: int = 0
    type: str = ""  # EVENT, VOD
    is_over: bool = False  # EXT-X-ENDLIST
    entries: list[Entry] = field(default_factory=list)

    def duration_s(self) -> float:
        """All entries together."""
        return sum(entry.duration_s for entry in self.entries)


class _Next(Struct, kw_only=True):
    """What the tags say of the segment whose URI has not come yet."""

    duration_s: float | None = None
    program_date_time: datetime | None = None
    discontinuity: bool = False
    is_gap: bool = False
    byte_range: tuple[int | None, int] | None = None  # offset (None: where the last ended), length


def parse_multivariant(body: bytes) -> list[Variant]:
    """The variants, in their order.

    Raises:
        PeerError: it is no multivariant playlist; the text names the line.
    """
    variants: list[Variant] = []
    attributes: Mapping[str, str] | None = None
    for number, line in _lines(body):
        name, _, value = line.partition(":")
        if name == "#EXT-X-STREAM-INF":
            attributes = _attributes(value)
        elif name in {"#EXTINF", "#EXT-X-TARGETDURATION"}:
            raise PeerError(f"line {number}: {name} in a multivariant playlist")
        elif line and not line.startswith("#"):
            if attributes is None:
                raise PeerError(f"line {number}: a URI without EXT-X-STREAM-INF before it")
            variants.append(_variant(number, line, attributes))
            attributes = None
    if attributes is not None:
        raise PeerError("ends with an EXT-X-STREAM-INF that has no URI")
    return variants


def parse_media(body: bytes) -> MediaPlaylist:
    """What the playlist says.

    Raises:
        PeerError: it is no media playlist; the text names the line.
    """
    return _MediaReader().read(body)


class _MediaReader:
    def __init__(self) -> None:
        self._playlist = MediaPlaylist()
        self._next = _Next()
        self._init_uri: str | None = None
        self._range_end: tuple[str, int] = ("", 0)
        self._tags: Mapping[str, Callable[[str], None]] = {
            "#EXTINF": self._extinf,
            "#EXT-X-BYTERANGE": self._byte_range,
            "#EXT-X-DISCONTINUITY": self._discontinuity,
            "#EXT-X-ENDLIST": self._endlist,
            "#EXT-X-GAP": self._gap,
            "#EXT-X-MAP": self._map,
            "#EXT-X-MEDIA-SEQUENCE": self._media_sequence,
            "#EXT-X-PLAYLIST-TYPE": self._type,
            "#EXT-X-PROGRAM-DATE-TIME": self._program_date_time,
            "#EXT-X-TARGETDURATION": self._target_duration,
            "#EXT-X-VERSION": self._version,
        }

    def read(self, body: bytes) -> MediaPlaylist:
        for number, line in _lines(body):
            name, _, value = line.partition(":")
            try:
                if tag := self._tags.get(name):
                    tag(value)
                elif line and not line.startswith("#"):
                    self._uri(number, line)
            except PeerError as error:
                raise PeerError(f"line {number}: {error}") from None
        if self._playlist.target_duration_s is None:
            raise PeerError("no EXT-X-TARGETDURATION")
        if self._next.duration_s is not None:
            raise PeerError("ends with an EXTINF that has no URI: it is cut off")
        return self._playlist

    def _uri(self, number: int, line: str) -> None:
        following, self._next = self._next, _Next()
        if following.duration_s is None:
            raise PeerError("a URI without EXTINF before it")
        uri, byte_range = _relative(line), None
        if following.byte_range is not None:
            offset, length = following.byte_range
            if offset is None:
                offset = self._range_end[1] if self._range_end[0] == uri else 0
            byte_range = (offset, length)
            self._range_end = (uri, offset + length)
        self._playlist.entries.append(
            Entry(
                uri=uri,
                duration_s=following.duration_s,
                line=number,
                program_date_time=following.program_date_time,
                discontinuity=following.discontinuity,
                is_gap=following.is_gap,
                init_uri=self._init_uri,
                byte_range=byte_range,
            )
        )

    def _extinf(self, value: str) -> None:
        match = _DURATION.fullmatch(value)
        if match is None:
            raise PeerError(f"EXTINF with the duration {value!r}")
        self._next.duration_s = float(match[1])

    def _byte_range(self, value: str) -> None:
        match = _BYTE_RANGE.fullmatch(value)
        if match is None:
            raise PeerError(f"EXT-X-BYTERANGE {value!r}")
        self._next.byte_range = (int(match[2]) if match[2] else None, int(match[1]))

    def _discontinuity(self, _value: str) -> None:
        self._next.discontinuity = True

    def _endlist(self, _value: str) -> None:
        self._playlist.is_over = True

    def _gap(self, _value: str) -> None:
        self._next.is_gap = True

    def _map(self, value: str) -> None:
        uri = _attributes(value).get("URI")
        if uri is None:
            raise PeerError("EXT-X-MAP without URI")
        self._init_uri = _relative(uri)

    def _media_sequence(self, value: str) -> None:
        self._playlist.media_sequence = _whole(value)

    def _type(self, value: str) -> None:
        self._playlist.type = value

    def _program_date_time(self, value: str) -> None:
        try:
            time = datetime.fromisoformat(value)
        except ValueError:
            raise PeerError(f"EXT-X-PROGRAM-DATE-TIME {value!r}") from None
        if time.tzinfo is None:
            raise PeerError("EXT-X-PROGRAM-DATE-TIME without a time zone")
        self._next.program_date_time = time

    def _target_duration(self, value: str) -> None:
        self._playlist.target_duration_s = _whole(value)

    def _version(self, value: str) -> None:
        self._playlist.version = _whole(value)


def _lines(body: bytes) -> list[tuple[int, str]]:
    if len(body) > MAX_PLAYLIST_BYTES:
        raise LimitError(f"{len(body)} bytes, at most {MAX_PLAYLIST_BYTES}")
    try:
        lines = body.decode().split("\n")
    except UnicodeDecodeError:
        raise PeerError("not UTF-8") from None
    if lines[0].rstrip("\r") != "#EXTM3U":
        raise PeerError("line 1 is not #EXTM3U")
    return [(number, line.rstrip("\r")) for number, line in enumerate(lines, 1)]


def _variant(number: int, line: str, attributes: Mapping[str, str]) -> Variant:
    size = re.fullmatch(r"([0-9]{1,5})x([0-9]{1,5})", attributes.get("RESOLUTION", ""))
    try:
        return Variant(
            uri=_relative(line),
            bandwidth_bps=_whole(attributes.get("BANDWIDTH", "")),
            codecs=attributes.get("CODECS", ""),
            width=int(size[1]) if size else None,
            height=int(size[2]) if size else None,
        )
    except PeerError as error:
        raise PeerError(f"line {number}: {error}") from None


def _attributes(text: str) -> Mapping[str, str]:
    return {name: value.strip('"') for name, value in _ATTRIBUTE.findall(text)}


def _relative(uri: str) -> str:
    """A recording names its own objects only, so that it can be copied elsewhere."""
    if len(uri) > MAX_URI_CHARS or not _URI.fullmatch(uri) or ".." in uri.split("/"):
        raise PeerError(f"{uri[:80]!r} does not name an object beside or below the playlist")
    return uri


def _whole(text: str) -> int:
    if not re.fullmatch(r"[0-9]{1,15}", text):
        raise PeerError(f"{text[:80]!r} is no whole number")
    return int(text)
