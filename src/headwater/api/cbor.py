"""CBOR, as far as AWS's RPC protocol uses it.

Source: RFC 8949; Smithy, "RPC v2 CBOR": text keys, tag 1 for times, indefinite lengths
allowed. What no model has (byte strings, other tags, bignums) is refused. Pure.
"""

import struct
from collections.abc import Callable
from datetime import datetime

from headwater.core.errors import LimitError, PeerError

MAX_DEPTH = 16
"""Of lists and maps in each other; requests have six."""

Item = str | int | float | bool | None | list["Item"] | dict[str, "Item"]

_UNSIGNED, _NEGATIVE, _TEXT, _LIST, _MAP, _TAG, _SIMPLE = 0, 1, 3, 4, 5, 6, 7
_INDEFINITE = 31
_BREAK = 0xFF
_EPOCH_TAG = 1
_LENGTHS = {24: 1, 25: 2, 26: 4, 27: 8}  # bytes that follow
_FLOATS = {25: ">e", 26: ">f", 27: ">d"}
_SIMPLES: dict[int, bool | None] = {20: False, 21: True, 22: None, 23: None}


def decode(data: bytes) -> Item:
    """One item; a time is its number of Unix seconds.

    Raises:
        PeerError: it is not CBOR, or not of the kind that is used here.
    """
    reader = _Reader(data)
    item = reader.item(0)
    if reader.position != len(data):
        raise PeerError("CBOR: bytes follow the item")
    return item


class _Reader:
    """Where the reading is."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self.position = 0

    def item(self, depth: int) -> Item:  # noqa: PLR0911 - one for each major type
        if depth > MAX_DEPTH:
            raise LimitError(f"CBOR: more than {MAX_DEPTH} levels")
        major, info = divmod(self._take(1)[0], 32)
        if major == _UNSIGNED:
            return self._number(info)
        if major == _NEGATIVE:
            return -1 - self._number(info)
        if major == _TEXT:
            return self._text(info)
        if major == _LIST:
            return self._list(info, depth)
        if major == _MAP:
            return self._map(info, depth)
        if major == _TAG:
            return self._time(info, depth)
        if major == _SIMPLE and info in _SIMPLES:
            return _SIMPLES[info]
        if major == _SIMPLE and info in _FLOATS:
            form = _FLOATS[info]
            number: float = struct.unpack(form, self._take(struct.calcsize(form)))[0]
            return number
        raise PeerError(f"CBOR: items of type {major} with {info} are not used here")

    def _take(self, length: int) -> bytes:
        piece = self._data[self.position : self.position + length]
        if len(piece) < length:
            raise PeerError("CBOR: the data ends early")
        self.position += length
        return piece

    def _number(self, info: int) -> int:
        if info not in _LENGTHS and info >= min(_LENGTHS):
            raise PeerError(f"CBOR: {info} is no length")
        return int.from_bytes(self._take(_LENGTHS[info]), "big") if info in _LENGTHS else info

    def _ends(self) -> bool:
        """Whether the break of an indefinite length is next; it is then taken."""
        found = self._data[self.position : self.position + 1] == bytes([_BREAK])
        self.position += found
        return found

    def _each(self, info: int, read: Callable[[], None]) -> None:
        if info == _INDEFINITE:
            while not self._ends():
                read()
            return
        for _ in range(self._number(info)):  # the data's end ends it, whatever the number
            read()

    def _text(self, info: int) -> str:
        pieces: list[bytes] = []

        def piece() -> None:
            major, length = divmod(self._take(1)[0], 32)
            if major != _TEXT:
                raise PeerError("CBOR: a text has pieces of text")
            pieces.append(self._take(self._number(length)))

        if info == _INDEFINITE:
            self._each(info, piece)
        else:
            pieces.append(self._take(self._number(info)))
        try:
            return b"".join(pieces).decode()
        except UnicodeDecodeError:
            raise PeerError("CBOR: a text is not UTF-8") from None

    def _list(self, info: int, depth: int) -> list[Item]:
        items: list[Item] = []
        self._each(info, lambda: items.append(self.item(depth + 1)))
        return items

    def _map(self, info: int, depth: int) -> dict[str, Item]:
        items: dict[str, Item] = {}

        def pair() -> None:
            key = self.item(depth + 1)
            if not isinstance(key, str):
                raise PeerError("CBOR: a key is not a text")
            items[key] = self.item(depth + 1)

        self._each(info, pair)
        return items

    def _time(self, info: int, depth: int) -> Item:
        if self._number(info) != _EPOCH_TAG:
            raise PeerError("CBOR: of tags only that of a time is used")
        seconds = self.item(depth + 1)
        if isinstance(seconds, bool) or not isinstance(seconds, int | float):
            raise PeerError("CBOR: a time is a number")
        return seconds


def encode(item: object) -> bytes:  # noqa: PLR0911 - one for each type
    """One item of texts, numbers, lists, maps and times (`datetime`)."""
    match item:
        case None:
            return b"\xf6"
        case bool():
            return b"\xf5" if item else b"\xf4"
        case int():
            return _head(_UNSIGNED, item) if item >= 0 else _head(_NEGATIVE, -1 - item)
        case float():
            return b"\xfb" + struct.pack(">d", item)
        case str():
            text = item.encode()
            return _head(_TEXT, len(text)) + text
        case datetime():
            return _head(_TAG, _EPOCH_TAG) + encode(item.timestamp())
        case dict():
            pairs = [encode(key) + encode(value) for key, value in item.items()]
            return _head(_MAP, len(pairs)) + b"".join(pairs)
        case list():
            return _head(_LIST, len(item)) + b"".join(map(encode, item))
    raise TypeError(f"CBOR has no {type(item).__name__} here")


def _head(major: int, number: int) -> bytes:
    if number < min(_LENGTHS):
        return bytes([major << 5 | number])
    info = next(info for info, length in _LENGTHS.items() if number < 1 << 8 * length)
    return bytes([major << 5 | info]) + number.to_bytes(_LENGTHS[info], "big")
