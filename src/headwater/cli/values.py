"""What commands are given: durations and files."""

import re
import sys
from pathlib import Path
from types import MappingProxyType

from headwater.core.errors import OperatorError

_UNITS_S = MappingProxyType({"s": 1, "m": 60, "h": 3600, "d": 86_400})
_DURATION = re.compile(r"([0-9]{1,6})([smhd])")


def seconds_of(flag: str, text: str) -> int:
    """The seconds of `90s`, `10m`, `1h` or `2d`.

    Raises:
        OperatorError: it is none of them.
    """
    seconds = duration_s(text)
    if seconds is None:
        raise OperatorError(f"{flag} {text!r}: a number and s, m, h or d, e.g. 1h")
    return seconds


def duration_s(text: str) -> int | None:
    """The seconds of `90s`, `10m`, `1h` or `2d`; None when it is none of them."""
    match = _DURATION.fullmatch(text)
    return int(match[1]) * _UNITS_S[match[2]] if match else None


def text_of(flag: str, file: str) -> str:
    """What the file holds; `-`: standard input.

    Raises:
        OperatorError: it cannot be read.
    """
    try:
        return sys.stdin.read() if file == "-" else Path(file).read_text(encoding="utf-8")
    except OSError as error:
        raise OperatorError(f"{flag} {file!r} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise OperatorError(f"{flag} {file!r} cannot be read: it is not UTF-8 ({error})") from None
