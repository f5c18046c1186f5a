"""Identifiers and secrets in IVS's forms, from a random source that is passed in.

Source: contract C.1 and C.2 (forms seen in AWS's documentation).
"""

from collections.abc import Callable
from functools import cache

from headwater.core.secret import Secret

RandomBytes = Callable[[int], bytes]
"""`secrets.token_bytes` in the server; a seeded source in tests."""

_ALPHANUMERIC = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
_BASE32 = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"
RESOURCE_ID_LENGTH = 12
STREAM_ID_TAIL_LENGTH = 23
SESSION_TOKEN_LENGTH = 128
SRT_PASSPHRASE_LENGTH = 69  # SRT allows 10 to 79


def pick(alphabet: str, length: int, random_bytes: RandomBytes) -> str:
    """`length` characters of `alphabet` (ASCII, at least two), each equally likely.

    Bytes that would favour the first characters are thrown away.
    """
    characters, unfair = _tables(alphabet)
    picked = b""
    while len(picked) < length:
        picked += random_bytes(2 * length).translate(characters, delete=unfair)
    return picked[:length].decode()


@cache  # the alphabets above and no others
def _tables(alphabet: str) -> tuple[bytes, bytes]:
    """The character of each byte, and the bytes that stand for none."""
    count = len(alphabet)
    characters = bytes(ord(alphabet[byte % count]) for byte in range(256))
    return characters, bytes(range(256 - 256 % count, 256))


def request_id(random_bytes: RandomBytes) -> str:
    """What a request is called in its answer and in the log: a random UUID (RFC 9562 §5.4)."""
    digits = random_bytes(16).hex()
    variant = "89ab"[int(digits[16], 16) & 3]
    return f"{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-{variant}{digits[17:20]}-{digits[20:]}"


def resource_id(random_bytes: RandomBytes) -> str:
    """The last part of an ARN: 12 alphanumerics."""
    return pick(_ALPHANUMERIC, RESOURCE_ID_LENGTH, random_bytes)


def stream_id(random_bytes: RandomBytes) -> str:
    """A broadcast's id: `st-` and 23 alphanumerics."""
    return "st-" + pick(_ALPHANUMERIC, STREAM_ID_TAIL_LENGTH, random_bytes)


def stream_key_value(region: str, random_bytes: RandomBytes) -> Secret:
    """A publishing secret: `sk_<region>_<12 alphanumerics>_<30 alphanumerics>`."""
    head = pick(_ALPHANUMERIC, 12, random_bytes)
    tail = pick(_ALPHANUMERIC, 30, random_bytes)
    return Secret(f"sk_{region}_{head}_{tail}")


def srt_passphrase(random_bytes: RandomBytes) -> Secret:
    """A channel's SRT passphrase: 69 alphanumerics."""
    return Secret(pick(_ALPHANUMERIC, SRT_PASSPHRASE_LENGTH, random_bytes))


def run_id(random_bytes: RandomBytes) -> str:
    """Names one run of one stream in media URLs, so that no cache mixes two runs."""
    return pick(_ALPHANUMERIC, 16, random_bytes)


def viewer_session_id(random_bytes: RandomBytes) -> str:
    """Names one viewer's session in media URLs: 22 alphanumerics, which nobody can guess."""
    return pick(_ALPHANUMERIC, 22, random_bytes)


def access_key_id(random_bytes: RandomBytes) -> str:
    """`AKHW` and 16 of A-Z, 2-7: the length and alphabet of AWS's, never one of AWS's."""
    return "AKHW" + pick(_BASE32, 16, random_bytes)


def temporary_key_id(random_bytes: RandomBytes) -> str:
    """`ASHW` and 16 of A-Z, 2-7: a key that goes with a session token."""
    return "ASHW" + pick(_BASE32, 16, random_bytes)


def user_id(random_bytes: RandomBytes) -> str:
    """`AIHW` and 17 of A-Z, 2-7: as long as AWS's, never one of AWS's."""
    return "AIHW" + pick(_BASE32, 17, random_bytes)


def session_token(random_bytes: RandomBytes) -> Secret:
    """What goes with a temporary key: 128 characters."""
    return Secret(pick(_ALPHANUMERIC + "+/", SESSION_TOKEN_LENGTH, random_bytes))


def access_key_secret(random_bytes: RandomBytes) -> Secret:
    """40 characters, as AWS's are."""
    return Secret(pick(_ALPHANUMERIC + "+/", 40, random_bytes))
