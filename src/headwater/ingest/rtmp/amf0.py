"""AMF0: the values in RTMP's commands and metadata.

Source: Adobe AMF 0 specification (amf0-file-format-specification), section 2.

What encoders need and no more: dates become numbers, XML becomes text, a typed object
loses its class name, and a reference reads as None (following references would let ten
bytes name a megabyte).
"""

import struct
from typing import TypeAlias

from headwater.core.errors import LimitError, PeerError

Value: TypeAlias = "float | bool | str | list[Value] | dict[str, Value] | None"

MAX_DEPTH = 16
"""Encoders nest two deep (metadata with a list of encoders)."""
MAX_VALUES = 2000
"""Of one message; FLV files with a key frame index bring the most, a few hundred."""

_NUMBER, _BOOLEAN, _STRING, _OBJECT = 0x00, 0x01, 0x02, 0x03
_NULL, _UNDEFINED, _REFERENCE, _ECMA_ARRAY = 0x05, 0x06, 0x07, 0x08
_OBJECT_END, _STRICT_ARRAY, _DATE, _LONG_STRING = 0x09, 0x0A, 0x0B, 0x0C
_UNSUPPORTED, _XML, _TYPED_OBJECT, _AMF3 = 0x0D, 0x0F, 0x10, 0x11
_NOTHING = frozenset((_NULL, _UNDEFINED, _UNSUPPORTED))
_SHORT_STRING_MAX_BYTES = 0xFFFF


class Decoder:
    """Reads values one by one from a message body, within one budget for all of them."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._pos = 0
        self._values_left = MAX_VALUES

    @property
    def at_end(self) -> bool:
        """Whether every byte has been read."""
        return self._pos >= len(self._data)

    def read(self) -> Value:
        """The next value.

        Raises:
            PeerError: cut off, or not AMF0.
            LimitError: nested deeper than MAX_DEPTH, or more than MAX_VALUES values.
        """
        return self._value(0)

    def _value(self, depth: int) -> Value:
        self._values_left -= 1
        if self._values_left < 0:
            raise LimitError(f"more than {MAX_VALUES} AMF0 values in one message")
        marker = self._take(1)[0]
        if marker == _NUMBER:
            return self._number()
        if marker == _STRING:
            return self._short_string()
        if marker == _BOOLEAN:
            return self._take(1) != b"\0"
        if marker in _NOTHING:
            return None
        if marker in {_OBJECT, _ECMA_ARRAY, _TYPED_OBJECT, _STRICT_ARRAY}:
            if depth == MAX_DEPTH:
                raise LimitError(f"AMF0 values nested deeper than {MAX_DEPTH}")
            return self._container(marker, depth + 1)
        return self._rare_value(marker)

    def _rare_value(self, marker: int) -> Value:
        if marker == _DATE:
            time_ms = self._number()
            self._take(2)  # a time zone, reserved
            return time_ms
        if marker in {_LONG_STRING, _XML}:
            return self._text(self._uint(4))
        if marker == _REFERENCE:
            self._take(2)
            return None
        if marker == _AMF3:
            raise PeerError("AMF3 values are not supported: use AMF0 (objectEncoding 0)")
        raise PeerError(f"AMF0 type {marker} is not known")

    def _container(self, marker: int, depth: int) -> Value:
        if marker == _STRICT_ARRAY:
            count = self._uint(4)
            if count > self._values_left:
                raise LimitError(f"AMF0 array of {count} values")
            return [self._value(depth) for _ in range(count)]
        if marker == _ECMA_ARRAY:
            self._uint(4)  # a count, often wrong: the end marker decides
        elif marker == _TYPED_OBJECT:
            self._short_string()
        properties: dict[str, Value] = {}
        while not self.at_end:  # some encoders leave the last end marker out
            name = self._short_string()
            if not name and self._data[self._pos : self._pos + 1] == bytes([_OBJECT_END]):
                self._pos += 1
                break
            properties[name] = self._value(depth)
        return properties

    def _number(self) -> float:
        number: float = struct.unpack(">d", self._take(8))[0]
        return number

    def _short_string(self) -> str:
        return self._text(self._uint(2))

    def _text(self, size_bytes: int) -> str:
        return self._take(size_bytes).decode("utf-8", errors="replace")

    def _uint(self, size_bytes: int) -> int:
        return int.from_bytes(self._take(size_bytes), "big")

    def _take(self, size_bytes: int) -> bytes:
        end = self._pos + size_bytes
        if end > len(self._data):
            raise PeerError("AMF0 value is cut off")
        taken = self._data[self._pos : end]
        self._pos = end
        return taken


def decode_all(data: bytes) -> list[Value]:
    """Every value of a message body. Raises what Decoder.read raises."""
    decoder = Decoder(data)
    values = []
    while not decoder.at_end:
        values.append(decoder.read())
    return values


def encode(*values: Value) -> bytes:
    """The values one after the other; ints are written as numbers, dicts as objects."""
    out = bytearray()
    for value in values:
        _encode_value(out, value)
    return bytes(out)


def _encode_value(out: bytearray, value: Value) -> None:
    match value:
        case None:
            out.append(_NULL)
        case bool():
            out += bytes([_BOOLEAN, value])
        case int() | float():
            out.append(_NUMBER)
            out += struct.pack(">d", value)
        case str():
            text = value.encode()
            short = len(text) <= _SHORT_STRING_MAX_BYTES
            out.append(_STRING if short else _LONG_STRING)
            out += len(text).to_bytes(2 if short else 4, "big") + text
        case list():
            out.append(_STRICT_ARRAY)
            out += len(value).to_bytes(4, "big")
            for item in value:
                _encode_value(out, item)
        case dict():
            out.append(_OBJECT)
            for name, item in value.items():
                text = name.encode()
                out += len(text).to_bytes(2, "big") + text
                _encode_value(out, item)
            out += bytes([0, 0, _OBJECT_END])
