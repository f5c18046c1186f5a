"""AWS Signature Version 4, the server's side: is this request signed with that secret?

Source: AWS IAM user guide, "AWS Signature Version 4 for API requests" (string to sign,
signing key, "Authentication methods") and "Troubleshoot SigV4" (the texts of refusals).
A signature stands in the Authorization header or, presigned, in the query. In both, every
`x-amz-*` header that is sent must be signed, and so is the SHA-256 of the body:
UNSIGNED-PAYLOAD and STREAMING-... are S3's alone and refused.

Two steps, because looking a secret up takes I/O and this module does none:

    parse(request, now_ms=...)  -> Signature   everything that needs no secret
    (the caller looks `signature.credential.access_key_id` up)
    verify(signature, request, secret)         or InvalidSignatureError
"""

import re
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from functools import lru_cache
from hashlib import sha256
from hmac import HMAC, compare_digest
from hmac import digest as hmac_digest
from urllib.parse import unquote

from msgspec import Struct

from headwater.auth.canonical import (
    HeaderValues,
    canonical_headers,
    canonical_path,
    canonical_query,
    header_values,
)
from headwater.auth.errors import (
    IncompleteSignatureError,
    InvalidSignatureError,
    MissingTokenError,
    UnrecognizedClientError,
)
from headwater.core.http import Request
from headwater.core.secret import Secret

ALGORITHM = "AWS4-HMAC-SHA256"
TERMINATOR = "aws4_request"
SERVICE = "ivs"
MAX_SKEW = timedelta(minutes=5)  # both ways, as AWS's REST services allow
MAX_EXPIRES_S = 604_800  # of a presigned request: 7 days, AWS's bound
MAX_AUTHORIZATION_LENGTH = 4096  # a real one has about 300; bounds all work on its parts
SIGNING_KEYS = 1024
"""Signing keys remembered: one for each key, day and region in use; each is four HMACs."""

CREDENTIALS = 1024
"""Credentials remembered as read, of at most MAX_AUTHORIZATION_LENGTH each."""
TIMES = 1024
"""Times remembered as read: those of the requests of a few seconds."""

_REGION = re.compile(r"[a-z0-9-]{1,32}")  # what an ARN allows; short enough for every ARN
_ACCESS_KEY_ID = re.compile(r"[A-Za-z0-9_]{1,128}")  # IAM's bound
_SIGNATURE = re.compile(r"[0-9a-f]{64}")
_BASIC_TIME = re.compile(r"([0-9]{4})([0-9]{2})([0-9]{2})T([0-9]{2})([0-9]{2})([0-9]{2})Z")
_BASIC_LENGTH = len("20150830T123600Z")  # an HTTP date is longer
_BASIC_FORMAT = "%Y%m%dT%H%M%SZ"
_DATE_FORM = "Date must be in ISO-8601 'basic format', e.g. 20150830T123600Z."
_EXPIRES = re.compile(r"[0-9]{1,6}")
_HASH_HEADER = "x-amz-content-sha256"
_TOKEN_HEADER = "x-amz-security-token"  # noqa: S105 - a header's name
_AMZ = "x-amz-"
_ADDED_ON_THE_WAY = frozenset({"x-amz-cf-id"})  # by CloudFront, behind the signer's back
# What is acted upon: with two of one, the signer may have meant the other.
_ONCE = ("authorization", "host", "date", "x-amz-date", _HASH_HEADER, _TOKEN_HEADER)
_QUERY_MARK = "X-Amz-Algorithm"
_QUERY_SIGNATURE = "X-Amz-Signature"
_QUERY_TOKEN = "X-Amz-Security-Token"  # noqa: S105 - a parameter's name
_QUERY = (
    _QUERY_MARK,
    "X-Amz-Credential",
    "X-Amz-Date",
    "X-Amz-Expires",
    "X-Amz-SignedHeaders",
    _QUERY_SIGNATURE,
)


class Credential(Struct, frozen=True, kw_only=True):
    """A credential scope: whose secret signs, and for which day, region and service."""

    access_key_id: str
    date: str  # YYYYMMDD
    region: str
    service: str


class Signature(Struct, frozen=True, kw_only=True):
    """What `parse` found in a request; nothing of it is proved until `verify`."""

    credential: Credential
    timestamp: str  # YYYYMMDD'T'HHMMSS'Z'
    signed_headers: tuple[str, ...]  # lower case, as listed
    header_lines: str  # the signed headers with their values, canonical
    session_token: Secret | None  # what goes with temporary credentials
    signed_query: str  # without the signature itself
    digest: str  # 64 hexadecimal digits


class _Stated(Struct, frozen=True, kw_only=True):
    """What a request says of its signature, as text."""

    credential: str
    signed_headers: str
    digest: str
    token: str | None
    signed_at: datetime
    timestamp: str  # the same, in ISO 8601's basic format
    lives: timedelta | None  # when presigned
    date_header: str  # the header that the time is from; "" when presigned
    signed_query: str


def parse(request: Request, *, now_ms: int, service: str = SERVICE) -> Signature:
    """Everything about a request's signature that can be judged without the secret.

    Args:
        request: as received; its header names are lower case.
        now_ms: Unix time; the request's own time may differ by MAX_SKEW.
        service: what the credential must be scoped to.

    Raises:
        MissingTokenError: the request is not signed.
        IncompleteSignatureError: the signature cannot be read.
        InvalidSignatureError: its scope or its time is refused.
        UnrecognizedClientError: what it calls an access key can be none.
    """
    headers = header_values(request.headers)
    stated = _stated(request, headers)
    credential, terminator = _credential(stated.credential)
    if not _SIGNATURE.fullmatch(stated.digest):
        raise IncompleteSignatureError("'Signature' must be 64 lower-case hexadecimal digits.")
    _check_scope(credential, terminator, service, stated.timestamp)
    _check_time(stated.signed_at, stated.lives, datetime.fromtimestamp(now_ms // 1000, UTC))
    signed_headers = tuple(stated.signed_headers.split(";"))
    _check_headers(headers, signed_headers, stated.date_header)
    return Signature(
        credential=credential,
        timestamp=stated.timestamp,
        signed_headers=signed_headers,
        header_lines=canonical_headers(headers, signed_headers),
        session_token=None if stated.token is None else Secret(stated.token),
        signed_query=stated.signed_query,
        digest=stated.digest,
    )


def verify(signature: Signature, request: Request, secret: Secret) -> None:
    """Raise InvalidSignatureError unless the holder of `secret` signed this very request."""
    payload_hash = sha256(request.body).hexdigest()
    claimed_hash = request.header(_HASH_HEADER)
    if claimed_hash is not None and claimed_hash != payload_hash:
        raise InvalidSignatureError(f"'{_HASH_HEADER}' must be the SHA-256 of the request's body.")
    signing = signing_hmac(secret, signature.credential).copy()
    canonical = canonical_request(signature, request, payload_hash)
    signing.update(_string_to_sign(signature, canonical).encode())
    # In a time that does not tell where the two differ.
    if not compare_digest(signing.hexdigest().encode(), signature.digest.encode()):
        raise InvalidSignatureError(
            "The request signature we calculated does not match the signature you provided. "
            "Check your AWS Secret Access Key and signing method. "
            "Consult the service documentation for details."
        )


def canonical_request(signature: Signature, request: Request, payload_hash: str) -> bytes:
    """The text that is hashed and signed."""
    lines = (
        request.method,
        canonical_path(request.path),
        canonical_query(signature.signed_query),
        signature.header_lines,
        ";".join(signature.signed_headers),
        payload_hash,
    )
    return "\n".join(lines).encode("utf-8", "surrogatepass")


@lru_cache(SIGNING_KEYS)
def signing_hmac(secret: Secret, credential: Credential) -> HMAC:
    """An HMAC with that key: copied for each text, which takes half the time of a new one."""
    return HMAC(signing_key(secret, credential), digestmod="sha256")


def signing_key(secret: Secret, credential: Credential) -> bytes:
    """The key of one day, region and service, derived from the secret."""
    key = b"AWS4" + secret.reveal().encode()
    for part in (credential.date, credential.region, credential.service, TERMINATOR):
        key = hmac_digest(key, part.encode(), "sha256")
    return key


def _string_to_sign(signature: Signature, canonical: bytes) -> str:
    credential = signature.credential
    scope = (credential.date, credential.region, credential.service, TERMINATOR)
    lines = (ALGORITHM, signature.timestamp, "/".join(scope), sha256(canonical).hexdigest())
    return "\n".join(lines)


def _stated(request: Request, headers: HeaderValues) -> _Stated:
    for name in _ONCE:
        if len(headers.get(name, ())) > 1:
            raise IncompleteSignatureError(f"There must be one '{name}' header.")
    presigned = f"&{_QUERY_MARK}=" in f"&{request.query}"
    if "authorization" in headers:
        if presigned:
            raise IncompleteSignatureError(
                "The signature must be in the Authorization header or in the query, not in both."
            )
        return _in_header(headers, request.query)
    if presigned:
        return _in_query(headers, request.query)
    raise MissingTokenError


def _in_header(headers: HeaderValues, query: str) -> _Stated:
    parameters = _parameters(headers["authorization"][0].strip(" "))
    date_header = "x-amz-date" if "x-amz-date" in headers else "date"
    signed_at, timestamp = _signed_at(headers[date_header][0] if date_header in headers else None)
    return _Stated(
        credential=parameters["Credential"],
        signed_headers=parameters["SignedHeaders"],
        digest=parameters["Signature"],
        token=headers[_TOKEN_HEADER][0] if _TOKEN_HEADER in headers else None,
        signed_at=signed_at,
        timestamp=timestamp,
        lives=None,
        date_header=date_header,
        signed_query=query,
    )


def _in_query(headers: HeaderValues, query: str) -> _Stated:
    pairs = [part.partition("=")[::2] for part in query.split("&") if part]
    found = {name: unquote(value) for name, value in pairs}
    for name in _QUERY:
        if not found.get(name):
            raise IncompleteSignatureError(
                f"AWS query-string parameters must include '{name}'. "
                "Re-examine the query-string parameters."
            )
    names = [name for name, _ in pairs]
    if any(names.count(name) > 1 for name in (*_QUERY, _QUERY_TOKEN)):
        raise IncompleteSignatureError("AWS query-string parameters must be there once each.")
    if found[_QUERY_MARK] != ALGORITHM:
        raise IncompleteSignatureError(f"'{_QUERY_MARK}' must be {ALGORITHM}.")
    if _TOKEN_HEADER in headers:
        raise IncompleteSignatureError(f"The session token must be in the query: '{_QUERY_TOKEN}'.")
    expires_s = int(found["X-Amz-Expires"]) if _EXPIRES.fullmatch(found["X-Amz-Expires"]) else 0
    if not 1 <= expires_s <= MAX_EXPIRES_S:
        raise IncompleteSignatureError(f"'X-Amz-Expires' must be 1 to {MAX_EXPIRES_S} seconds.")
    return _Stated(
        credential=found["X-Amz-Credential"],
        signed_headers=found["X-Amz-SignedHeaders"],
        digest=found[_QUERY_SIGNATURE],
        token=found.get(_QUERY_TOKEN),
        signed_at=_basic_time(found["X-Amz-Date"]),
        timestamp=found["X-Amz-Date"],
        lives=timedelta(seconds=expires_s),
        date_header="",
        signed_query="&".join(
            f"{name}={value}" for name, value in pairs if name != _QUERY_SIGNATURE
        ),
    )


def _parameters(authorization: str) -> dict[str, str]:
    if not authorization:
        raise IncompleteSignatureError("Authorization header cannot be empty.")
    if len(authorization) > MAX_AUTHORIZATION_LENGTH or not authorization.isascii():
        raise IncompleteSignatureError("Authorization header is too long or not ASCII.")
    algorithm, _, rest = authorization.partition(" ")
    if algorithm != ALGORITHM:
        raise IncompleteSignatureError(f"Authorization header must use the algorithm {ALGORITHM}.")
    parameters: dict[str, str] = {}
    for part in rest.split(","):
        name, equals, value = part.strip(" ").partition("=")
        # The part is not shown: it may hold a signature.
        if not equals:
            raise IncompleteSignatureError(
                "Authorization header holds an invalid key=value pair (missing equal-sign)."
            )
        if name in parameters:
            raise IncompleteSignatureError("Authorization header holds a parameter twice.")
        parameters[name] = value
    for name in ("Credential", "SignedHeaders", "Signature"):
        if not parameters.get(name):
            raise IncompleteSignatureError(f"Authorization header requires '{name}' parameter.")
    return parameters


@lru_cache(CREDENTIALS)
def _credential(text: str) -> tuple[Credential, str]:
    parts = text.split("/")
    if len(parts) != len(("key", "date", "region", "service", "terminator")):
        raise IncompleteSignatureError(
            "Credential must have exactly 5 slash-delimited elements, "
            "e.g. keyid/date/region/service/term."
        )
    key, date, region, service, terminator = parts
    if not _ACCESS_KEY_ID.fullmatch(key):
        raise UnrecognizedClientError
    return Credential(access_key_id=key, date=date, region=region, service=service), terminator


def _signed_at(text: str | None) -> tuple[datetime, str]:
    """The time a request claims, from X-Amz-Date, or else Date (ISO 8601 basic or HTTP)."""
    if text is None:
        raise IncompleteSignatureError(
            "Authorization header requires existence of either a 'X-Amz-Date' or a 'Date' header."
        )
    if len(text) == _BASIC_LENGTH:
        return _basic_time(text), text
    try:
        read = parsedate_to_datetime(text)  # naive when it says -0000
        signed_at = (read if read.tzinfo else read.replace(tzinfo=UTC)).astimezone(UTC)
        return signed_at, _basic(signed_at)
    except (ValueError, OverflowError):
        raise IncompleteSignatureError(_DATE_FORM) from None


@lru_cache(TIMES)
def _basic_time(text: str) -> datetime:
    """A time such as 20150830T123600Z."""
    # Not by strptime, which takes longer than all the hashing.
    match = _BASIC_TIME.fullmatch(text)
    try:
        if match:
            year, month, day, hour, minute, second = map(int, match.groups())
            return datetime(year, month, day, hour, minute, second, tzinfo=UTC)
    except ValueError:
        pass  # no such day or hour
    raise IncompleteSignatureError(_DATE_FORM)


def _check_scope(credential: Credential, terminator: str, service: str, timestamp: str) -> None:
    if terminator != TERMINATOR:
        raise InvalidSignatureError(
            f"Credential should be scoped with a valid terminator: '{TERMINATOR}'"
        )
    if credential.service != service:
        raise InvalidSignatureError(f"Credential should be scoped to correct service: '{service}'")
    if not _REGION.fullmatch(credential.region):
        raise InvalidSignatureError("Credential should be scoped to a valid Region: a-z, 0-9 and -")
    if credential.date != timestamp[:8]:
        raise InvalidSignatureError(
            "Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date "
            "from HTTP"
        )


def _check_time(signed_at: datetime, lives: timedelta | None, now: datetime) -> None:
    oldest, newest = now - (MAX_SKEW if lives is None else lives), now + MAX_SKEW
    if signed_at < oldest:
        ago = "5 min." if lives is None else f"{lives.total_seconds():.0f} sec."
        raise InvalidSignatureError(
            f"Signature expired: {_basic(signed_at)} is now earlier than "
            f"{_basic(oldest)} ({_basic(now)} - {ago})"
        )
    if signed_at > newest:
        raise InvalidSignatureError(
            f"Signature not yet current: {_basic(signed_at)} is still later than "
            f"{_basic(newest)} ({_basic(now)} + 5 min.)"
        )


def _basic(time: datetime) -> str:
    return time.strftime(_BASIC_FORMAT)


def _check_headers(headers: HeaderValues, signed: tuple[str, ...], date_header: str) -> None:
    """Host, time and all of AWS's own headers count; others may be added by proxies."""
    amz = [name for name in headers if name.startswith(_AMZ) and name not in _ADDED_ON_THE_WAY]
    for name in ("host", date_header, *amz):
        if name and name not in signed:
            raise InvalidSignatureError(f"'{name}' must be a 'SignedHeader' in the request.")
