"""Playback tokens: the JWTs that open private channels, read and verified without I/O.

Source: IVS user guide, "Generate and Sign Playback Tokens"; RFC 7515 (JWS), RFC 7518 §3.4
(ES384), RFC 7519 (JWT). Verified by PyJWT, which is told the one algorithm there is.

States: form checked -> signature verified -> claims read. Claims cannot be read earlier.

A token may be signed by any playback key of the account in the channel's region, and does not
say by which. What its header says of keys (`kid`, `jwk`, `jku`, `x5u`, `x5c`) is ignored.
Claims that are not named here are ignored, as RFC 7519 §4 asks for.

No text of an error repeats anything of the token: it would open the channel.
"""

import base64
import re
from collections.abc import Iterable, Mapping
from functools import lru_cache
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NoReturn

import msgspec
from msgspec import Struct

from headwater.auth import origins
from headwater.core.errors import LimitError, PeerError
from headwater.core.secret import Secret

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey

ALGORITHM = "ES384"
MAX_TOKEN_CHARS = 2048
"""IVS's bound of 2 KB; checked before anything else is done."""
MAX_SHORT_LIFE_S = 600
"""How far ahead `exp` may be of a token that can be used once, or revoked."""
MAX_SKEW_S = 10
"""How far the clock of who signs may be ahead, where it is not to the viewer's profit."""
MAX_EXP = 2**63 - 1
"""Not a likely time: AWS's own example writes milliseconds, which is the year 57000."""
MAX_STRICT_ORIGINS = 5
MAX_VIEWER_ID_CHARS = 40
MAX_PLAYER_PARAMS_BYTES = 1000
MAX_KEYS_REMEMBERED = 1024
"""Public keys ready for use; each is some hundred bytes."""

CHANNEL_ARN = "aws:channel-arn"
ALLOW_ORIGIN = "aws:access-control-allow-origin"
STRICT = "aws:strict-origin-enforcement"
SINGLE_USE = "aws:single-use-uuid"
VIEWER_ID = "aws:viewer-id"
VIEWER_VERSION = "aws:viewer-session-version"
MAXIMUM_RESOLUTION = "aws:maximum-resolution"
ADS_OPT_OUT = "aws:ads-opt-out"
ADS_CONFIGURATION = "aws:ads-playback-config-name"
ADS_PARAMETERS = "aws:ads-player-params"
ADS_REPORTING = "aws:ads-reporting-mode"

EDGES: Mapping[str, int] = MappingProxyType({"SD": 480, "HD": 720, "FULL_HD": 1080})
"""Pixels of the shorter edge of the largest picture, by `aws:maximum-resolution`."""

_FORM = re.compile(r"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+")
_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


class PlaybackToken(Struct, frozen=True, kw_only=True):
    """What a verified token allows."""

    expires_at_s: int  # Unix time; playback may go on beyond it
    origins: tuple[str, ...] = ()  # patterns of `auth.origins`; none: all
    strict: bool = False  # origins count for every request, not for the first alone
    single_use_uuid: str = ""  # in lower case; "": may be used again
    viewer_id: str = ""  # "": cannot be revoked
    version: int = 0  # of the viewer's session
    max_edge: int | None = None  # pixels of the shorter edge of the largest picture


class SignedToken:
    """A token whose form is right. Nothing in it is to be believed before its signature."""

    def __init__(self, text: str) -> None:
        """Check the form and the header.

        Raises:
            LimitError: it is too long.
            PeerError: it is no JWT that is signed by ES384.
        """
        if len(text) > MAX_TOKEN_CHARS:
            raise LimitError(f"a token has at most {MAX_TOKEN_CHARS} characters")
        if not _FORM.fullmatch(text):
            raise PeerError(
                "a token is three parts in base64url, joined by dots; "
                f"this has {text.count('.') + 1}"
                if text.count(".") != 2  # noqa: PLR2004 - three parts
                else "a token's three parts are in base64url, and none is empty"
            )
        header, payload, _ = text.split(".")
        _check_header(_object(header, "header"))
        self._payload = payload
        self._text = Secret(text)
        self._is_verified = False

    def is_signed_by(self, public_key: bytes) -> bool:
        """Whether that key signed it.

        Args:
            public_key: DER SubjectPublicKeyInfo of a P-384 key, as `playback_keys` makes it.
        """
        import jwt  # noqa: PLC0415 - at the first token: a start of the server is quicker

        key = _loaded(public_key)
        try:
            jwt.PyJWS([ALGORITHM]).decode(self._text.reveal(), key, algorithms=[ALGORITHM])
        except jwt.InvalidTokenError:
            return False
        self._is_verified = True
        return True

    def claims(self, *, channel_arn: str, now_ms: int) -> PlaybackToken:
        """What it allows on that channel at that time (Unix ms), once a key is found.

        Raises:
            PeerError: a claim is missing, wrong or over; the text says which.
            RuntimeError: called before the signature was verified.
        """
        if not self._is_verified:
            raise RuntimeError("claims are read after the signature is verified")
        return _read(_object(self._payload, "payload"), channel_arn, now_ms)


def verify(
    text: str, public_keys: Iterable[bytes], *, channel_arn: str, now_ms: int
) -> PlaybackToken:
    """What a token allows, if one of the keys signed it.

    Raises:
        PeerError: it is no token for that channel and time; the text says why.
    """
    token = SignedToken(text)
    if not any(map(token.is_signed_by, public_keys)):
        refuse_signature()
    return token.claims(channel_arn=channel_arn, now_ms=now_ms)


def refuse_signature() -> NoReturn:
    """For a token that no key has signed.

    Raises:
        PeerError: always.
    """
    raise PeerError(
        "the token's signature is by no playback key of this account and region, "
        "or the token was altered"
    )


@lru_cache(MAX_KEYS_REMEMBERED)
def _loaded(public_key: bytes) -> "EllipticCurvePublicKey":
    from cryptography.hazmat.primitives.asymmetric.ec import (  # noqa: PLC0415 - as above
        EllipticCurvePublicKey,
    )
    from cryptography.hazmat.primitives.serialization import (  # noqa: PLC0415
        load_der_public_key,
    )

    key = load_der_public_key(public_key)
    if not isinstance(key, EllipticCurvePublicKey):
        raise TypeError("playback keys are on an elliptic curve")
    return key


def _object(part: str, name: str) -> dict[str, Any]:
    """The JSON object of one part."""
    try:
        value = msgspec.json.decode(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    except (ValueError, msgspec.DecodeError, RecursionError):
        value = None
    if not isinstance(value, dict):
        raise PeerError(f"the token's {name} must be a JSON object")
    return value


def _check_header(header: dict[str, Any]) -> None:
    if header.get("alg") != ALGORITHM:
        raise PeerError(f"the token's alg must be {ALGORITHM}")
    typ = header.get("typ", "JWT")  # may be left out (RFC 7519 §5.1)
    if not isinstance(typ, str) or typ.upper() != "JWT":
        raise PeerError("the token's typ must be JWT")
    if not isinstance(header.get("kid", ""), str):
        raise PeerError("the token's kid must be a text")
    if "crit" in header or "b64" in header:
        # Extensions that must be understood (RFC 7515 §4.1.11); this server knows none.
        raise PeerError("the token's header must not have crit or b64")


def _read(claims: dict[str, Any], channel_arn: str, now_ms: int) -> PlaybackToken:
    if _text(claims, CHANNEL_ARN) != channel_arn:
        raise PeerError(f"{CHANNEL_ARN} must be the ARN of this channel")
    expires_at_s = _expiry(claims, now_ms)
    if type(starts_at_s := claims.get("nbf", 0)) not in {int, float}:
        raise PeerError("nbf must be a number of Unix seconds")
    if starts_at_s > now_ms / 1000 + MAX_SKEW_S:
        raise PeerError("nbf: the token is not valid yet")
    allowed = _origins(claims)
    strict = _flag(claims, STRICT)
    if strict and len(allowed) > MAX_STRICT_ORIGINS:
        raise PeerError(
            f"{ALLOW_ORIGIN} must have at most {MAX_STRICT_ORIGINS} origins with {STRICT}"
        )
    _check_ads(claims)
    token = PlaybackToken(
        expires_at_s=expires_at_s,
        origins=allowed,
        strict=strict,
        single_use_uuid=_uuid(claims),
        viewer_id=_viewer_id(claims),
        version=_integer(claims, VIEWER_VERSION),
        max_edge=_max_edge(claims),
    )
    for name, value in ((SINGLE_USE, token.single_use_uuid), (VIEWER_ID, token.viewer_id)):
        if value and expires_at_s > now_ms / 1000 + MAX_SHORT_LIFE_S + MAX_SKEW_S:
            raise PeerError(
                f"exp must be at most {MAX_SHORT_LIFE_S} seconds ahead in a token with {name}; "
                "it is in seconds, not milliseconds"
            )
    return token


def _expiry(claims: dict[str, Any], now_ms: int) -> int:
    value = claims.get("exp")
    # By type: a bool is an int as well.
    if type(value) is not int or not 0 < value <= MAX_EXP:
        raise PeerError("exp must be a time as an integer of Unix seconds")
    if value * 1000 <= now_ms:
        raise PeerError("exp: the token has expired")
    return value


def _origins(claims: dict[str, Any]) -> tuple[str, ...]:
    if ALLOW_ORIGIN not in claims:
        return ()
    listed = _text(claims, ALLOW_ORIGIN)
    try:
        allowed = origins.parse_patterns(listed)
    except PeerError as error:
        raise PeerError(f"{ALLOW_ORIGIN} {error}") from None
    return allowed


def _uuid(claims: dict[str, Any]) -> str:
    if SINGLE_USE not in claims:
        return ""
    value = _text(claims, SINGLE_USE).lower()
    if not _UUID.fullmatch(value):
        raise PeerError(f"{SINGLE_USE} must be a UUID of 32 hexadecimal digits and 4 hyphens")
    return value


def _viewer_id(claims: dict[str, Any]) -> str:
    if VIEWER_ID not in claims:
        return ""
    value = _text(claims, VIEWER_ID)
    # No database takes NUL.
    if not 1 <= len(value) <= MAX_VIEWER_ID_CHARS or "\0" in value:
        raise PeerError(f"{VIEWER_ID} must have 1 to {MAX_VIEWER_ID_CHARS} characters")
    return value


def _max_edge(claims: dict[str, Any]) -> int | None:
    if MAXIMUM_RESOLUTION not in claims:
        return None
    edge = EDGES.get(_text(claims, MAXIMUM_RESOLUTION))
    if edge is None:
        raise PeerError(f"{MAXIMUM_RESOLUTION} must be one of {', '.join(EDGES)}")
    return edge


def _check_ads(claims: dict[str, Any]) -> None:
    """There are no ads; what is wrong now would be wrong when there are."""
    _flag(claims, ADS_OPT_OUT)
    if ADS_CONFIGURATION in claims:
        _text(claims, ADS_CONFIGURATION)
    if ADS_REPORTING in claims and _text(claims, ADS_REPORTING) not in {"CLIENT", "SERVER"}:
        raise PeerError(f"{ADS_REPORTING} must be one of CLIENT, SERVER")
    parameters = claims.get(ADS_PARAMETERS, {})
    if not isinstance(parameters, dict) or any(
        isinstance(value, (dict, list)) for value in parameters.values()
    ):
        raise PeerError(f"{ADS_PARAMETERS} must be an object of texts")
    size = sum(len(f"{key}{value}".encode()) for key, value in parameters.items())
    if size > MAX_PLAYER_PARAMS_BYTES:
        raise PeerError(f"{ADS_PARAMETERS} must have at most {MAX_PLAYER_PARAMS_BYTES} bytes")


def _text(claims: dict[str, Any], name: str) -> str:
    value = claims.get(name)
    if not isinstance(value, str):
        raise PeerError(f"{name} must be a text")
    return value


def _flag(claims: dict[str, Any], name: str) -> bool:
    value = claims.get(name, False)
    if not isinstance(value, bool):
        raise PeerError(f"{name} must be true or false")
    return value


def _integer(claims: dict[str, Any], name: str) -> int:
    value = claims.get(name, 0)
    if type(value) is not int or not -(2**63) <= value < 2**63:
        raise PeerError(f"{name} must be an integer of 64 bits")
    return value
