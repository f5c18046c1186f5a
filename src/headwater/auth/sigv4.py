"""AWS Signature Version 4, the server's side: is this request signed with that secret?

Source: AWS IAM user guide, "AWS Signature Version 4 for API requests" (canonical
request, string to sign, signing key) and "Troubleshoot SigV4" (the texts of refusals).
Only signatures in the Authorization header are read, not those in the query.

Two steps, because looking a secret up takes I/O and this module does none:

    parse(request, now_ms=...)  -> Signature   everything that needs no secret
    (the caller looks `signature.credential.access_key_id` up)
    verify(signature, request, secret)         or InvalidSignatureError
"""

import re
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from hashlib import sha256
from hmac import compare_digest
from hmac import digest as hmac_digest
from typing import ClassVar
from urllib.parse import quote, unquote_to_bytes

from msgspec import Struct

from headwater.core.errors import PeerError
from headwater.core.http import Request
from headwater.core.secret import Secret

ALGORITHM = "AWS4-HMAC-SHA256"
TERMINATOR = "aws4_request"
SERVICE = "ivs"
MAX_SKEW = timedelta(minutes=5)  # both ways, as AWS's REST services allow
MAX_AUTHORIZATION_LENGTH = 4096  # a real one has about 300; bounds all work on its parts

_REGION = re.compile(r"[a-z0-9-]{1,32}")  # what an ARN allows; short enough for every ARN
_ACCESS_KEY_ID = re.compile(r"[A-Za-z0-9_]{1,128}")  # IAM's bound
_SIGNATURE = re.compile(r"[0-9a-f]{64}")
_BASIC_TIME = re.compile(r"[0-9]{8}T[0-9]{6}Z")
_BASIC_FORMAT = "%Y%m%dT%H%M%SZ"
_SPACES = re.compile(r" +")
_UNRESERVED = "-_.~"  # RFC 3986 §2.3; letters and digits are always safe
_HASH_HEADER = "x-amz-content-sha256"
_TAG_ROUTE = "/tags/"


class SignatureError(PeerError):
    """The request is not accepted as signed. All of them are answered with 403."""

    code: ClassVar[str]
    status: ClassVar[int] = 403


class MissingTokenError(SignatureError):
    """There is no Authorization header."""

    code = "MissingAuthenticationTokenException"

    def __init__(self) -> None:
        super().__init__("Missing Authentication Token")


class IncompleteSignatureError(SignatureError):
    """The Authorization header cannot be read as a signature."""

    code = "IncompleteSignatureException"


class InvalidSignatureError(SignatureError):
    """The signature can be read and does not hold: scope, time or digest."""

    code = "InvalidSignatureException"


class UnrecognizedClientError(SignatureError):
    """Nobody has that access key or session token."""

    code = "UnrecognizedClientException"

    def __init__(self) -> None:
        super().__init__("The security token included in the request is invalid.")


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
    digest: str  # 64 hexadecimal digits


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
        UnrecognizedClientError: it carries a session token; none is ever handed out.
    """
    parameters = _parameters(_authorization(request))
    credential, terminator = _credential(parameters["Credential"])
    signed_headers = tuple(parameters["SignedHeaders"].split(";"))
    date_header = "x-amz-date" if request.header("x-amz-date") is not None else "date"
    signed_at = _signed_at(request.header(date_header))
    timestamp = signed_at.strftime(_BASIC_FORMAT)
    _check_scope(credential, terminator, service, timestamp)
    _check_skew(signed_at, datetime.fromtimestamp(now_ms // 1000, UTC))
    for name in _must_be_signed(request, date_header):
        if name not in signed_headers:
            raise InvalidSignatureError(f"'{name}' must be a 'SignedHeader' in the request.")
    if request.header("x-amz-security-token") is not None:
        raise UnrecognizedClientError
    return Signature(
        credential=credential,
        timestamp=timestamp,
        signed_headers=signed_headers,
        digest=parameters["Signature"],
    )


def verify(signature: Signature, request: Request, secret: Secret) -> None:
    """Raise InvalidSignatureError unless the holder of `secret` signed this very request."""
    payload_hash = sha256(request.body).hexdigest()
    # Also refuses UNSIGNED-PAYLOAD and STREAMING-...: only S3 knows those.
    claimed_hash = request.header(_HASH_HEADER)
    if claimed_hash is not None and claimed_hash != payload_hash:
        raise InvalidSignatureError(f"'{_HASH_HEADER}' must be the SHA-256 of the request's body.")
    canonical = canonical_request(request, signature.signed_headers, payload_hash)
    expected = hmac_digest(
        signing_key(secret, signature.credential),
        _string_to_sign(signature, canonical).encode(),
        "sha256",
    ).hex()
    if not compare_digest(expected.encode(), signature.digest.encode()):
        raise InvalidSignatureError(
            "The request signature we calculated does not match the signature you provided. "
            "Check your AWS Secret Access Key and signing method. "
            "Consult the service documentation for details."
        )


def canonical_request(
    request: Request, signed_headers: tuple[str, ...], payload_hash: str
) -> bytes:
    """The text that is hashed and signed; a listed header that is missing counts as empty."""
    headers = "".join(f"{name}:{_header_value(request, name)}\n" for name in signed_headers)
    lines = (
        request.method,
        canonical_path(request.path),
        canonical_query(request.query),
        headers,
        ";".join(signed_headers),
        payload_hash,
    )
    return "\n".join(lines).encode("utf-8", "surrogatepass")


def canonical_path(path: str) -> str:
    """The path as SDKs sign it, from the percent-decoded path of the request.

    Every service but S3 signs the path of the request line, which is encoded, encoded
    once more: each segment of `path` is encoded twice here. The only decoded segment
    that can itself hold a "/" is the ARN of the tag routes, which all SDKs send as one
    segment, `/tags/arn%3Aaws%3Aivs%3A...%3Achannel%2FID`, and sign as
    `/tags/arn%253Aaws%253Aivs%253A...%253Achannel%252FID`.
    """
    if path.startswith(_TAG_ROUTE):
        return _TAG_ROUTE + _encode_twice(path.removeprefix(_TAG_ROUTE))
    return "/".join(_encode_twice(segment) for segment in path.split("/")) or "/"


def canonical_query(query: str) -> str:
    """The query, each name and value encoded one way, sorted by name, then value.

    A "+" is a plus: signers write a space as "%20".
    """
    pairs = (part.partition("=") for part in query.split("&") if part)
    encoded = sorted((_reencode(name), _reencode(value)) for name, _, value in pairs)
    return "&".join(f"{name}={value}" for name, value in encoded)


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


def _authorization(request: Request) -> str:
    values = [value for name, value in request.headers if name == "authorization"]
    if not values:
        raise MissingTokenError
    if len(values) > 1:
        raise IncompleteSignatureError("There must be one Authorization header.")
    text = values[0].strip()
    if not text:
        raise IncompleteSignatureError("Authorization header cannot be empty.")
    if len(text) > MAX_AUTHORIZATION_LENGTH or not text.isascii():
        raise IncompleteSignatureError("Authorization header is too long or not ASCII.")
    return text


def _parameters(authorization: str) -> dict[str, str]:
    algorithm, _, rest = authorization.partition(" ")
    if algorithm != ALGORITHM:
        raise IncompleteSignatureError(f"Authorization header must use the algorithm {ALGORITHM}.")
    parameters: dict[str, str] = {}
    for part in rest.split(","):
        name, equals, value = part.strip().partition("=")
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
    if not _SIGNATURE.fullmatch(parameters["Signature"]):
        raise IncompleteSignatureError("'Signature' must be 64 lower-case hexadecimal digits.")
    return parameters


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


def _signed_at(text: str | None) -> datetime:
    """The time a request claims, from X-Amz-Date, or else Date (ISO 8601 basic or HTTP)."""
    if text is None:
        raise IncompleteSignatureError(
            "Authorization header requires existence of either a 'X-Amz-Date' or a 'Date' header."
        )
    try:
        if _BASIC_TIME.fullmatch(text):
            return datetime.strptime(text, _BASIC_FORMAT).replace(tzinfo=UTC)
        http_date = parsedate_to_datetime(text)  # naive when it says -0000
        return (http_date if http_date.tzinfo else http_date.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        raise IncompleteSignatureError(
            "Date must be in ISO-8601 'basic format', e.g. 20150830T123600Z."
        ) from None


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


def _check_skew(signed_at: datetime, now: datetime) -> None:
    signed, current = signed_at.strftime(_BASIC_FORMAT), now.strftime(_BASIC_FORMAT)
    oldest, newest = now - MAX_SKEW, now + MAX_SKEW
    if signed_at < oldest:
        raise InvalidSignatureError(
            f"Signature expired: {signed} is now earlier than "
            f"{oldest.strftime(_BASIC_FORMAT)} ({current} - 5 min.)"
        )
    if signed_at > newest:
        raise InvalidSignatureError(
            f"Signature not yet current: {signed} is still later than "
            f"{newest.strftime(_BASIC_FORMAT)} ({current} + 5 min.)"
        )


def _must_be_signed(request: Request, date_header: str) -> list[str]:
    """The headers that are acted upon; others may be added on the way by proxies."""
    names = ["host", date_header]
    if request.header(_HASH_HEADER) is not None:
        names.append(_HASH_HEADER)
    return names


def _header_value(request: Request, name: str) -> str:
    """The values of one header, trimmed, inner spaces made one, joined by commas."""
    values = (value for key, value in request.headers if key == name)
    return ",".join(_SPACES.sub(" ", value.strip()) for value in values)


def _encode_twice(text: str) -> str:
    encoded = quote(text.encode("utf-8", "surrogatepass"), safe=_UNRESERVED)
    return quote(encoded, safe=_UNRESERVED)


def _reencode(text: str) -> str:
    # surrogatepass: a header or query may hold what is no text, and is then refused as
    # a mismatch, not as a failure of ours.
    return quote(unquote_to_bytes(text.encode("utf-8", "surrogatepass")), safe=_UNRESERVED)
